"""Schedules: which token each group of experts works on in each cycle.

Of a group one expert computes at a time, so its work is a queue of tokens, each as often as it chose experts of the
group. All that a schedule does is to put the entries of each queue into cycles. A token is sent to the groups once in
every cycle in which some of them work on it: *transfers* are sums over cycles of the distinct tokens in them, and the
fewer, the better.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError, VerificationError

Loads: TypeAlias = npt.NDArray[np.int64]
"""Chosen experts of each token in each group, shape (tokens, groups)."""

Slots: TypeAlias = npt.NDArray[np.int32]

Mode: TypeAlias = Literal["token_order", "any_order"]
MODES: tuple[Mode, ...] = get_args(Mode)

IDLE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """A token, or none, for every cycle and group.

    Attributes
    ----------
    slots : int32 array, shape (cycles, groups)
        Tokens; -1 where the group is idle.
    mode : {"token_order", "any_order"}
        Whether every group takes its tokens in the order in which they come, or in any.
    name : str
        What made it.

    Raises
    ------
    AxhwError
        For arrays of other shapes and types, and modes that there are not.
    """

    slots: Slots
    mode: Mode
    name: str

    def __post_init__(self) -> None:
        if self.slots.ndim != 2 or self.slots.dtype != np.int32 or not self.slots.size:
            raise AxhwError(
                "Expected slots as an int32 array [cycles, groups] with some in it, "
                f"found {self.slots.dtype} {list(self.slots.shape)}."
            )
        if self.mode not in MODES:
            raise AxhwError(f"Expected a mode out of {', '.join(MODES)}, found {self.mode!r}.")

    @property
    def cycles(self) -> int:
        """How long it is."""
        return len(self.slots)

    @property
    def groups(self) -> int:
        """How many groups work at a time."""
        return int(self.slots.shape[1])

    @cached_property
    def transfers(self) -> int:
        """Tokens sent: the distinct ones of each cycle."""
        return int(self.transfers_by_cycle.sum())

    @cached_property
    def transfers_by_cycle(self) -> npt.NDArray[np.int64]:
        """Distinct tokens of each cycle, shape (cycles,)."""
        rows = np.sort(self.slots, axis=1)
        new = rows != IDLE
        new[:, 1:] &= rows[:, 1:] != rows[:, :-1]
        counts: npt.NDArray[np.int64] = new.sum(axis=1)
        return counts

    @property
    def busy(self) -> float:
        """Share of the slots in which a group works."""
        return float((self.slots != IDLE).mean())

    @property
    def displacement(self) -> int:
        """By how many places of its queue an entry is away from token order, at most."""
        most = 0
        for column in self.slots.T:
            queue = column[column != IDLE]
            places = np.argsort(queue, kind="stable")
            most = max(most, int(np.abs(places - np.arange(len(queue))).max(initial=0)))
        return most

    def check(self, loads: Loads) -> None:
        """Refuse a schedule that is not one of these loads.

        Raises
        ------
        VerificationError
            Unless each group works on every token as often as it has to and, in token order, on lower ones first.
        """
        tokens, groups = loads.shape
        if groups != self.groups:
            raise VerificationError(f"Expected slots of {groups} groups in the schedule {self.name}, found others.")
        cycle, group = np.nonzero(self.slots != IDLE)
        token = self.slots[cycle, group]
        found = np.zeros((max(tokens, int(token.max(initial=-1)) + 1), groups), np.int64)
        np.add.at(found, (token, group), 1)
        wrong = np.argwhere(found[:tokens] != loads)
        if len(found) > tokens or len(wrong):
            at = (tokens, 0) if len(found) > tokens else tuple(wrong[0])
            raise VerificationError(
                f"Expected each token in each group as often as it chose experts there, found another number for token "
                f"{at[0]} in group {at[1]} of the schedule {self.name}."
            )
        if self.mode == "token_order" and self.displacement:
            raise VerificationError(f"Expected queues in token order in the schedule {self.name}, found another one.")

    def experts(self, chosen: npt.NDArray[np.int64], group_of: npt.NDArray[np.int64]) -> Slots:
        """The expert that computes in each slot, -1 for none; of a token's experts in one group the lowest is first.

        Parameters
        ----------
        chosen : int64 array, shape (tokens, most)
            As in `axhw.pim.choices.Choices`.
        group_of : int64 array, shape (experts,)
            Group of each expert.
        """
        token, place = np.nonzero(chosen >= 0)
        expert = chosen[token, place]
        wanted = np.lexsort((expert, token, group_of[expert]))
        cycle, group = np.nonzero(self.slots != IDLE)
        given = np.lexsort((cycle, self.slots[cycle, group], group))
        found = np.full(self.slots.shape, IDLE, np.int32)
        found[cycle[given], group[given]] = expert[wanted]
        return found


def least_cycles(loads: Loads) -> int:
    """The longest queue: no schedule is shorter."""
    return int(loads.sum(axis=0).max())


def least_transfers(loads: Loads) -> int:
    """A bound in any order: a token needs as many cycles as its largest load in one group."""
    return int(loads.max(axis=1).sum())


def check_loads(loads: Loads) -> None:
    """Refuse what can't be the loads of tokens.

    Raises
    ------
    AxhwError
        Unless they are an integer array [tokens, groups] without negative ones and with some work in it.
    """
    if loads.ndim != 2 or loads.dtype != np.int64 or not loads.size or loads.min() < 0 or not loads.any():
        raise AxhwError(
            "Expected loads as an int64 array [tokens, groups], none negative and not all zero, "
            f"found {loads.dtype} {list(loads.shape)} from {loads.min(initial=0)} to {loads.max(initial=0)}."
        )

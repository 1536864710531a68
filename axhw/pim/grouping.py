"""Groups of experts that share a periphery, as published, by name.

``U2``, ``U4``  neighbours: experts 0 and 1, 2 and 3, and so on; ``U1`` shares nothing
``S2``, ``S4``  sorted by load, half of a group out of the least loaded and half out of the most loaded experts
``C2``, ``C4``  few conflicts: see `axhw.pim.coactivation`

Any size that divides the number of experts will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.pim.choices import Choices
from axhw.pim.schedule import Loads, Mode

PUBLISHED = ("U1", "U2", "S2", "U4", "S4")
"""Groupings of arXiv 2602.10254."""

_NAME = re.compile(r"([USC])([1-9][0-9]*)")


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Which experts share a periphery.

    Attributes
    ----------
    name : str
    groups : tuple of tuples of int
        Experts of each group.

    Raises
    ------
    AxhwError
        Unless every expert from 0 up is in one group, and no group is empty.
    """

    name: str
    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        members = sorted(expert for group in self.groups for expert in group)
        if not members or members != list(range(len(members))) or not all(self.groups):
            raise AxhwError(
                f"Expected each expert from 0 up in one group and groups that are not empty, found {self.groups}."
            )

    @property
    def experts(self) -> int:
        """How many there are."""
        return sum(map(len, self.groups))

    @property
    def group_of(self) -> npt.NDArray[np.int64]:
        """Group of each expert, shape (experts,)."""
        found = np.empty(self.experts, np.int64)
        for number, group in enumerate(self.groups):
            found[list(group)] = number
        return found

    def loads(self, choices: Choices) -> Loads:
        """Chosen experts of each token in each group, int64, shape (tokens, groups).

        Raises
        ------
        AxhwError
            For choices out of another number of experts.
        """
        if choices.experts != self.experts:
            raise AxhwError(f"Expected choices out of {self.experts} experts, found ones out of {choices.experts}.")
        found = np.zeros((choices.tokens, len(self.groups)), np.int64)
        token, place = np.nonzero(choices.chosen >= 0)
        np.add.at(found, (token, self.group_of[choices.chosen[token, place]]), 1)
        return found


def uniform_grouping(experts: int, size: int) -> Grouping:
    """Neighbours share, whatever their loads.

    Raises
    ------
    AxhwError
        Unless the size divides the number of experts.
    """
    _check_size(experts, size)
    return Grouping(name=f"U{size}", groups=_rows(np.arange(experts).reshape(-1, size)))


def sorted_grouping(expert_loads: npt.ArrayLike, size: int) -> Grouping:
    """The least loaded experts share with the most loaded ones.

    With experts sorted by load as ``idx``, the least first and equal ones as they are, groups of four are
    ``(idx[2i], idx[2i+1], idx[-1-2i], idx[-2-2i])``, other sizes in the same way.

    Parameters
    ----------
    expert_loads : array of numbers, shape (experts,)
    size : int

    Raises
    ------
    AxhwError
        Unless the size is even and divides the number of experts.
    """
    order = np.argsort(np.asarray(expert_loads), kind="stable")
    _check_size(len(order), size)
    if size % 2:
        raise AxhwError(f"Expected an even size of groups sorted by load, found {size}.")
    half = size // 2
    low, high = order[: len(order) // 2].reshape(-1, half), order[::-1][: len(order) // 2].reshape(-1, half)
    return Grouping(name=f"S{size}", groups=_rows(np.concatenate([low, high], axis=1)))


def named_grouping(
    name: str, choices: Choices, *, rng: np.random.Generator, mode: Mode = "any_order", parts: int = 1
) -> Grouping:
    """A grouping by its name, made for choices.

    Parameters
    ----------
    name : str
        A letter out of U, S and C with the size of the groups, such as S4.
    choices : Choices
        What loads and conflicts are counted on.
    rng : numpy.random.Generator
    mode : {"any_order", "token_order"}
    parts : int
        These three for C alone, see `axhw.pim.coactivation.coactivation_grouping`.

    Raises
    ------
    AxhwError
        For other names, and sizes that do not fit.
    """
    kind, size = parsed_name(name)
    if kind == "U":
        return uniform_grouping(choices.experts, size)
    if kind == "S":
        return sorted_grouping(choices.expert_loads, size)
    # Compiled code takes long to import.
    from axhw.pim.coactivation import coactivation_grouping

    return coactivation_grouping(choices, size, rng=rng, mode=mode, parts=parts)


def parsed_name(name: str) -> tuple[str, int]:
    """Letter and size of a grouping's name.

    Raises
    ------
    AxhwError
        For other names.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise AxhwError(
            f"Expected a grouping such as U1, U2, S2, C2 (a letter out of U, S, C and a size), found {name!r}."
        )
    return match[1], int(match[2])


def _rows(table: npt.NDArray[np.integer]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(expert) for expert in row) for row in table)


def _check_size(experts: int, size: int) -> None:
    if size < 1 or experts % size:
        raise AxhwError(f"Expected groups of a size that divides {experts} experts, found {size}.")

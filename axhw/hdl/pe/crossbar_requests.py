"""What a crossbar group is asked to do: requests as arrays, and those that follow a schedule slot by slot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.spec import IntegerArray

IDLE = -1
"""Token of a slot in which no crossbar is read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Requests:
    """Requests in the order in which they enter; members of the group's port ``request``.

    Attributes
    ----------
    token, crossbars, idle, load, keep : (requests,) int64 arrays
        A tag; a bit for each crossbar; idle slots before the first read; 1 for a new vector; 1 where sums stay.
    """

    token: IntegerArray
    crossbars: IntegerArray
    idle: IntegerArray
    load: IntegerArray
    keep: IntegerArray

    def __len__(self) -> int:
        return len(self.token)

    @classmethod
    def of(
        cls,
        *,
        token: npt.ArrayLike,
        crossbars: npt.ArrayLike,
        idle: npt.ArrayLike = 0,
        load: npt.ArrayLike = 1,
        keep: npt.ArrayLike = 0,
    ) -> Requests:
        """Requests from rows of integers, or one integer for all."""
        arrays = np.broadcast_arrays(*(np.asarray(each, np.int64) for each in (token, crossbars, idle, load, keep)))
        return cls(**dict(zip(("token", "crossbars", "idle", "load", "keep"), map(np.atleast_1d, arrays))))

    @classmethod
    def of_slots(cls, *, token: npt.ArrayLike, crossbar: npt.ArrayLike, most_idle: int) -> Requests:
        """The requests that have a group follow a schedule.

        Neighbouring slots of a token become one request where its crossbars rise; a later request of the token that is
        still in the driver doesn't load it again. Idle slots at the end are left out.

        Parameters
        ----------
        token : (slots,) integers
            Whose vector is used in each slot; -1 in an idle one.
        crossbar : (slots,) integers
            Which crossbar is read; not looked at where there is no token.
        most_idle : int
            The most idle slots that a request may ask for. Longer pauses need requests without crossbars.

        Raises
        ------
        AxhwError
            For arrays of other shapes, and for negative tokens and crossbars.
        """
        tokens, chosen = np.asarray(token), np.asarray(crossbar)
        if tokens.ndim != 1 or tokens.shape != chosen.shape or tokens.dtype.kind != "i" or chosen.dtype.kind != "i":
            raise AxhwError(
                f"Expected a token and a crossbar for every slot, found shapes {tokens.shape} and {chosen.shape} of "
                f"{tokens.dtype} and {chosen.dtype}."
            )
        if (tokens < IDLE).any() or (chosen[tokens != IDLE] < 0).any():
            raise AxhwError("Expected tokens of -1 or more and crossbars of 0 or more in every slot, found others.")
        rows: list[list[int]] = []
        idle, held, last = 0, IDLE, IDLE
        for now, own in zip(tokens.tolist(), chosen.tolist()):
            if now == IDLE:
                idle += 1
                continue
            if now == held and not idle and own > last:
                rows[-1][1] |= 1 << own
            else:
                # A request without crossbars is a slot of its own, behind its idle ones.
                while idle > most_idle:
                    rows.append([now, 0, most_idle, 0])
                    idle -= most_idle + 1
                rows.append([now, 1 << own, idle, int(now != held)])
            idle, held, last = 0, now, own
        columns = np.array(rows, np.int64).reshape(-1, 4).T
        return cls.of(token=columns[0], crossbars=columns[1], idle=columns[2], load=columns[3])

    def reads(self, crossbars: int) -> Reads:
        """What a group of so many crossbars does slot by slot."""
        chosen = self.crossbars[:, None] >> np.arange(crossbars) & 1
        request, crossbar = np.nonzero(chosen)
        # A request without crossbars takes a slot too.
        slots = np.cumsum(self.idle + np.maximum(chosen.sum(axis=1), 1))
        first = np.concatenate([[0], slots[:-1]])[: len(self)] + self.idle
        vector = np.maximum.accumulate(np.where(self.load == 1, np.arange(len(self)), -1))
        return Reads(
            request=request,
            crossbar=crossbar,
            vector=vector[request],
            slot=first[request] + (np.cumsum(chosen, axis=1) - 1)[request, crossbar],
            slots=int(slots[-1]) if len(self) else 0,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Reads:
    """The reads of a list of requests, in order.

    Attributes
    ----------
    request, crossbar : (reads,) int64 arrays
    vector : (reads,) int64 array
        The request whose vector is in the driver, -1 for none.
    slot : (reads,) int64 array
        Idle slots count too.
    slots : int
        Of all requests.
    """

    request: IntegerArray
    crossbar: IntegerArray
    vector: IntegerArray
    slot: IntegerArray
    slots: int


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupResults:
    """What comes out of a group for a list of requests.

    Attributes
    ----------
    token, crossbar : (results,) int64 arrays
        The tag of the request, and the crossbar that was read last.
    sums : (results, columns) int64 array
    cycle : (results,) int64 array
        When the result is at the output, counted from the cycle in which the first request entered: if nobody ever
        waits for requests, vectors, or room for results.
    """

    token: IntegerArray
    crossbar: IntegerArray
    sums: IntegerArray
    cycle: IntegerArray

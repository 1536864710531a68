"""The cheapest way to put several queues into cycles, each in token order: a shortest path through a lattice.

A state tells how many entries of each queue are done. In a cycle some tokens out of those at the heads of the queues
are chosen, which costs something for each token, and every queue that waits with a chosen token goes on: to let one
wait instead never saves anything, as it could go on now and everything else stay. Of queue q with n entries and
``s = cycles - n`` pauses, ``max(0, c - s)`` to ``min(n, c)`` entries are done before cycle c, so that there are at most
``min(n, s) + 1`` states of it, and the product over all queues at most of all.

With a cost of 1 this counts transfers, and the path is a schedule with the fewest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.pim.schedule import IDLE, Loads, Slots

IntArray = npt.NDArray[np.int64]
CostArray = npt.NDArray[np.float64]

MOST_QUEUES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Lattice:
    """The queues of some groups, within a number of cycles.

    Attributes
    ----------
    tokens : int64 array, shape (queues, cycles)
        Entries of each queue, -1 behind the last.
    lengths : int64 array, shape (queues,)
    """

    tokens: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, loads: Loads, cycles: int) -> Lattice:
        """The queues of loads [tokens, groups], within as many cycles as the longest has entries, or more."""
        tokens = np.full((loads.shape[1], cycles), IDLE, np.int64)
        for queue, column in zip(tokens, loads.T):
            queue[: column.sum()] = np.repeat(np.arange(len(loads)), column)
        return cls(tokens=tokens, lengths=loads.sum(axis=0))

    @property
    def cycles(self) -> int:
        """How many there are."""
        return int(self.tokens.shape[1])

    @property
    def widths(self) -> IntArray:
        """At most so many states each queue has in one cycle, shape (queues,)."""
        widths: IntArray = np.minimum(self.lengths, self.cycles - self.lengths) + 1
        return widths

    @property
    def states(self) -> int:
        """At most so many there are in one cycle."""
        # Not in numpy: products of many widths are large.
        states = 1
        for width in self.widths.tolist():
            states *= width
        return states

    def cheapest(self, cost: CostArray) -> float:
        """Cost of the cheapest way.

        Parameters
        ----------
        cost : float64 array, shape (tokens, cycles)
            Of choosing a token in a cycle, not negative.
        """
        return float(_cheapest(self.tokens, self.lengths, self.widths, cost, np.empty((0, 0), np.uint16)))

    def way(self, cost: CostArray) -> tuple[float, Slots]:
        """Cost of the cheapest way, and the way as slots [cycles, queues]."""
        choices = np.empty((self.cycles, self.states), np.uint16)
        found = float(_cheapest(self.tokens, self.lengths, self.widths, cost, choices))
        slots = np.full((self.cycles, len(self.lengths)), IDLE, np.int32)
        _retrace(self.tokens, self.lengths, self.widths, choices, slots)
        return found, slots


# The rest is compiled, and untyped as Numba's functions are.


@njit(cache=True)
def _cheapest(tokens: Any, lengths: Any, widths: Any, cost: Any, choices: Any) -> Any:
    """Cost of the cheapest way; which queues went on before each state is put into `choices`, unless it is empty."""
    queues, cycles = tokens.shape
    states = 1
    strides = np.empty(queues, np.int64)
    for queue in range(queues):
        strides[queue] = states
        states *= widths[queue]
    now, then = np.full(states, np.inf), np.full(states, np.inf)
    now[0] = 0
    step = np.empty(queues, np.int64)  # by how much the state grows if a token is chosen
    bits = np.empty(queues, np.int64)  # queues that go on then
    price = np.empty(queues)
    done, low, next_low = np.empty(queues, np.int64), np.empty(queues, np.int64), np.empty(queues, np.int64)
    for cycle in range(cycles):
        then[:] = np.inf
        for queue in range(queues):
            low[queue] = max(0, cycle - (cycles - lengths[queue]))
            next_low[queue] = max(0, cycle + 1 - (cycles - lengths[queue]))
        for state in range(states):
            if now[state] == np.inf:
                continue
            # Tokens that can't wait are paid for at once, the others are kept in a list.
            rest, base, base_bits, paid, free = state, 0, 0, now[state], 0
            for queue in range(queues):
                done[queue] = low[queue] + rest % widths[queue]
                rest //= widths[queue]
                base += (done[queue] - next_low[queue]) * strides[queue]
            for queue in range(queues):
                if done[queue] == lengths[queue]:
                    continue
                token = tokens[queue, done[queue]]
                first = True
                for before in range(queue):
                    if done[before] < lengths[before] and tokens[before, done[before]] == token:
                        first = False
                        break
                if not first:
                    continue
                grows, going, must = 0, 0, False
                for other in range(queue, queues):
                    if done[other] < lengths[other] and tokens[other, done[other]] == token:
                        grows += strides[other]
                        going |= 1 << other
                        must |= done[other] < next_low[other]
                if must:
                    base, base_bits, paid = base + grows, base_bits | going, paid + cost[token, cycle]
                else:
                    step[free], bits[free], price[free] = grows, going, cost[token, cycle]
                    free += 1
            for chosen in range(1 << free):
                to, value, going = base, paid, base_bits
                for i in range(free):
                    if chosen >> i & 1:
                        to, value, going = to + step[i], value + price[i], going | bits[i]
                if value < then[to]:
                    then[to] = value
                    if len(choices):
                        choices[cycle, to] = going
        now, then = then, now
    # Behind the last cycle all are done: the lowest state of each queue.
    return now[0]


@njit(cache=True)
def _retrace(tokens: Any, lengths: Any, widths: Any, choices: Any, slots: Any) -> None:
    queues, cycles = tokens.shape
    done = lengths.copy()
    for cycle in range(cycles - 1, -1, -1):
        state, stride = 0, 1
        for queue in range(queues):
            state += (done[queue] - max(0, cycle + 1 - (cycles - lengths[queue]))) * stride
            stride *= widths[queue]
        for queue in range(queues):
            if choices[cycle, state] >> queue & 1:
                done[queue] -= 1
                slots[cycle, queue] = tokens[queue, done[queue]]

"""Lower bounds of transfers: what no schedule can do with less.

In any order, a token is in as many cycles as its largest load in one group at least. Where groups are nearly always
busy, tokens do not fit beside each other as they are; how many have to be split so that the sizes of their parts add up
in every cycle is a linear program over the ways to fill a cycle (Gilmore and Gomory's, of cutting stock).

In token order, the cost of a token in a cycle is divided among clusters of groups, each of which then finds its
cheapest way through its own lattice (`axhw.pim.lattice`). However it is divided, the sum is a bound, for in any
schedule clusters pay together no more than the schedule has transfers. A subgradient method looks for the division with
the largest sum (Held, Wolfe and Crowder, Mathematical Programming 6, 1974). With one cluster the bound is the optimum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.pim.lattice import MOST_QUEUES, CostArray, Lattice
from axhw.pim.ordered_schedule import checked_cycles
from axhw.pim.schedule import IDLE, Loads, check_loads, least_cycles, least_transfers

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MOST_COSTS = 1 << 27
"""Costs that are kept at most: one for each cluster, token and cycle."""

# Of the volume algorithm: weight of the newest choices in their mean, and when steps become smaller by how much.
_NEWEST = 0.03
_PATIENCE = 10
_SHRINK = 0.8
_LEAST_STEP = 1e-3
_TOLERANCE = 1e-6
_MOST_FILLINGS = 200_000


def bound_in_any_order(loads: Loads, *, cycles: int | None = None) -> int:
    """Transfers that every schedule of this length has, in whatever order.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    cycles : int, optional
        By default as many as the longest queue has entries.

    Raises
    ------
    AxhwError
        For what can't be loads, and for fewer cycles than the longest queue has entries.
    """
    check_loads(loads)
    length = checked_cycles(cycles, least_cycles(loads))
    return max(least_transfers(loads), _packing_bound(loads, length))


def bound_in_order(
    loads: Loads, *, target: int, cycles: int | None = None, states: int = 4096, rounds: int = 400
) -> int:
    """Transfers that every schedule of this length has in token order.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    target : int
        Transfers of a known schedule, which steps are measured by.
    cycles : int, optional
        By default as many as the longest queue has entries.
    states : int
        Of a cluster's lattice in one cycle at most, if it has several groups: with more, the bound is better, and takes
        longer.
    rounds : int
        How often costs are divided anew at most.

    Raises
    ------
    AxhwError
        For what can't be loads, fewer cycles than the longest queue has entries, and traces too long for it.
    """
    check_loads(loads)
    length = checked_cycles(cycles, least_cycles(loads))
    busy = loads[:, loads.sum(axis=0) > 0]
    # Queues without pauses are where they are: what is chosen there is paid for once, and free for all others.
    always = busy.sum(axis=0) == length
    free = np.zeros((len(loads), length), np.bool_)
    fixed = Lattice.of(busy[:, always], length).tokens
    free[fixed.ravel(), np.tile(np.arange(length), len(fixed))] = True
    clusters = _clusters(busy[:, ~always], length, states)
    if len(clusters) * free.size > MOST_COSTS:
        raise AxhwError(
            f"Expected a trace of fewer tokens or groups to bound its transfers in token order, found {len(loads)} "
            f"tokens and {length} cycles."
        )
    paid = int(free.sum())
    found = _divided(clusters, free, target - paid, rounds) if clusters else 0.0
    return max(bound_in_any_order(loads, cycles=length), paid + math.ceil(found - _TOLERANCE))


def _clusters(loads: Loads, cycles: int, states: int) -> list[Loads]:
    """Loads of groups that are put together as long as their lattice is small."""
    widths = Lattice.of(loads, cycles).widths
    clusters: list[list[int]] = []
    sizes: list[int] = []
    for group in np.argsort(-widths, kind="stable").tolist():
        width = int(widths[group])
        fitting = [i for i, size in enumerate(sizes) if size * width <= states and len(clusters[i]) < MOST_QUEUES]
        if fitting:
            sizes[fitting[0]] *= width
            clusters[fitting[0]].append(group)
        else:
            sizes.append(width)
            clusters.append([group])
    return [loads[:, groups] for groups in clusters]


def _divided(clusters: list[Loads], free: BoolArray, target: float, rounds: int) -> float:
    """The largest sum of cheapest ways found."""
    cycles = free.shape[1]
    lattices = [Lattice.of(loads, cycles) for loads in clusters]
    has = np.array([loads.any(axis=1) for loads in clusters])
    even = np.where(has, 1.0 / np.maximum(has.sum(axis=0), 1), 0.0)
    cost: CostArray = even[:, :, None] * ~free
    centre, mean, seen = cost.copy(), np.zeros_like(cost), np.zeros_like(free)
    best, step, waited = 0.0, 1.0, 0
    for _ in range(rounds):
        total = 0.0
        mean *= 1 - _NEWEST
        for number, lattice in enumerate(lattices):
            paid, slots = lattice.way(cost[number])
            total += paid
            cycle, queue = np.nonzero(slots != IDLE)
            chosen = np.zeros_like(free)
            chosen[slots[cycle, queue], cycle] = True
            mean[number][chosen] += _NEWEST
            seen |= chosen
        waited += 1
        if total > best + _TOLERANCE:
            best, waited = total, 0
            centre[:, seen] = cost[:, seen]
        if waited > _PATIENCE:
            step, waited = step * _SHRINK, 0
        if len(lattices) == 1 or step < _LEAST_STEP or best > target - 1 + _TOLERANCE:
            break
        # What a cluster chose costs it more from now on, and the others less.
        token, cycle = np.nonzero(seen & ~free)
        slope = mean[:, token, cycle]
        moved = centre[:, token, cycle] + step * (target - best) / (slope**2).sum() * slope
        cost[:, token, cycle] = _on_simplex(moved, has[:, token])
    return best


def _on_simplex(cost: CostArray, has: BoolArray) -> CostArray:
    """The nearest costs, column by column, that are not negative and add up to no more than 1, where there are any."""
    ordered = -np.sort(-np.where(has, cost, -np.inf), axis=0)
    sums = np.cumsum(np.where(np.isfinite(ordered), ordered, 0.0), axis=0)
    excess = (sums - 1) / np.arange(1, len(cost) + 1)[:, None]
    last = (ordered > excess).sum(axis=0) - 1
    above = np.maximum(excess[last, np.arange(cost.shape[1])], 0.0)
    nearest: CostArray = np.where(has, np.maximum(cost - above, 0.0), 0.0)
    return nearest


def _packing_bound(loads: Loads, cycles: int) -> int:
    """Least number of parts of tokens that fill cycles, were all groups alike; 0 if there are too many ways to fill."""
    groups = loads.shape[1]
    # From scipy: takes long to import.
    from scipy.optimize import linprog

    kinds, count = np.unique(
        np.stack([loads.sum(axis=1), loads.max(axis=1), (loads > 0).sum(axis=1)], axis=1), axis=0, return_counts=True
    )
    largest = int(kinds[:, 2].max())
    if (
        largest < 2
        or _partition_count(groups, largest)
        + sum(_partition_count(int(entries), int(width)) for entries, _, width in kinds)
        > _MOST_FILLINGS
    ):
        return 0
    columns: list[IntArray] = []
    prices: list[int] = []
    equal = np.zeros((len(kinds), 0))
    for number, (entries, most, width) in enumerate(kinds.tolist()):
        for parts in _partitions(entries, width):
            if len(parts) >= most:
                columns.append(_at_least(parts, largest))
                prices.append(len(parts))
                equal = np.column_stack([equal, np.arange(len(kinds)) == number])
    fillings = [-_at_least(parts, largest) for parts in _partitions(groups, largest)]
    # A place for a part of some size is one for smaller parts too.
    above = np.column_stack([*columns, *fillings])
    above = np.vstack([above, np.repeat([0, 1], [len(columns), len(fillings)])])
    solved = linprog(
        [*prices, *[0] * len(fillings)],
        A_ub=above,
        b_ub=[*[0] * largest, cycles],
        A_eq=np.pad(equal, ((0, 0), (0, len(fillings)))),
        b_eq=count,
        method="highs",
    )
    return math.ceil(solved.fun - _TOLERANCE) if solved.status == 0 else 0


def _at_least(parts: tuple[int, ...], largest: int) -> IntArray:
    """How many parts are of size 1 or more, 2 or more, and so on."""
    found: IntArray = np.bincount(parts, minlength=largest + 1)[::-1].cumsum()[::-1][1:]
    return found


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """The ways to write a number as a sum of parts up to the largest."""
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)


def _partition_count(total: int, largest: int) -> int:
    ways = [1] + [0] * total
    for part in range(1, largest + 1):
        for number in range(part, total + 1):
            ways[number] += ways[number - part]
    return ways[total]

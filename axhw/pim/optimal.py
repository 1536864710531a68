"""Schedules that are proved to have the fewest transfers, for small cases.

In token order they are shortest ways through a lattice (`axhw.pim.lattice`), whose size is the product of the queues'
pauses: up to 512 tokens in four groups, and short traces in more. In any order an integer program is solved.
"""

from __future__ import annotations

import numpy as np

from axhw.errors import AxhwError
from axhw.pim.lattice import MOST_QUEUES, Lattice
from axhw.pim.ordered_schedule import checked_cycles
from axhw.pim.schedule import IDLE, Loads, Schedule, check_loads, least_cycles

MOST_STATES = 1 << 31
"""States of all cycles together, to count transfers of: minutes."""

MOST_CHOICES = 1 << 27
"""States of all cycles together, to make a schedule of: a quarter of a gigabyte."""

MOST_VARIABLES = 20_000


def count_fewest_in_order(loads: Loads, *, cycles: int | None = None) -> int:
    """The fewest transfers in token order.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    cycles : int, optional
        How long schedules are. By default as the longest queue, which no schedule is shorter than.

    Raises
    ------
    AxhwError
        For what can't be loads, fewer cycles than the longest queue has entries, and cases that are too large.
    """
    lattice = _lattice(loads, cycles, MOST_STATES)
    return round(lattice.cheapest(np.ones((len(loads), lattice.cycles))))


def fewest_in_order(loads: Loads, *, cycles: int | None = None) -> Schedule:
    """A schedule with the fewest transfers in token order.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    cycles : int, optional
        As for `count_fewest_in_order`.

    Raises
    ------
    AxhwError
        As `count_fewest_in_order`; cases are too large earlier.
    """
    lattice = _lattice(loads, cycles, MOST_CHOICES)
    _, slots = lattice.way(np.ones((len(loads), lattice.cycles)))
    return Schedule(slots=slots, mode="token_order", name="optimal")


def fewest_in_any_order(loads: Loads, *, cycles: int | None = None, seconds: float = 60.0) -> Schedule:
    """A schedule with the fewest transfers in any order.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    cycles : int, optional
        As for `count_fewest_in_order`.
    seconds : float
        How long the solver may take.

    Raises
    ------
    AxhwError
        As `count_fewest_in_order`, and if the optimum isn't proved in time.
    """
    check_loads(loads)
    length = checked_cycles(cycles, least_cycles(loads))
    # They take long to import.
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    token, group = np.nonzero(loads)
    variables = (len(token) + len(loads)) * length
    if variables > MOST_VARIABLES:
        raise AxhwError(
            f"Expected a case of at most {MOST_VARIABLES} choices for the optimum in any order, found {variables}: "
            "take fewer tokens."
        )
    # For each pair of a token and a group that it has work in, and each cycle, whether it is done then; behind these,
    # for each token and cycle, whether the token is sent.
    pair, cycle = np.divmod(np.arange(len(token) * length), length)
    place = np.arange(len(pair))
    sent = len(pair) + token[pair] * length + cycle
    done = coo_array((np.ones(len(pair)), (pair, place)), shape=(len(token), variables))
    alone = coo_array(
        (np.ones(len(pair)), (group[pair] * length + cycle, place)), shape=(loads.shape[1] * length, variables)
    )
    if_sent = coo_array(
        (np.repeat([1.0, -1.0], len(pair)), (np.tile(place, 2), np.concatenate([place, sent]))),
        shape=(len(pair), variables),
    )
    often = coo_array(
        (
            np.ones(len(loads) * length),
            (np.repeat(np.arange(len(loads)), length), len(pair) + np.arange(len(loads) * length)),
        ),
        shape=(len(loads), variables),
    )
    solved = milp(
        np.repeat([0.0, 1.0], [len(pair), len(loads) * length]),
        integrality=np.ones(variables),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(done, loads[token, group], loads[token, group]),
            LinearConstraint(alone, -np.inf, 1),
            LinearConstraint(if_sent, -np.inf, 0),
            LinearConstraint(often, loads.max(axis=1), np.inf),
        ],
        options={"time_limit": seconds},
    )
    if solved.status != 0:
        raise AxhwError(
            f"Expected a proof of the fewest transfers within {seconds:g} s, found none: take fewer tokens."
        )
    taken = solved.x[: len(pair)] > 0.5
    slots = np.full((length, loads.shape[1]), IDLE, np.int32)
    slots[cycle[taken], group[pair[taken]]] = token[pair[taken]]
    return Schedule(slots=slots, mode="any_order", name="optimal")


def _lattice(loads: Loads, cycles: int | None, most: int) -> Lattice:
    check_loads(loads)
    length = checked_cycles(cycles, least_cycles(loads))
    busy = Lattice.of(loads, length)
    if busy.states * length > most or loads.shape[1] > MOST_QUEUES:
        raise AxhwError(
            f"Expected a case of at most {MOST_QUEUES} groups and {most} states for the optimum in token order, found "
            f"{loads.shape[1]} groups and {busy.states * length} states: take fewer tokens or groups."
        )
    return busy

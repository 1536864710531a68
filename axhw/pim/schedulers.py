"""Schedulers by name."""

from __future__ import annotations

import numpy as np

from axhw.errors import AxhwError
from axhw.pim.ordered_schedule import in_order
from axhw.pim.published_schedules import compact, rescheduled, token_by_token
from axhw.pim.schedule import Loads, Mode, Schedule
from axhw.pim.unordered_schedule import in_any_order

OURS = "ours"
_PUBLISHED = {made.__name__: made for made in (token_by_token, compact, rescheduled)}
SCHEDULERS = (*_PUBLISHED, OURS)
"""Those of arXiv 2602.10254, and ours."""


def scheduled(
    name: str, loads: Loads, *, rng: np.random.Generator, mode: Mode = "token_order", cycles: int | None = None
) -> Schedule:
    """The schedule that a scheduler makes.

    Parameters
    ----------
    name : str
        One of `SCHEDULERS`.
    loads : int64 array, shape (tokens, groups)
    rng : numpy.random.Generator
        For ours alone.
    mode : {"token_order", "any_order"}
        Whether ours may reorder queues; the others never do.
    cycles : int, optional
        For ours alone: how long the schedule is. By default as short as can be.

    Raises
    ------
    AxhwError
        For other names, what can't be loads, a length that ours can't keep, and one for another scheduler.
    """
    if name not in SCHEDULERS:
        raise AxhwError(f"Expected a scheduler out of {', '.join(SCHEDULERS)}, found {name!r}.")
    if name == OURS:
        return (in_order if mode == "token_order" else in_any_order)(loads, rng=rng, cycles=cycles)
    if cycles is not None:
        raise AxhwError(f"Expected a number of cycles for the scheduler {OURS} alone, found one for {name}.")
    return _PUBLISHED[name](loads)

"""Work split over processors: how many threads it is worth, and the calls of kernels run by so many."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from axhw.emulate import vector_ir as v
from axhw.emulate.program import Program
from axhw.emulate.team import Team, run_alone
from axhw.emulate.team_ir import lock_function
from axhw.errors import AxhwError

# Estimated nanoseconds of work that are worth sharing with helpers that wait for it, and with those that sleep.
_WORTH_SHARING = 10_000.0
_WORTH_WAKING = 150_000.0


def thread_count(threads: int | None) -> int:
    """Threads to use: as asked, or all processors this process may run on.

    Raises
    ------
    AxhwError
        If it is not a positive integer.
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    if not isinstance(threads, int) or threads < 1:
        raise AxhwError(f"Expected a positive number of threads, found {threads!r}.")
    return threads


def parts(threads: int, nanoseconds: float) -> int:
    """Parts to cut work into that would take one thread so long: as many as threads if that pays, else 1."""
    if threads == 1 or nanoseconds < _WORTH_SHARING or not v.available() or not lock_function("acquire"):
        return 1
    team = _team(threads - 1)
    # Small work that follows closely on other work wakes the helpers for what may follow on it.
    lately = team.asked_lately()
    return threads if lately or nanoseconds > _WORTH_WAKING or team.awake() else 1


def run(program: Program, threads: int, *, bases: Sequence[int] = ()) -> None:
    """Run a program, by several threads if it has several tasks.

    Parameters
    ----------
    program : Program
    threads : int
    bases : sequence of int
        Addresses that arguments are relative to (`axhw.emulate.calls.within`), from base 1 on.
    """
    if threads == 1 or program.tasks < 2 or not lock_function("acquire"):
        run_alone(program, bases)
    else:
        _team(threads - 1).run(program, bases)


@cache
def _team(helpers: int) -> Team:
    return Team(helpers)


if hasattr(os, "register_at_fork"):
    # Threads do not survive in a forked child.
    os.register_at_fork(after_in_child=_team.cache_clear)

"""Work on a text in batches, shared out among threads, each with a BLAS of one thread.

On the small matrices of experts, BLAS threads mostly wait for each other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from typing import TypeAlias, TypeVar

import numpy.typing as npt
from threadpoolctl import threadpool_limits

from axhw.analog.operators import Chip, HybridModel, Programming
from axhw.lm.scoring import Tokens, windows

Progress: TypeAlias = Callable[[int, int, str], None]
ChipKey: TypeAlias = tuple[HybridModel, Programming]

BATCH_TOKENS = 1 << 14
"""Tokens that are computed at once, as in `axhw.lm.scoring.score`."""

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Windows of a text, and what follows each of their tokens: integer arrays, shape (texts, length)."""

    inputs: Tokens
    targets: Tokens


def batches(text: npt.ArrayLike, *, window: int, batch_tokens: int = BATCH_TOKENS) -> tuple[Batch, ...]:
    """A text in batches of windows.

    Raises
    ------
    AxhwError
        As `axhw.lm.scoring.windows`.
    """
    inputs, targets = windows(text, window=window)
    step = max(1, batch_tokens // window)
    return tuple(
        Batch(inputs=inputs[start : start + step], targets=targets[start : start + step])
        for start in range(0, len(inputs), step)
    )


class Steps:
    """Progress of several threads, and the word to stop.

    Parameters
    ----------
    total : int
    progress : callable, optional
        Told of steps done, of all steps, and `what`.
    what : str
    """

    def __init__(self, total: int, progress: Progress | None, what: str) -> None:
        self._done = 0
        self._total = total
        self._progress = progress
        self._what = what
        self._lock = Lock()
        self._stop = Event()
        if progress is not None:
            progress(0, total, what)

    @property
    def stopped(self) -> bool:
        """Whether results are not waited for any more."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let all threads end at their next step."""
        self._stop.set()

    def count(self) -> None:
        """Say that a step is done."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, self._total, self._what)


class Chips:
    """The chips that were used last: threads work on the same ones, or on neighbours."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._chips: OrderedDict[ChipKey, Chip] = OrderedDict()
        self._lock = Lock()

    def get(self, key: ChipKey) -> Chip:
        """A chip, made where it is not there."""
        with self._lock:
            if key not in self._chips:
                hybrid, programming = key
                self._chips[key] = hybrid.chip(programming)
            self._chips.move_to_end(key)
            while len(self._chips) > self._most:
                self._chips.popitem(last=False)
            return self._chips[key]


def run_tasks(run: Callable[[Task], Result], tasks: Sequence[Task], *, jobs: int, steps: Steps) -> list[Result]:
    """The results of all tasks, in order.

    Parameters
    ----------
    run : callable
        Should count its steps, and end early once they are `Steps.stopped`.
    tasks : sequence
    jobs : int
        Threads.
    steps : Steps
        Stopped where an exception, such as Ctrl-C, passes.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(run, tasks))
        finally:
            steps.stop()

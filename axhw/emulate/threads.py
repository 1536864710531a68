"""Work split over processors: kernels release the interpreter's lock, so plain threads run them side by side."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

_LINE = 64

Scalar = TypeVar("Scalar", bound=np.generic)


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


def run_all(tasks: Sequence[Callable[[], None]], threads: int) -> None:
    """Run every task, the calling thread taking its share; the first exception is raised again."""
    if threads == 1 or len(tasks) < 2:
        for task in tasks:
            task()
        return
    waiting = iter(tasks)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            task()

    helpers = _helpers(threads)
    helpers.keep_off(_processor())
    futures = [helpers.pool.submit(work) for _ in range(min(threads, len(tasks)) - 1)]
    work()
    for future in futures:
        # A helper that has not started finds nothing to do.
        if not future.cancel():
            future.result()


def aligned(shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar]) -> npt.NDArray[Scalar]:
    """An uninitialised array that starts at a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(size + _LINE, np.uint8)
    start = -buffer.ctypes.data % _LINE
    return buffer[start : start + size].view(dtype).reshape(shape)


class Scratch(threading.local):
    """Work space of each thread, reused from call to call because fresh pages cost more than what is written to them.

    Its contents mean nothing between calls.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, npt.NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar]) -> npt.NDArray[Scalar]:
        """An uninitialised array of this thread that starts at a cache line, valid until `name` is asked for again."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.nbytes < size:
            buffer = self._buffers[name] = aligned((size,), np.uint8)
        return buffer[:size].view(dtype).reshape(shape)


scratch = Scratch()


class _Helpers:
    """A pool of threads that stay off the processor of the thread they help.

    Linux often wakes a thread on the processor of the one that woke it, where it waits until that one is done.
    """

    def __init__(self, threads: int) -> None:
        self.pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="axhw-emulate", initializer=self._join)
        self._threads: list[int] = []
        self._allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._avoided: int | None = None

    def keep_off(self, processor: int | None) -> None:
        """Keep all threads of the pool off a processor, where there is another one."""
        others = self._allowed - {processor}
        if processor is None or processor == self._avoided or not others:
            return
        self._avoided = processor
        for thread in self._threads:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(thread, others)

    def _join(self) -> None:
        self._threads.append(threading.get_native_id())
        self._avoided = None


@lru_cache(maxsize=8)
def _helpers(threads: int) -> _Helpers:
    return _Helpers(threads)


def _processor() -> int | None:
    """The processor this thread runs on, where the C library tells."""
    query = _processor_query()
    return int(query()) if query is not None else None


@lru_cache(maxsize=1)
def _processor_query() -> Callable[[], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)


if hasattr(os, "register_at_fork"):
    # The threads of a pool do not survive in a forked child.
    os.register_at_fork(after_in_child=_helpers.cache_clear)

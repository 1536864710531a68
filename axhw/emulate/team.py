"""Threads that help with the calls of one other thread; they wait for it in compiled code (`axhw.emulate.team_ir`)."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from axhw.emulate import team_ir
from axhw.emulate.calls import address_of
from axhw.emulate.program import Program
from axhw.emulate.scratch import aligned, scratch

# Two programs within this time follow each other so closely that helpers stay awake in between.
_CLOSE_NS = 200_000
_WORD_BYTES = 8


class Team:
    """A thread that leads, any one, and its helpers; these start when they are first needed.

    Parameters
    ----------
    helpers : int
    """

    def __init__(self, helpers: int) -> None:
        self._code = team_ir.team_code()
        self._count = helpers
        self._one_leader = threading.Lock()
        self._board = aligned((team_ir.place_of_helper(helpers),), np.int64)
        self._board[...] = 0
        self._address = address_of(self._board)
        # Reads and writes of single words, faster than through the array.
        self._words = memoryview(self._board.data)
        self._places = [team_ir.place_of_helper(i) for i in range(helpers)]
        self._threads: list[threading.Thread] = []
        self._allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._avoided: int | None = None
        self._asked_at = 0
        self._started = False

    def awake(self) -> bool:
        """Whether a helper is there at once."""
        return bool(self._threads) and any(not self._words[place + team_ir.ASLEEP] for place in self._places)

    def asked_lately(self) -> bool:
        """Whether this was asked a moment ago."""
        before, self._asked_at = self._asked_at, time.perf_counter_ns()
        return self._asked_at - before < _CLOSE_NS

    def run(self, program: Program, bases: Sequence[int]) -> None:
        """Run all tasks, each by one thread with a work space of its own; helpers that sleep are woken.

        Only one thread can lead at a time. Another one does its tasks alone.
        """
        if not self._one_leader.acquire(blocking=False):
            run_alone(program, bases)
            return
        try:
            self._start()
            self._keep_off(_processor())
            each = program.work_bytes
            work = scratch.address("work", (1 + self._count) * each)
            all_bases = array("q", [base for i in range(1 + self._count) for base in (work + i * each, *bases)])
            words = self._words
            words[team_ir.PROGRAM] = program.address
            words[team_ir.TASKS] = program.tasks
            words[team_ir.BASES] = all_bases.buffer_info()[0]
            words[team_ir.BASES_BYTES] = _WORD_BYTES * (1 + len(bases))
            self._code.lead(self._address)
        finally:
            self._one_leader.release()

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        allocate = ctypes.PYFUNCTYPE(ctypes.c_void_p)(team_ir.lock_function("allocate"))
        acquire = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(team_ir.lock_function("acquire"))
        # A process that ends, or may have no more threads, does without.
        with contextlib.suppress(RuntimeError):
            atexit.register(self._close)
            for i, place in enumerate(self._places):
                self._words[place + team_ir.LOCK] = lock = allocate()
                acquire(lock, 1)
                arguments = (self._address, i)
                thread = threading.Thread(target=self._code.help, args=arguments, name=f"axhw-emulate-{i}", daemon=True)
                thread.start()
                self._threads.append(thread)
                self._words[team_ir.HELPERS] = len(self._threads)

    def _close(self) -> None:
        """End the helpers before the interpreter that ends takes their code away."""
        self._started = True
        self._words[team_ir.STOP] = 1
        release = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(team_ir.lock_function("release"))
        for i, thread in enumerate(self._threads):
            release(self._words[self._places[i] + team_ir.LOCK])
            thread.join()
        self._threads = []
        self._words[team_ir.HELPERS] = 0

    def _keep_off(self, processor: int | None) -> None:
        """Keep helpers off the processor of their leader, where there is another one.

        Linux often wakes a thread on the processor of the one that woke it, where it waits until that one is done.
        """
        if processor is None or processor == self._avoided:
            return
        self._avoided = processor
        others = self._allowed - {processor}
        if not others:
            return
        for thread in self._threads:
            if thread.native_id is not None:
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread.native_id, others)


def run_alone(program: Program, bases: Sequence[int]) -> None:
    """Run all tasks on this thread."""
    all_bases = array("q", [scratch.address("work", program.work_bytes), *bases])
    team_ir.team_code().alone(program.address, program.tasks, all_bases.buffer_info()[0])


def _processor() -> int | None:
    """The processor this thread runs on, where the C library tells."""
    query = _processor_query()
    return int(query()) if query is not None else None


@lru_cache(maxsize=1)
def _processor_query() -> Callable[[], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)

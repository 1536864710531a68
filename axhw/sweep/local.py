"""Worker processes of this machine.

Not `concurrent.futures`: its workers outlive a killed parent, a killed worker takes all pending designs with it, and
nothing tells which one it was making. Here each worker has a pipe of its own: it ends when the other end is gone,
and a design whose worker died is known.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from amaranth.hdl import UnusedElaboratable

from axhw.hdl.registry import DesignSpec
from axhw.interrupts import Interrupts
from axhw.sweep.task import Outcome, Setup, make

MOST_TRIES = 2
"""How often a design is begun whose worker dies."""

_PATIENCE_S = 5.0
_OBJECTS_PER_COLLECTION = 10_000
# Libraries that start threads of their own when they are loaded; the workers are as many as there are processors.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(eq=False)
class _Worker:
    """A process, our end of its pipe, and the place of the design it is making."""

    process: BaseProcess
    pipe: Connection
    place: int | None = None


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_local(specs: Sequence[DesignSpec], setup: Setup, *, jobs: int) -> Generator[tuple[int, Outcome], None, None]:
    """Make designs in `jobs` processes; place and outcome of each as it is finished.

    When the iterator is closed or an exception such as Ctrl-C passes, the workers are ended with the designs they are
    making; what was finished is in the store.
    """
    waiting = deque(range(len(specs)))
    tries = [0] * len(specs)
    workers: list[_Worker] = []
    try:
        for _ in range(min(jobs, len(specs))):
            workers.append(_start(setup))
        while workers:
            for worker in workers:
                if worker.place is None and waiting:
                    worker.place = waiting.popleft()
                    tries[worker.place] += 1
                    # A worker that died meanwhile is noticed below.
                    with contextlib.suppress(OSError):
                        worker.pipe.send(specs[worker.place])
            busy = [worker for worker in workers if worker.place is not None]
            if not busy:
                break
            ready = wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe not in ready or worker.place is None:
                    continue
                try:
                    outcome: Outcome | None = worker.pipe.recv()
                except (EOFError, OSError):
                    outcome = None
                place, worker.place = worker.place, None
                if outcome is None:
                    worker.process.join()
                    workers[workers.index(worker)] = _start(setup)
                    if tries[place] < MOST_TRIES:
                        waiting.append(place)
                        continue
                    outcome = Outcome(name=specs[place].name, state="failed", error=_ended(specs[place], worker))
                yield place, outcome
    finally:
        _stop(workers)


def _ended(spec: DesignSpec, worker: _Worker) -> str:
    return (
        f"Expected a worker process to finish {spec.name}, found it ended with exit code {worker.process.exitcode} "
        f"{MOST_TRIES} times: is there enough memory?"
    )


def _start(setup: Setup) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, setup), daemon=True)
    with _environment(dict.fromkeys(_THREAD_VARIABLES, str(setup.threads))), _interrupts_later():
        process.start()
    theirs.close()
    return _Worker(process=process, pipe=ours)


def _serve(pipe: Connection, setup: Setup) -> None:
    """Make what comes through the pipe until its other end is closed, by intent or because the parent was killed."""
    # What is being built when the sweep is interrupted is nobody's concern.
    warnings.simplefilter("ignore", UnusedElaboratable)
    # Ctrl-C reaches the whole process group, and the parent decides; SIGTERM ends Yosys too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with Interrupts(signal.SIGTERM, error=SystemExit), contextlib.suppress(EOFError, OSError):
        _make_all(pipe, setup)


def _make_all(pipe: Connection, setup: Setup) -> None:
    pipe.send(make(pipe.recv(), setup))
    # What the first design loaded stays, and need not be looked through for garbage again and again; nor does a
    # circuit while it is put together.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    while True:
        pipe.send(make(pipe.recv(), setup))


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.pipe.close()
        if worker.place is not None:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Ctrl-C waits until the block ends; for processes that are started in it, until they let it in."""
    # Would be started with the first worker, and lets signals in when it was.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment of the processes that are started in the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

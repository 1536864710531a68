"""Many trainings on the devices of a machine, several at once on each, in an order that they depend on.

A training of a small network leaves most of a GPU idle, and some at once make more of it; under NVIDIA's
Multi-Process Service (``nvidia-cuda-mps-control -d``) their kernels run side by side.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from axhw.errors import AxhwError
from axhw.files import output_folder
from axhw.interrupts import Interrupts

_ATTEMPTS = 2
_BAD_INPUT = 2
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Job:
    """A module that Python runs.

    Attributes
    ----------
    name : str
        Of its log, too.
    arguments : tuple of str
        Behind ``python -m``.
    after : tuple of str
        Names of the jobs whose files it needs.
    """

    name: str
    arguments: tuple[str, ...]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of jobs: their names.

    Attributes
    ----------
    done : tuple of str
        Ended well.
    failed : tuple of str
        Failed, most of them twice.
    left : tuple of str
        Not begun, for want of time or of a job that failed.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Where jobs run.

    Attributes
    ----------
    devices : tuple of str
        What each job sees of the GPUs, as ``CUDA_VISIBLE_DEVICES``.
    at_once : int
        Jobs on a device.
    logs : Path
        Folder for what each prints, ``<name>.log``.
    seconds : float or None
        After which none is begun; those that run then go on to their ends.

    Raises
    ------
    AxhwError
        Without devices or for less than one job at once.
    """

    devices: tuple[str, ...]
    at_once: int
    logs: Path
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.devices or self.at_once < 1:
            raise AxhwError(
                f"Expected devices and at least 1 job at once, found {len(self.devices)} and {self.at_once}."
            )

    def run(self, jobs: Sequence[Job], *, log: Callable[[str], None] = lambda line: None) -> Outcome:
        """Run jobs, the first ones first; one that fails is tried again behind all others, if its input is not bad.

        An interrupt or a signal to terminate stops the jobs, too.

        Raises
        ------
        AxhwError
            For jobs of one name, and jobs that need others than those before them.
        """
        _check(jobs)
        output_folder(self.logs)
        begun = time.monotonic()
        waiting, running = list(jobs), dict[str, _Running]()
        done, failed, attempts = list[str](), list[str](), Counter[str]()
        try:
            with Interrupts(signal.SIGTERM):
                while True:
                    for process, code in _ended(running):
                        name = process.job.name
                        log(f"{name}: {'done' if code == 0 else f'ended with {code}'} after {process.seconds:.0f} s")
                        if code == 0:
                            done.append(name)
                        elif attempts[name] < _ATTEMPTS and code != _BAD_INPUT:
                            waiting.append(process.job)
                        else:
                            failed.append(name)
                    ready = [job for job in waiting if set(job.after) <= set(done)]
                    in_time = self.seconds is None or time.monotonic() - begun < self.seconds
                    while ready and in_time and (device := self._free(running)) is not None:
                        job = ready.pop(0)
                        waiting.remove(job)
                        attempts[job.name] += 1
                        running[job.name] = self._begin(job, device)
                    if not running:
                        break
                    time.sleep(_POLL_S)
        finally:
            for process in running.values():
                process.process.terminate()
            for process in running.values():
                process.process.wait()
                process.log.close()
        # What failed and could not be tried again for want of time has failed.
        failed += [job.name for job in waiting if attempts[job.name]]
        left = tuple(job.name for job in waiting if not attempts[job.name])
        return Outcome(done=tuple(done), failed=tuple(failed), left=left)

    def _free(self, running: Mapping[str, _Running]) -> str | None:
        """The device with the fewest jobs; None if all are full."""
        used = Counter(job.device for job in running.values())
        device = min(self.devices, key=lambda device: used[device])
        return device if used[device] < self.at_once else None

    def _begin(self, job: Job, device: str) -> _Running:
        threads = max(1, (os.cpu_count() or 1) // (len(self.devices) * self.at_once))
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": device, "OMP_NUM_THREADS": str(threads)}
        output = (self.logs / f"{job.name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", *job.arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        return _Running(job=job, device=device, process=process, log=output, begun=time.monotonic())


@dataclass(frozen=True, kw_only=True)
class _Running:
    job: Job
    device: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    begun: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun


def _ended(running: dict[str, _Running]) -> Iterator[tuple[_Running, int]]:
    """Those that have ended and how; they run no more."""
    for name, process in list(running.items()):
        if (code := process.process.poll()) is not None:
            del running[name]
            process.log.close()
            yield process, code


def _check(jobs: Sequence[Job]) -> None:
    known = set[str]()
    for job in jobs:
        if job.name in known:
            raise AxhwError(f"Expected jobs of different names, found two of the name {job.name}.")
        if missing := sorted(set(job.after) - known):
            raise AxhwError(f"Expected {', '.join(missing)} before {job.name}, which needs it, found it nowhere there.")
        known.add(job.name)

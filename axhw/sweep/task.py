"""One design of a sweep: what a worker needs to know, and what it answers."""

from __future__ import annotations

import functools
import itertools
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from axhw.characterize import characterize, code_digest
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.registry import DesignSpec
from axhw.measure import Conditions
from axhw.store import Store
from axhw.synth.engines import find_engine
from axhw.synth.libraries import LibrarySource, absolute_name, load_library

State = Literal["made", "stored", "failed check", "failed"]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all designs of a sweep have in common; a worker prepares it once.

    Attributes
    ----------
    library : str
        Embedded name, or absolute paths of Liberty files with commas between them.
    library_sha256, engine, code_sha256 : str
        What the worker must have too: a sweep never mixes libraries, engines or versions.
    store : str
        Absolute path of the store, which every worker writes to.
    conditions : Conditions
    threads : int
        Per worker.
    """

    library: str
    library_sha256: str
    engine: str
    code_sha256: str
    store: str
    conditions: Conditions
    threads: int

    @classmethod
    def of(cls, *, library: str, engine: str | None, store: Store, conditions: Conditions, threads: int) -> Setup:
        """The setup of this process.

        Raises
        ------
        AxhwError
            If library or engine are not there.
        """
        chosen = find_engine(engine)
        name = absolute_name(library)
        return cls(
            library=name,
            library_sha256=_library(name).cells.sha256,
            engine=str(chosen),
            code_sha256=code_digest(),
            store=str(store.root.absolute()),
            conditions=conditions,
            threads=threads,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one design.

    Attributes
    ----------
    name : str
    state : {"made", "stored", "failed check", "failed"}
        ``stored`` was there already. A failed check means that the gates are not what the golden model says.
    summary : dict or None
        `DesignRecord.summary`, None where it failed.
    error : str or None
        The sentence that says why it failed.
    seconds : dict of stage to float
        Wall time.
    processor_seconds : dict of stage to (float, float)
        Time of processors, spent by this process and by those it started; others on the machine hardly change it.
    """

    name: str
    state: State
    summary: dict[str, Any] | None = None
    error: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    processor_seconds: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.summary is None


class _Mark(NamedTuple):
    """Clocks at the beginning of a stage, in s: on the wall, and of processors for this process and its children."""

    stage: str
    wall: float
    own: float
    children: float


def make(spec: DesignSpec, setup: Setup) -> Outcome:
    """Make a design, or find it in the store; errors are answers too."""
    marks: list[_Mark] = []

    def stage(name: str) -> None:
        spent = os.times()
        marks.append(_Mark(name, time.perf_counter(), time.process_time(), spent.children_user + spent.children_system))

    try:
        stage("setup")
        record = characterize(spec, flow=prepare(setup), threads=setup.threads, stage=stage)
        summary = record.summary()
    except VerificationError as error:
        return Outcome(name=spec.name, state="failed check", error=str(error))
    except AxhwError as error:
        return Outcome(name=spec.name, state="failed", error=str(error))
    except Exception as error:  # A defect in one design must not end the others.
        return Outcome(name=spec.name, state="failed", error=f"{type(error).__name__}: {error}")
    stage("end")
    pairs = list(itertools.pairwise(marks))
    seconds = {before.stage: after.wall - before.wall for before, after in pairs}
    processor_seconds = {
        before.stage: (after.own - before.own, after.children - before.children) for before, after in pairs
    }
    state: State = "made" if "synthesise" in seconds else "stored"
    return Outcome(name=spec.name, state=state, summary=summary, seconds=seconds, processor_seconds=processor_seconds)


@functools.cache
def prepare(setup: Setup) -> Flow:
    """The flow of a worker, whose library is loaded at its first design.

    Raises
    ------
    AxhwError
        If they are not those of the process that began the sweep.
    """
    library, engine = _library(setup.library), find_engine(setup.engine.partition(" ")[0])
    for what, expected, found in (
        ("library", f"{setup.library} {setup.library_sha256[:12]}", f"{setup.library} {library.cells.sha256[:12]}"),
        ("engine", setup.engine, str(engine)),
        ("version of axhw", setup.code_sha256[:12], code_digest()[:12]),
    ):
        if expected != found:
            raise AxhwError(
                f"Expected a worker with the {what} that the sweep began with ({expected}), found {found}: install the "
                "same on every machine."
            )
    return Flow(library=library, engine=engine, store=Store(Path(setup.store)), conditions=setup.conditions)


@functools.cache
def _library(name: str) -> LibrarySource:
    return load_library(name)

"""What circuits are made with, and how they are measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from amaranth.lib import wiring

from axhw.measure import Conditions
from axhw.store import Store
from axhw.synth.engines import Engine, find_engine
from axhw.synth.liberty.mapping import check_flip_flops
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library
from axhw.synth.synthesis import SynthesisJob, to_rtlil


class Circuit(Protocol):
    """What can be synthesised."""

    @property
    def name(self) -> str:
        """Of its top module."""

    def component(self) -> wiring.Component:
        """The circuit."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A cell library, a Yosys, a store for what was made, and the conditions of measurements.

    Attributes
    ----------
    library : LibrarySource
    engine : Engine
    store : Store
    conditions : Conditions
    """

    library: LibrarySource
    engine: Engine
    store: Store
    conditions: Conditions = field(default_factory=Conditions)

    @classmethod
    def of(
        cls,
        *,
        library: LibrarySource | str = DEFAULT,
        engine: Engine | str | None = None,
        store: Store | None = None,
        conditions: Conditions | None = None,
    ) -> Flow:
        """The embedded library, the best Yosys installed and the user's store, but for what is given.

        Parameters
        ----------
        library : LibrarySource or str, optional
            A name as `axhw.synth.libraries.load_library` takes it.
        engine : Engine or str, optional
            A name as `axhw.synth.engines.find_engine` takes it.
        store : Store, optional
        conditions : Conditions, optional

        Raises
        ------
        AxhwError
            If library or engine are not there.
        """
        return cls(
            library=load_library(library) if isinstance(library, str) else library,
            engine=engine if isinstance(engine, Engine) else find_engine(engine),
            store=Store.default() if store is None else store,
            conditions=Conditions() if conditions is None else conditions,
        )

    def job(self, spec: Circuit) -> SynthesisJob:
        """The synthesis of a circuit."""
        return SynthesisJob(
            name=spec.name,
            rtlil=to_rtlil(spec.component(), name=spec.name),
            liberty=self.library.text,
            engine=self.engine,
        )

    def check(self, spec: Circuit, *, clocked: bool) -> None:
        """Refuse, before any work, what the library has no wires or flip-flops for.

        Raises
        ------
        AxhwError
            If it lacks them.
        """
        self.library.cells.wire_loads.find(self.conditions.wire_load, area_um2=0.0)
        if clocked:
            check_flip_flops(self.library.cells, spec.name)

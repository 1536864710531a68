"""Stored designs, timed and simulated again under the conditions of their costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import steady_values
from axhw.record import DesignRecord
from axhw.sim.activity import source_values
from axhw.sim.operands import OperandStream
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.reader import read_library
from axhw.synth.libraries import EMBEDDED, library_files, load_library
from axhw.synth.names import VerilogNames, verilog_names
from axhw.synth.netlist import GateGraph, levelize
from axhw.synth.timing import TimingReport, analyze_timing


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """How designs are simulated for an export.

    Attributes
    ----------
    libraries : tuple of str
        Liberty files that the designs were made with; embedded libraries need not be named.
    pairs : int or None
        Operations: 8192 for SAIF and 64 for VCD by default.
    seed : int
        Of the uniform operands, as in a cost.
    period_ns : float or None
        Time of an operation; by default a period of the clock that leakage is stated at, or more, in whole ns, where
        a design takes longer.
    conditional : bool
        Whether an SDF file also holds conditional delays.
    """

    libraries: tuple[str, ...] = ()
    pairs: int | None = None
    seed: int = 1
    period_ns: float | None = None
    conditional: bool = False

    def __post_init__(self) -> None:
        if self.pairs is not None and self.pairs < 1:
            raise AxhwError(f"Expected at least one operand pair to simulate, found {self.pairs}.")
        if self.seed < 0:
            raise AxhwError(f"Expected a seed of 0 or more, found {self.seed}.")
        if self.period_ns is not None and not (math.isfinite(self.period_ns) and self.period_ns >= 0.001):
            raise AxhwError(f"Expected a period of 0.001 ns or more, found {self.period_ns!r}.")


def find_libraries(records: Sequence[DesignRecord], paths: Sequence[str]) -> dict[str, CellLibrary]:
    """The library of each record by digest: an embedded one, one of the files, or all of them together.

    Raises
    ------
    AxhwError
        If a file is no library, or the library that a design was made with is not among them.
    """
    libraries = [load_library(name).cells for name in EMBEDDED]
    libraries += [read_library(*library_files(path)) for path in paths if path not in EMBEDDED]
    found = {library.sha256: library for library in libraries}
    if len(paths) > 1 and any(record.circuit_cost.library_sha256 not in found for record in records):
        # As `axhw gen` names the files of one technology.
        together = read_library(*(file for path in paths for file in library_files(path)))
        found[together.sha256] = together
    for record in records:
        cost = record.circuit_cost
        if cost.library_sha256 not in found:
            raise AxhwError(
                f"Expected the file of the library {cost.library} that {record.name} was made with, found none "
                f"with the digest {cost.library_sha256[:12]}: name it with --library."
            )
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class TimedDesign:
    """A stored design, timed again under the conditions of its cost."""

    record: DesignRecord
    library: CellLibrary
    options: SimulationOptions

    @cached_property
    def graph(self) -> GateGraph:
        return levelize(self.record.netlist, self.library)

    @cached_property
    def timing(self) -> TimingReport:
        cost = self.record.circuit_cost
        return analyze_timing(
            self.record.netlist,
            self.library,
            graph=self.graph,
            input_slew_ns=cost.input_slew_ns,
            output_load_ff=cost.output_load_ff,
            wire_load=self.library.wire_loads.model(cost.wire_load),
        )

    @cached_property
    def names(self) -> VerilogNames:
        return verilog_names(self.record.netlist, self.record.read("netlist.v").decode(errors="replace"))

    @property
    def period_ps(self) -> int:
        """Of an operation."""
        if self.options.period_ns is not None:
            return round(1e3 * self.options.period_ns)
        arrival = self.timing.arrival_ns
        settled_ns = float(arrival[np.isfinite(arrival)].max(initial=0.0))
        return max(round(1e6 / self.record.circuit_cost.clock_mhz), 1000 * math.ceil(settled_ns + 0.001))

    def values(self, stream: OperandStream) -> tuple[list[npt.NDArray[np.uint8]], str]:
        """Settled values of the sources, in one part or several, and what the operands are."""
        spec, netlist = self.record.spec, self.record.netlist
        if isinstance(spec, MultiplierSpec):
            return [source_values(netlist, self.graph, {"a": stream.a, "b": stream.b})], stream.description
        return steady_values(spec, netlist, self.graph, self.library, stream)

    @property
    def description(self) -> str:
        """The design and what its delays are."""
        cost = self.record.circuit_cost
        return f"{self.record.name} on {cost.library}, {cost.corner}; delays with inertial filtering"

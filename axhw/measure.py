"""Area, delay, energy and leakage of a proved netlist over an operand stream."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.bits import pack_operands
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import DesignSpec, ElementSpec
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.sim.activity import Activity, Mode, source_values, zero_delay_activity
from axhw.sim.array_workload import workload_values
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.clocked import run_clocked
from axhw.sim.crossbar_group import MappedGroup, group_values
from axhw.sim.element import mode_grid, operand_grid, steady_inputs
from axhw.sim.operands import OperandStream, uniform
from axhw.sim.systolic import MappedArray
from axhw.sim.timed import timed_activity
from axhw.synth.cell_terms import ConditionRule
from axhw.synth.cost import Cost
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.wire_load import NONE as NO_WIRES
from axhw.synth.liberty.wire_load import check_choice
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.power import EnergyModel, EnergyReport
from axhw.synth.synthesis import Synthesis
from axhw.synth.timing import TimingReport, analyze_timing

TIMING_MODEL = "NLDM with slews, {wires}; activity timed with inertial filtering"

MIN_PAIRS, MAX_PAIRS = 64, 1 << 24

# The upper bound takes twice the time of the headline figure and needs no more than two digits.
_TRANSPORT_OPERATIONS = 1024
# An element's operands are cut into parallel streams; each loses the cycles that fill the pipeline.
_STREAMS = 64
_MIN_CYCLES = 64


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under what a design is costed.

    Attributes
    ----------
    pairs : int
        Operations whose energy is averaged, 64 to 16,777,216.
    seed : int
        Seed, 0 or more, of the uniform operand stream, and of the random vectors that check a design.
    input_slew_ns, output_load_ff : float or None
        Surroundings of the ports; None takes the library's defaults.
    wire_load : str
        ``none``, ``fanout=F`` for F fF for every sink, ``default`` or the name of a wire load of the library, see
        `axhw.synth.liberty.wire_load.WireLoads.find`.
    clock_mhz : float
        Clock that leakage energy is stated at.
    all_pairs : bool
        Take the errors of multipliers of 13 to 16 bits over all pairs too, which takes seconds to minutes; they are
        estimated otherwise. Up to 12 bits they always are.
    wce_time_limit_s : float
        Prove bounds of the worst-case error where errors are estimated, for at most so long; 0 tries no proof.

    Raises
    ------
    AxhwError
        For values that are impossible.
    """

    pairs: int = 8192
    seed: int = 1
    input_slew_ns: float | None = None
    output_load_ff: float | None = None
    wire_load: str = NO_WIRES
    clock_mhz: float = 100.0
    all_pairs: bool = False
    wce_time_limit_s: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("pairs", MIN_PAIRS), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise AxhwError(f"Expected an integer of {least} or more for {name}, found {value!r}.")
        if self.pairs > MAX_PAIRS:
            raise AxhwError(f"Expected at most {MAX_PAIRS:,} pairs, found {self.pairs:,}: energies are means by then.")
        for name in ("input_slew_ns", "output_load_ff"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise AxhwError(f"Expected {name} to be 0 or more, found {value!r}.")
        check_choice(self.wire_load)
        if not (math.isfinite(self.wce_time_limit_s) and self.wce_time_limit_s >= 0):
            raise AxhwError(f"Expected 0 s or more to prove the worst case in, found {self.wce_time_limit_s}.")
        if not (math.isfinite(self.clock_mhz) and self.clock_mhz > 0):
            raise AxhwError(f"Expected clock_mhz above 0, found {self.clock_mhz!r}.")

    def beyond_tables(self, library: CellLibrary) -> list[str]:
        """A sentence for each surrounding of the ports that the tables of a library don't reach."""
        if self.input_slew_ns is None and self.output_load_ff is None:
            return []
        pins = [pin for cell in library.cells.values() for pin in cell.pins.values() if pin.direction == "output"]
        tables = [table for pin in pins for arc in pin.timing for table in (arc.rise, arc.fall) if table is not None]
        found = []
        for what, value, unit, axes in (
            ("input slew", self.input_slew_ns, "ns", [table.slew_ns for table in tables]),
            ("output load", self.output_load_ff, "fF", [table.load_ff for table in tables]),
        ):
            largest = max((float(axis[-1]) for axis in axes), default=0.0)
            if value is not None and value > largest:
                found.append(
                    f"An {what} of {value:g} {unit} is beyond all tables of {library.name}, which end at {largest:g} "
                    f"{unit}: figures are extrapolated."
                )
        return found

    def timing(self, netlist: Netlist, library: CellLibrary, *, graph: GateGraph, wire_load: str) -> TimingReport:
        """Delays at this input slew and output load, with the wires of a wire-load model by its name."""
        return analyze_timing(
            netlist,
            library,
            graph=graph,
            input_slew_ns=self.input_slew_ns,
            output_load_ff=self.output_load_ff,
            wire_load=library.wire_loads.model(wire_load),
        )


def measure_cost(
    spec: DesignSpec | ConfigurableRoupSpec,
    synthesis: Synthesis,
    *,
    library: CellLibrary,
    conditions: Conditions,
    stream: OperandStream | None = None,
    modes: IntegerArray | None = None,
    graph: GateGraph | None = None,
    threads: int | None = None,
) -> Cost:
    """What a mapped design costs.

    Parameters
    ----------
    stream : OperandStream, optional
        The operands whose energy is averaged; uniform pairs as `conditions` say by default.
    modes : (pairs,) int64 array, optional
        The mode in which a configurable design multiplies each pair of the stream.
    graph : GateGraph, optional
        ``levelize(synthesis.netlist, library)``, where the caller has it.
    threads : int, optional
        Of the timed simulation; by default one per processor.
    """
    netlist = synthesis.netlist
    graph = levelize(netlist, library) if graph is None else graph
    area = area_um2(netlist, library)
    wires = library.wire_loads.find(conditions.wire_load, area_um2=area)
    timing = conditions.timing(netlist, library, graph=graph, wire_load=wires)
    multiplier = spec if isinstance(spec, MultiplierSpec) else spec.multiplier
    if stream is None:
        # An operation is the change from one pair to the next.
        stream = uniform(multiplier, pairs=conditions.pairs + 1, seed=conditions.seed)
    if isinstance(spec, (MultiplierSpec, ConfigurableRoupSpec)):
        operations, operands = 1, stream.description
        ports = {"a": stream.a, "b": stream.b} | ({} if modes is None else {"mode": modes})
        activities = _multiplier_activity(netlist, graph, timing, ports, threads)
    else:
        operations = spec.operations
        values, operands = steady_values(spec, netlist, graph, library, stream, modes=modes)
        activities = _element_activity(graph, timing, values, threads)

    model = EnergyModel.of(netlist, library, timing)

    def energy(mode: Mode, rule: ConditionRule = "opensta") -> EnergyReport:
        activity = activities[mode]
        return model.measure(
            rise=activity.rise,
            fall=activity.fall,
            operations=activity.pairs * operations,
            one_probability=activity.one_probability,
            rule=rule,
            cycles_per_operation=1 / operations,
        )

    timed = energy("inertial")
    inertial = activities["inertial"]
    return Cost(
        area_um2=area,
        cells=len(netlist.instances),
        delay_ns=timing.delay_ns if timing.min_period_ns is None else timing.min_period_ns,
        clocked=timing.min_period_ns is not None,
        energy_fj=timed.dynamic_fj,
        energy_transport_fj=energy("transport").dynamic_fj,
        energy_zero_delay_fj=energy("zero-delay").dynamic_fj,
        energy_exclusive_fj=energy("inertial", "exclusive").dynamic_fj,
        internal_fj=timed.internal_fj,
        switching_fj=timed.switching_fj,
        clock_fj=timed.clock_fj,
        toggles=float(inertial.transitions[graph.output].sum()) / (inertial.pairs * operations),
        leakage_nw=timed.leakage_nw,
        # nW times us is fJ.
        leakage_fj=timed.leakage_nw / conditions.clock_mhz,
        clock_mhz=conditions.clock_mhz,
        library=library.name,
        library_sha256=library.sha256,
        corner=library.corner,
        engine=synthesis.engine,
        stream=operands,
        input_slew_ns=timing.input_slew_ns,
        output_load_ff=timing.output_load_ff,
        wire_load=wires,
        timing_model=TIMING_MODEL.format(wires="zero wire" if wires == NO_WIRES else f"wire load {wires}"),
    )


def area_um2(netlist: Netlist, library: CellLibrary) -> float:
    """Sum of the areas of a netlist's cells."""
    return sum(library.cells[instance.cell].area_um2 for instance in netlist.instances)


def _multiplier_activity(
    netlist: Netlist,
    graph: GateGraph,
    timing: TimingReport,
    operands: Mapping[str, IntegerArray],
    threads: int | None,
) -> Mapping[Mode, Activity]:
    words = {port: pack_operands(values, len(netlist.inputs[port])) for port, values in operands.items()}
    settled = evaluate(graph, port_words(netlist, words))
    values = source_values(netlist, graph, operands)
    return {
        "zero-delay": zero_delay_activity(settled, vectors=len(values)),
        "inertial": timed_activity(graph, timing, values, mode="inertial", threads=threads),
        "transport": timed_activity(
            graph, timing, values[: _TRANSPORT_OPERATIONS + 1], mode="transport", threads=threads
        ),
    }


def steady_values(
    spec: ElementSpec,
    netlist: Netlist,
    graph: GateGraph,
    library: CellLibrary,
    stream: OperandStream,
    *,
    modes: IntegerArray | None = None,
) -> tuple[list[npt.NDArray[np.uint8]], str]:
    """Settled values of an element's sources at full throughput, as `axhw.sim.timed` takes them.

    A pair every cycle, a MAC summing all the terms it has room for, or the stream; an array runs matrix products, and a
    group reads its crossbars in random order.
    A configurable MAC multiplies each pair of the stream in its own one of `modes`.

    Returns
    -------
    values : list of (cycles, sources) uint8 arrays
        Of parallel runs.
    description : str
        Of the operands.
    """
    if isinstance(spec, SystolicSpec):
        return workload_values(MappedArray(netlist, graph, library, spec), stream)
    if isinstance(spec, CrossbarGroupSpec):
        return group_values(MappedGroup(netlist, graph, library, spec), stream)
    streams = max(1, min(_STREAMS, len(stream) // _MIN_CYCLES))
    a, b = operand_grid(stream, streams=streams)
    terms = spec.terms if isinstance(spec, MacSpec) else 1
    grid = None if modes is None else mode_grid(modes, streams=streams)
    run = run_clocked(netlist, graph, library, steady_inputs(spec, a, b, sum_length=terms, modes=grid))
    # The first cycles fill the pipeline.
    return [run.source_values(number)[1 + spec.latency :] for number in range(streams)], stream.description


def _element_activity(
    graph: GateGraph, timing: TimingReport, values: Sequence[npt.NDArray[np.uint8]], threads: int | None
) -> Mapping[Mode, Activity]:
    position = {int(net): row for row, net in enumerate(graph.sources)}
    result: dict[Mode, Activity] = {}
    settled = []
    for part in values:
        words = {net: pack_operands(part[:, row], 1)[0] for net, row in position.items()}
        settled.append(zero_delay_activity(evaluate(graph, words), vectors=len(part)))
    result["zero-delay"] = total_activity(settled)
    few = values[: max(1, _TRANSPORT_OPERATIONS // len(values[0]))]
    inertial = [timed_activity(graph, timing, part, mode="inertial", threads=threads) for part in values]
    transport = [timed_activity(graph, timing, part, mode="transport", threads=threads) for part in few]
    result["inertial"], result["transport"] = total_activity(inertial), total_activity(transport)
    return result


def total_activity(parts: Sequence[Activity]) -> Activity:
    """Activity of several streams together."""
    pairs = sum(part.pairs for part in parts)
    return Activity(
        rise=np.sum([part.rise for part in parts], axis=0),
        fall=np.sum([part.fall for part in parts], axis=0),
        pairs=pairs,
        mode=parts[0].mode,
        one_probability=np.sum([part.one_probability * part.pairs for part in parts], axis=0) / pairs,
    )

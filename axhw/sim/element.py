"""What a processing element's gates compute: its product table, and its behaviour under stalls and resets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.registry import describe
from axhw.hdl.spec import IntegerArray
from axhw.sim.clocked import run_clocked
from axhw.sim.operands import OperandStream
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable
from axhw.sim.testbench import check_streams, element_stream, overflow_runs, side_by_side
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist

PairElement: TypeAlias = RegisteredSpec | MacSpec
"""The elements that take a pair of operands a cycle."""

_PRODUCT_CYCLES = 64
_CONTROL_STREAMS = 64
# As many as full-scale products of 1024 terms take; a cycle is some milliseconds of simulation.
_LONGEST_RUN = 2100


def value_port(spec: PairElement) -> str:
    """The output port that holds the product or the sum."""
    return "acc" if isinstance(spec, MacSpec) else "o"


def _signed_outputs(spec: PairElement) -> frozenset[str]:
    return frozenset({value_port(spec)}) if spec.multiplier.signed else frozenset()


def steady_inputs(
    spec: PairElement, a: IntegerArray, b: IntegerArray, *, sum_length: int, modes: IntegerArray | None = None
) -> dict[str, IntegerArray]:
    """Inputs at full throughput: a pair every cycle, no reset after the first cycle.

    Parameters
    ----------
    a, b : (cycles, streams) arrays
    sum_length : int
        A MAC starts a new sum every so many cycles.
    modes : (cycles, streams) array, optional
        In which a configurable MAC multiplies each pair; it stays in mode 0 by default, and loads only what changes.
    """
    cycles = np.arange(len(a))[:, None] * np.ones((1, a.shape[1]), np.int64)
    inputs = {"a": a, "b": b, "valid_i": np.ones_like(a), "rst": (cycles == 0).astype(np.int64)}
    if isinstance(spec, MacSpec):
        inputs["clear"] = ((cycles - 1) % sum_length == 0).astype(np.int64)
    if isinstance(spec, ConfigurableMacSpec):
        inputs["mode"] = np.zeros_like(a) if modes is None else modes
        # The reset of the first cycle leaves mode 0.
        before = np.concatenate([np.zeros((1, a.shape[1]), np.int64)] * 2 + [inputs["mode"][1:-1]])
        inputs["load_mode"] = (inputs["mode"] != before[: len(a)]).astype(np.int64)
    return inputs


def extract_element_table(
    netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: PairElement, *, mode: int = 0
) -> ProductTable:
    """The product table inside a mapped element: every pair streamed through it, a MAC cleared each time.

    Parameters
    ----------
    mode : int
        Of a configurable MAC.

    Raises
    ------
    AxhwError
        If the operands are too wide for a table.
    """
    multiplier = spec.modes[mode] if isinstance(spec, ConfigurableMacSpec) else spec.multiplier
    if multiplier.width > MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits for a product table, found {multiplier.width}."
        )
    codes = multiplier.operand_codes()
    a, b = np.repeat(codes, len(codes)), np.tile(codes, len(codes))
    values = element_products(netlist, graph, library, spec, a, b, mode=mode)
    return ProductTable(
        values=values.reshape(len(codes), len(codes)).astype(np.int32),
        width=multiplier.width,
        signed=multiplier.signed,
        name=multiplier.name,
        source=describe(multiplier),
        netlist_sha256=netlist.sha256,
    )


def element_products(
    netlist: Netlist,
    graph: GateGraph,
    library: CellLibrary,
    spec: PairElement,
    a: IntegerArray,
    b: IntegerArray,
    *,
    mode: int = 0,
) -> IntegerArray:
    """Products of operand pairs that are streamed through a mapped element, a MAC cleared each time.

    Parameters
    ----------
    a, b : (pairs,) arrays
    mode : int
        Of a configurable MAC.

    Returns
    -------
    (pairs,) int64 array
    """
    streams = -(-len(a) // _PRODUCT_CYCLES)
    cycles = -(-len(a) // streams)
    grid = np.zeros((2, 1 + cycles + spec.latency, streams), np.int64)
    for rows, operands in zip(grid, (a, b)):
        # The last cycle repeats the first pairs where the count is not a multiple of the streams.
        rows[1 : 1 + cycles] = np.resize(operands, (cycles, streams))
    inputs = steady_inputs(spec, grid[0], grid[1], sum_length=1, modes=np.full_like(grid[0], mode))
    run = run_clocked(netlist, graph, library, inputs, signed_outputs=_signed_outputs(spec))
    return run.outputs[value_port(spec)][1 + spec.latency :].ravel()[: len(a)]


@dataclass(frozen=True, kw_only=True)
class ElementVerification:
    """An element that follows its cycle model wherever it was looked at.

    Attributes
    ----------
    cycles : int
        Cycles compared, over all streams.
    overflow : bool
        Whether an accumulator ran past every end that it can reach.
    """

    cycles: int
    overflow: bool


def verify_element(
    netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: PairElement, *, seed: int, cycles: int = 512
) -> ElementVerification:
    """Hold a mapped element against its cycle model over streams with corners, stalls, resets and overflow.

    Overflow is left out where the accumulator takes more than some thousand cycles to fill.

    Raises
    ------
    VerificationError
        Naming the first cycle that differs.
    """
    rng = np.random.default_rng(seed)
    every = overflow_runs(spec) if isinstance(spec, MacSpec) else ()
    runs = [run for run in every if run.cycles <= _LONGEST_RUN]
    longest = max((run.cycles for run in runs), default=0)
    streams = []
    for number in range(_CONTROL_STREAMS):
        # The streams take turns in going up and down.
        own = [runs[number % len(runs)]] if runs else []
        filler = longest - sum(run.cycles for run in own)
        streams.append(element_stream(spec, cycles=cycles + filler, rng=rng, runs=own))
    run = run_clocked(netlist, graph, library, side_by_side(streams), signed_outputs=_signed_outputs(spec))
    check_streams(spec.name, run.outputs, streams)
    return ElementVerification(
        cycles=(cycles + longest) * _CONTROL_STREAMS, overflow=bool(every) and len(runs) == len(every)
    )


def operand_grid(stream: OperandStream, *, streams: int) -> tuple[IntegerArray, IntegerArray]:
    """An operand stream cut into parallel ones of equal length, (cycles, streams) each; the rest is left out."""
    cycles = len(stream) // streams
    shape = (streams, cycles)
    return stream.a[: streams * cycles].reshape(shape).T, stream.b[: streams * cycles].reshape(shape).T


def mode_grid(modes: IntegerArray, *, streams: int) -> IntegerArray:
    """The modes of an operand stream's pairs, cut as `operand_grid` cuts these."""
    cycles = len(modes) // streams
    grid: IntegerArray = modes[: streams * cycles].reshape(streams, cycles).T
    return grid

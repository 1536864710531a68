"""What a processing element's gates compute: its product table, and its behaviour under stalls and resets."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.registry import describe
from axhw.hdl.spec import IntegerArray
from axhw.sim.clocked import run_clocked
from axhw.sim.operands import OperandStream
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable
from axhw.sim.testbench import element_stream
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist

ElementSpec: TypeAlias = RegisteredSpec | MacSpec

_TABLE_STREAMS = 1024
_CONTROL_STREAMS = 64


def value_port(spec: ElementSpec) -> str:
    """The output port that holds the product or the sum."""
    return "acc" if isinstance(spec, MacSpec) else "o"


def _signed_outputs(spec: ElementSpec) -> frozenset[str]:
    return frozenset({value_port(spec)}) if spec.multiplier.signed else frozenset()


def steady_inputs(spec: ElementSpec, a: IntegerArray, b: IntegerArray, *, sum_length: int) -> dict[str, IntegerArray]:
    """Inputs at full throughput: a pair every cycle, no reset after the first cycle.

    Parameters
    ----------
    a, b : (cycles, streams) arrays
    sum_length : int
        A MAC starts a new sum every so many cycles.
    """
    cycles = np.arange(len(a))[:, None] * np.ones((1, a.shape[1]), np.int64)
    inputs = {"a": a, "b": b, "valid_i": np.ones_like(a), "rst": (cycles == 0).astype(np.int64)}
    if isinstance(spec, MacSpec):
        inputs["clear"] = ((cycles - 1) % sum_length == 0).astype(np.int64)
    return inputs


def extract_element_table(netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: ElementSpec) -> ProductTable:
    """The product table inside a mapped element: every pair streamed through it, a MAC cleared each time.

    Raises
    ------
    AxhwError
        If the operands are too wide for a table.
    """
    multiplier = spec.multiplier
    if multiplier.width > MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits for a product table, found {multiplier.width}."
        )
    codes = multiplier.operand_codes()
    size = len(codes)
    streams = min(_TABLE_STREAMS, size * size)
    flat = np.arange(size * size).reshape(-1, streams)
    lead, tail = np.zeros((1, streams), np.int64), np.zeros((spec.latency, streams), np.int64)
    a = np.concatenate([lead, codes[flat // size], tail])
    b = np.concatenate([lead, codes[flat % size], tail])
    port = value_port(spec)
    run = run_clocked(
        netlist, graph, library, steady_inputs(spec, a, b, sum_length=1), signed_outputs=_signed_outputs(spec)
    )
    values = run.outputs[port][1 + spec.latency :][: len(flat)]
    return ProductTable(
        values=values.reshape(size, size).astype(np.int32),
        width=multiplier.width,
        signed=multiplier.signed,
        name=multiplier.name,
        source=describe(multiplier),
        netlist_sha256=netlist.sha256,
    )


def verify_element(
    netlist: Netlist, graph: GateGraph, library: CellLibrary, spec: ElementSpec, *, seed: int, cycles: int = 512
) -> int:
    """Hold a mapped element against its cycle model over streams with corners, stalls, resets and overflow.

    Returns
    -------
    int
        Cycles compared, over all streams.

    Raises
    ------
    VerificationError
        Naming the first cycle that differs.
    """
    rng = np.random.default_rng(seed)
    terms = spec.terms if isinstance(spec, MacSpec) else 0
    length = cycles + 4 * min(terms, cycles)
    streams = [element_stream(spec, cycles=length, rng=rng) for _ in range(_CONTROL_STREAMS)]
    inputs = {port: np.stack([stream.inputs[port] for stream in streams], axis=1) for port in streams[0].inputs}
    run = run_clocked(netlist, graph, library, inputs, signed_outputs=_signed_outputs(spec))
    for port, found in run.outputs.items():
        expected = np.stack([stream.outputs[port] for stream in streams], axis=1)
        checked = np.stack([stream.checked[port] for stream in streams], axis=1)
        wrong = np.argwhere((found != expected) & checked)
        if len(wrong):
            cycle, stream = wrong[0]
            raise VerificationError(
                f"Expected {spec.name} to follow its cycle model, found {len(wrong)} wrong values of {port}, the first "
                f"in cycle {cycle}: the netlist gives {found[cycle, stream]}, the model {expected[cycle, stream]}."
            )
    return length * _CONTROL_STREAMS


def operand_grid(stream: OperandStream, *, streams: int) -> tuple[IntegerArray, IntegerArray]:
    """An operand stream cut into parallel ones of equal length, (cycles, streams) each; the rest is left out."""
    cycles = len(stream) // streams
    shape = (streams, cycles)
    return stream.a[: streams * cycles].reshape(shape).T, stream.b[: streams * cycles].reshape(shape).T

"""Vectors that hold a design against its golden model, ready to be replayed in a simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import VerificationError
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.element import BoolArray
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.sim.sampled import corner_operands
from axhw.sim.simulators import Bits, Mismatch, Replay, SimulatorName

# A simulator step through cocotb costs about 0.1 ms, so several pairs go through copies of the design at
# once. Icarus loses the gain again on very wide ports, Verilator compiles every copy.
LANES: Mapping[SimulatorName, int] = {"icarus": 16, "verilator": 2}
_RANDOM_PAIRS = 1 << 14
_EXHAUSTIVE_WIDTH = 8
_ELEMENT_CYCLES = 4096
# Exact products fill an accumulator of 65,536 terms in twice as many cycles; tiny ones would take hours.
_LONGEST_RUN = 1 << 18


def operand_pairs(spec: MultiplierSpec, *, seed: int) -> tuple[IntegerArray, IntegerArray]:
    """The pairs a testbench applies: all of them up to 8 bits, corners and 16,384 random ones above."""
    codes = spec.operand_codes()
    if spec.width <= _EXHAUSTIVE_WIDTH:
        a, b = np.meshgrid(codes, codes, indexing="ij")
        return a.ravel(), b.ravel()
    corners = corner_operands(spec)
    a, b = np.meshgrid(corners, corners, indexing="ij")
    low, high = spec.operand_range
    rng = np.random.default_rng(seed)
    drawn = rng.integers(low, high, size=(2, _RANDOM_PAIRS), endpoint=True)
    return np.concatenate([a.ravel(), drawn[0]]), np.concatenate([b.ravel(), drawn[1]])


def multiplier_replay(
    spec: MultiplierSpec, *, module: str, sources: Mapping[str, str], simulator: SimulatorName, seed: int
) -> tuple[Replay, int]:
    """A replay that drives copies of a combinational multiplier side by side.

    Returns
    -------
    replay, number of pairs
    """
    a, b = operand_pairs(spec, seed=seed)
    count, lanes = len(a), LANES[simulator]
    # The last step is filled up with pairs that are not compared.
    index = np.arange(-(-count // lanes) * lanes)
    compared = np.where(index < count, -1, 0)
    a, b = a[index % count], b[index % count]
    width, product = spec.width, spec.product_width
    wrapper = _LANE_WRAPPER.format(lanes=lanes, width=width, product=product, module=module)
    replay = Replay(
        top="lanes",
        sources={**sources, "lanes.v": wrapper},
        inputs={"a": pack(a, width, lanes=lanes), "b": pack(b, width, lanes=lanes)},
        outputs={"o": pack(spec.reference(a, b), product, lanes=lanes)},
        masks={"o": pack(compared, product, lanes=lanes)},
        lanes=lanes,
    )
    return replay, count


def wrong_pair(spec: MultiplierSpec, mismatch: Mismatch, *, simulator: SimulatorName, seed: int) -> str:
    """A difference that `multiplier_replay` met, in words: the operands and the products."""
    a, b = operand_pairs(spec, seed=seed)
    index = mismatch.step * LANES[simulator] + mismatch.lane
    products = [_product(bits, signed=spec.signed) for bits in (mismatch.expected, mismatch.found)]
    return f"a = {a[index]}, b = {b[index]}: expected {products[0]}, found {products[1]}"


def _product(bits: str, *, signed: bool) -> str:
    """A number where all bits are known, the bits otherwise."""
    if set(bits) - {"0", "1"}:
        return bits
    return str(int(bits, 2) - (1 << len(bits) if signed and bits[0] == "1" else 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementStream:
    """Inputs of a processing element, one entry a cycle, and the outputs its cycle model gives.

    Attributes
    ----------
    inputs : mapping of input port to (cycles,) integers
        The clock left out.
    outputs : mapping of output port to (cycles,) integers
    checked : mapping of output port to (cycles,) bool
        Cycles in which the output is defined by the model.
    widths : mapping of port to bits
    """

    inputs: Mapping[str, IntegerArray]
    outputs: Mapping[str, IntegerArray]
    checked: Mapping[str, BoolArray]
    widths: Mapping[str, int]


def side_by_side(streams: Sequence[ElementStream]) -> dict[str, IntegerArray]:
    """The inputs of equally long streams, (cycles, streams) each."""
    return {port: np.stack([stream.inputs[port] for stream in streams], axis=1) for port in streams[0].inputs}


def check_streams(name: str, found: Mapping[str, IntegerArray], streams: Sequence[ElementStream]) -> None:
    """Hold outputs by port, (cycles, streams) each, against those of the streams.

    Raises
    ------
    VerificationError
        Naming the design and the first cycle that differs.
    """
    for port in streams[0].outputs:
        expected = np.stack([stream.outputs[port] for stream in streams], axis=1)
        checked = np.stack([stream.checked[port] for stream in streams], axis=1)
        wrong = np.argwhere((found[port] != expected) & checked)
        if len(wrong):
            cycle, stream = wrong[0]
            raise VerificationError(
                f"Expected {name} to follow its cycle model, found {len(wrong)} wrong values of {port}, the first in "
                f"cycle {cycle}: the netlist gives {found[port][cycle, stream]}, the model {expected[cycle, stream]}."
            )


@dataclass(frozen=True, kw_only=True)
class OverflowRun:
    """A pair that, multiplied and added in every cycle, drives an accumulator past one of its ends.

    Attributes
    ----------
    a, b : int
    cycles : int
        Until the sum shows at the output that it is past the end.
    """

    a: int
    b: int
    cycles: int


def overflow_runs(spec: MacSpec) -> tuple[OverflowRun, ...]:
    """The fastest run past each end that the accumulator can reach, out of the products of corner operands."""
    corners = corner_operands(spec.multiplier)
    products = spec.multiplier.reference(corners[:, None], corners)
    low, high = spec.accumulator_range
    runs = []
    for end, index in ((high, int(products.argmax())), (low, int(products.argmin()))):
        product = int(products.flat[index])
        if product * end > 0:
            a, b = divmod(index, len(corners))
            cycles = end // product + 1 + spec.latency
            runs.append(OverflowRun(a=int(corners[a]), b=int(corners[b]), cycles=cycles))
    return tuple(runs)


def element_stream(
    spec: RegisteredSpec | MacSpec, *, cycles: int, rng: np.random.Generator, runs: Sequence[OverflowRun] = ()
) -> ElementStream:
    """Corner and random operands with stalls, resets and, for a MAC, new sums.

    The first two cycles hold the reset with operands of 0, so that gates without initial values are
    defined from then on.

    Parameters
    ----------
    cycles : int
        Random cycles.
    runs : sequence of OverflowRun
        Follow the random cycles, each a sum of its own.
    """
    multiplier = spec.multiplier
    low, high = multiplier.operand_range
    total = cycles + sum(run.cycles for run in runs)
    a, b = rng.integers(low, high, size=(2, total), endpoint=True)
    corner = rng.random(total) < 0.25
    a[corner], b[corner] = rng.choice([low, -1 if multiplier.signed else 1, 0, high], size=(2, int(corner.sum())))
    valid = rng.random(total) < 0.75
    reset = rng.random(total) < 0.01
    clear = rng.random(total) < 0.02
    a[:2], b[:2], reset[:2] = 0, 0, True
    start = cycles
    for run in runs:
        part = slice(start, start + run.cycles)
        a[part], b[part], valid[part], reset[part], clear[part] = run.a, run.b, True, False, False
        clear[start] = True
        start += run.cycles

    inputs = {"a": a, "b": b, "valid_i": valid.astype(np.int64), "rst": reset.astype(np.int64)}
    widths = {"a": multiplier.width, "b": multiplier.width, "valid_i": 1, "rst": 1, "valid_o": 1}
    started = np.arange(total) >= 2
    if isinstance(spec, MacSpec):
        inputs["clear"] = clear.astype(np.int64)
        widths |= {"clear": 1, "acc": spec.accumulator_width}
        if isinstance(spec, ConfigurableMacSpec):
            # Overflow is that of mode 0.
            mode = rng.integers(0, len(spec.modes), size=total) * (np.arange(total) < cycles)
            load_mode = (rng.random(total) < 0.1) | (np.arange(total) == cycles)
            value, valid_o = spec.simulate(a, b, valid=valid, clear=clear, reset=reset, mode=mode, load_mode=load_mode)
            inputs |= {"mode": mode, "load_mode": load_mode.astype(np.int64)}
            widths |= {"mode": spec.configurable.mode_bits, "load_mode": 1}
        else:
            value, valid_o = spec.simulate(a, b, valid=valid, clear=clear, reset=reset)
        return ElementStream(
            inputs=inputs,
            outputs={"acc": value, "valid_o": valid_o.astype(np.int64)},
            checked={"acc": started, "valid_o": started},
            widths=widths,
        )
    value, valid_o = spec.simulate(a, b, valid=valid, reset=reset)
    return ElementStream(
        inputs=inputs,
        outputs={"o": value, "valid_o": valid_o.astype(np.int64)},
        checked={"o": started & valid_o, "valid_o": started},
        widths={**widths, "o": multiplier.product_width},
    )


def element_replay(
    spec: RegisteredSpec | MacSpec, *, module: str, sources: Mapping[str, str], seed: int
) -> tuple[Replay, int]:
    """A replay of a processing element, one cycle a step: random cycles, then overflow at each end.

    Returns
    -------
    replay, number of cycles
    """
    runs = overflow_runs(spec) if isinstance(spec, MacSpec) else ()
    runs = tuple(run for run in runs if run.cycles <= _LONGEST_RUN)
    stream = element_stream(spec, cycles=_ELEMENT_CYCLES, rng=np.random.default_rng(seed), runs=runs)
    return stream_replay(stream, module=module, sources=sources), len(stream.inputs["a"])


def stream_replay(stream: ElementStream, *, module: str, sources: Mapping[str, str]) -> Replay:
    """A replay of a stream, one cycle a step."""
    masks = {
        port: np.where(checked[:, None], np.uint8(0xFF), np.uint8(0))
        * np.ones((1, -(-stream.widths[port] // 8)), np.uint8)
        for port, checked in stream.checked.items()
    }
    return Replay(
        top=module,
        sources=sources,
        inputs={port: pack(values, stream.widths[port]) for port, values in stream.inputs.items()},
        outputs={port: pack(values, stream.widths[port]) for port, values in stream.outputs.items()},
        masks=masks,
        clock="clk",
    )


def pack(values: npt.ArrayLike, width: int, *, lanes: int = 1) -> Bits:
    """Integers as rows of little-endian bytes.

    Parameters
    ----------
    values : (steps * lanes,) integers, two's complement where negative
    width : int
        Bits of each value.
    lanes : int
        Values in one row, the first in the lowest bits.

    Returns
    -------
    (steps, bytes) uint8 array
    """
    array = np.asarray(values, np.int64)
    bits = (array[:, None] >> np.arange(width) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(-1, lanes * width), axis=1, bitorder="little")


_LANE_WRAPPER = """\
module lanes(
  input [{lanes} * {width} - 1:0] a,
  input [{lanes} * {width} - 1:0] b,
  output [{lanes} * {product} - 1:0] o
);
  genvar i;
  generate
    for (i = 0; i < {lanes}; i = i + 1) begin : lane
      {module} dut(
        .a(a[i * {width} +: {width}]),
        .b(b[i * {width} +: {width}]),
        .o(o[i * {product} +: {product}])
      );
    end
  endgenerate
endmodule
"""

"""What a configurable multiplier's gates compute in each mode, and its replay in a simulator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.bits import pack_operands, unpack_product
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.registry import describe
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable
from axhw.sim.simulators import Replay, SimulatorName
from axhw.sim.testbench import LANES, operand_pairs, pack
from axhw.synth.netlist import GateGraph, Netlist


def extract_mode_tables(netlist: Netlist, graph: GateGraph, spec: ConfigurableRoupSpec) -> tuple[ProductTable, ...]:
    """The product table of each mode, simulated over all operand pairs; codes behind the last mode are tried too.

    Raises
    ------
    AxhwError
        If the operands are too wide for a table.
    VerificationError
        If a code that is no mode does not multiply as the last mode.
    """
    width, signed = spec.multiplier.width, spec.multiplier.signed
    if width > MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits for the product tables of {spec.name}, found {width}."
        )
    codes = spec.multiplier.operand_codes()
    a, b = pack_operands(np.repeat(codes, len(codes)), width), pack_operands(np.tile(codes, len(codes)), width)
    tables: list[ProductTable] = []
    for code in range(1 << spec.mode_bits):
        mode = pack_operands(np.full(len(codes) ** 2, code), spec.mode_bits)
        nets = evaluate(graph, port_words(netlist, {"a": a, "b": b, "mode": mode}))
        products = unpack_product(nets[list(netlist.outputs["o"])], signed=signed, count=len(codes) ** 2)
        values = products.reshape(len(codes), -1).astype(np.int32)
        if code >= len(spec.modes):
            if not np.array_equal(values, tables[-1].values):
                raise VerificationError(f"Expected {spec.name} to be in its last mode at code {code}, found others.")
            continue
        chosen = spec.modes[code]
        tables.append(
            ProductTable(
                values=values,
                width=width,
                signed=signed,
                name=chosen.name,
                source=describe(chosen),
                netlist_sha256=netlist.sha256,
            )
        )
    return tuple(tables)


def configurable_replay(
    spec: ConfigurableRoupSpec, *, module: str, sources: Mapping[str, str], simulator: SimulatorName, seed: int
) -> tuple[Replay, int]:
    """A replay that drives copies of a configurable multiplier, all in one mode, through every mode.

    Returns
    -------
    replay, number of operand pairs, those of all modes
    """
    first, second = operand_pairs(spec.multiplier, seed=seed)
    lanes = LANES[simulator]
    index = np.arange(-(-len(first) // lanes) * lanes)
    modes = len(spec.modes)
    # The last step of a mode is filled up with pairs that are compared again.
    a, b = np.tile(first[index % len(first)], modes), np.tile(second[index % len(first)], modes)
    mode = np.repeat(np.arange(modes), len(index))
    width, product = spec.multiplier.width, spec.product_width
    wrapper = _WRAPPER.format(lanes=lanes, width=width, product=product, mode=spec.mode_bits, module=module)
    outputs = pack(spec.reference(a, b, mode), product, lanes=lanes)
    replay = Replay(
        top="lanes",
        sources={**sources, "lanes.v": wrapper},
        inputs={
            "a": pack(a, width, lanes=lanes),
            "b": pack(b, width, lanes=lanes),
            "mode": pack(mode[::lanes], spec.mode_bits),
        },
        outputs={"o": outputs},
        masks={"o": pack(np.full(len(a), -1), product, lanes=lanes)},
        lanes=lanes,
    )
    return replay, modes * len(first)


_WRAPPER = """\
module lanes(
  input [{lanes} * {width} - 1:0] a,
  input [{lanes} * {width} - 1:0] b,
  input [{mode} - 1:0] mode,
  output [{lanes} * {product} - 1:0] o
);
  genvar i;
  generate
    for (i = 0; i < {lanes}; i = i + 1) begin : lane
      {module} dut(
        .a(a[i * {width} +: {width}]),
        .b(b[i * {width} +: {width}]),
        .mode(mode),
        .o(o[i * {product} +: {product}])
      );
    end
  endgenerate
endmodule
"""

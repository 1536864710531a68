"""Resources of a design on FPGAs, as Yosys maps it, with the mapped design held against its golden model.

Counts only: an FPGA's energy and delay are those of its routing, which needs the vendor's tools or nextpnr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.errors import AxhwError
from axhw.hdl.registry import DesignSpec
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.proof import prove
from axhw.sim.product_table import MAX_TABLE_WIDTH
from axhw.sim.sampled import verify_sampled
from axhw.synth.engines import Engine, run_script
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, to_rtlil

Target = Literal["ice40", "ecp5", "xilinx", "gowin"]
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, kw_only=True)
class _Flow:
    """How Yosys maps to a target, and what its cells are: patterns of their whole names."""

    command: str
    without_dsps: str
    models: str
    luts: str
    muxes: str = ""
    carries: str
    flip_flops: str
    dsps: str


_FLOWS: Mapping[Target, _Flow] = {
    "ice40": _Flow(
        command="synth_ice40",
        without_dsps="",  # they are an option
        models="+/ice40/cells_sim.v",
        luts="SB_LUT4",
        carries="SB_CARRY",
        flip_flops=r"SB_DFF\w*",
        dsps="SB_MAC16",
    ),
    "ecp5": _Flow(
        command="synth_ecp5",
        without_dsps="-nodsp",
        models="+/ecp5/cells_sim.v",
        luts="LUT4",
        muxes="PFUMX|L6MUX21",
        carries="CCU2C",
        flip_flops="TRELLIS_FF",
        dsps="MULT18X18D|ALU54B",
    ),
    "xilinx": _Flow(
        command="synth_xilinx -family xc7 -flatten -noiopad",
        without_dsps="-nodsp",
        models="+/xilinx/cells_sim.v",
        # An inverter is a LUT that placement may merge into another.
        luts="LUT[1-6]|INV|SRL16E|SRLC32E",
        muxes="MUXF[78]",
        carries="CARRY4",
        flip_flops="FD[CPRS]E(_1)?",
        dsps="DSP48E1",
    ),
    "gowin": _Flow(
        command="synth_gowin -noiopads",
        without_dsps="-nodsp",
        models="+/gowin/cells_sim.v",
        luts="LUT[1-4]",
        muxes="MUX2_LUT[5-8]",
        carries="ALU",
        flip_flops=r"DFF\w*",
        dsps=r"MULT\w+|PADD\w+",
    ),
}


@dataclass(frozen=True, kw_only=True)
class FpgaUsage:
    """What a design takes of a target.

    Attributes
    ----------
    name : str
    target : {"ice40", "ecp5", "xilinx", "gowin"}
        Lattice iCE40 and ECP5, Xilinx 7 series, Gowin GW1N.
    engine : str
    luts : int
        Look-up tables of 4 inputs, 6 for xilinx. Those inside carry cells are not among them.
    muxes : int
        Dedicated multiplexers that join LUTs to wider ones.
    carries : int
        Carry cells: 1 bit each, 2 for ecp5, 4 for xilinx.
    flip_flops : int
    dsps : int
        Multiplier blocks. Designs of ours are gates, in which Yosys finds no multiplication.
    cells : mapping of str to int
        All cells by type, also those that are none of the above.
    verification : str
        How the mapped design was held against the golden model.
    pairs : int
        Operand pairs compared.
    """

    name: str
    target: Target
    engine: str
    luts: int
    muxes: int
    carries: int
    flip_flops: int
    dsps: int
    cells: Mapping[str, int]
    verification: str
    pairs: int


@dataclass(frozen=True, kw_only=True)
class OperatorSpec(MultiplierSpec):
    """The product as Verilog's ``a * b``, for Yosys to build as it likes: on FPGAs the multiplier to beat."""

    family: ClassVar[str] = "operator"
    summary: ClassVar[str] = "the operator a * b"

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """a * b."""
        first, second = self.operands(a, b)
        return first * second

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """a * b."""
        return (a.as_signed() * b.as_signed()) if self.signed else (a * b)


def fpga_usage(spec: DesignSpec, *, target: Target, engine: Engine, dsps: bool = True, seed: int = 1) -> FpgaUsage:
    """Map a design to an FPGA, prove the result and count its cells.

    Parameters
    ----------
    spec : MultiplierSpec or ProcessingElementSpec
    target : {"ice40", "ecp5", "xilinx", "gowin"}
    engine : Engine
    dsps : bool
        Whether Yosys may use multiplier blocks where it finds a multiplication.
    seed : int
        Of random vectors that check the design.

    Raises
    ------
    AxhwError
        For an unknown target, or with Yosys' complaint.
    VerificationError
        If the mapped design is not what the golden model says.
    """
    if target not in _FLOWS:
        raise AxhwError(f"Expected a target out of {', '.join(TARGETS)}, found {target!r}.")
    flow, library = _FLOWS[target], load_library(DEFAULT)
    files = run_script(
        engine,
        _script(spec.name, flow, dsps=dsps),
        inputs={"source.il": to_rtlil(spec.component(), name=spec.name), "cells.lib": library.text},
        outputs=("stat.json", "gates.json"),
    )
    cells = _cells(json.loads(files["stat.json"]))
    gates = Synthesis(
        name=spec.name,
        engine=str(engine),
        rtl_verilog="",
        netlist_verilog="",
        netlist_json=files["gates.json"],
        seconds=0.0,
    )

    def count(pattern: str) -> int:
        return sum(number for cell, number in cells.items() if re.fullmatch(pattern, cell))

    unknown = sorted({instance.cell for instance in gates.netlist.instances} - set(library.cells.cells))
    if unknown:
        raise AxhwError(
            f"Expected cells with a simulation model to hold {spec.name} on {target} against its golden model, found "
            f"{', '.join(unknown)}: map multiplications without DSP blocks."
        )
    verification, pairs = _verify(spec, gates, library.cells, engine=engine, seed=seed)
    return FpgaUsage(
        name=spec.name,
        target=target,
        engine=str(engine),
        luts=count(flow.luts),
        muxes=count(flow.muxes),
        carries=count(flow.carries),
        flip_flops=count(flow.flip_flops),
        dsps=count(flow.dsps),
        cells=cells,
        verification=verification,
        pairs=pairs,
    )


def _script(name: str, flow: _Flow, *, dsps: bool) -> str:
    """The FPGA flow; then its result, with the cells replaced by their simulation models, on gates that we simulate."""
    return "\n".join(
        (
            "read_rtlil source.il",
            f"hierarchy -check -top {name}",
            f"{flow.command} {'' if dsps else flow.without_dsps} -top {name}",
            "tee -q -o stat.json stat -json",
            # As the tests of Yosys itself do.
            f"techmap -wb -D EQUIV -autoproc -map {flow.models}",
            f"synth -flatten -top {name}",
            "dfflibmap -liberty cells.lib",
            "abc -liberty cells.lib",
            "opt_clean -purge",
            "write_json gates.json",
            "",
        )
    )


def _verify(spec: DesignSpec, gates: Synthesis, library: CellLibrary, *, engine: Engine, seed: int) -> tuple[str, int]:
    """Method and pairs of the comparison with the golden model.

    A formal proof of a wide multiplier takes minutes where Yosys has restructured it: random pairs have to do.
    """
    graph = levelize(gates.netlist, library)
    if isinstance(spec, MultiplierSpec) and spec.width > MAX_TABLE_WIDTH:
        return "corner and random pairs", verify_sampled(gates.netlist, graph, spec, seed=seed).pairs
    proof = prove(spec, gates, graph, library=library, engine=engine, seed=seed)
    return proof.verification.method, proof.verification.pairs


def _cells(statistics: Mapping[str, Any]) -> dict[str, int]:
    """Cells by type in the output of ``stat -json``."""
    found: Mapping[str, int] = statistics["design"]["num_cells_by_type"]
    return {cell: number for cell, number in sorted(found.items()) if cell != "$scopeinfo"}

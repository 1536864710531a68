"""An imported circuit without what nobody needs, in the form that synthesis makes the least of.

Constants, copies, repeated and dead gates fold away; ABC looks for what else is redundant. Synthesis of the two does
not always rank them alike, so both are mapped, and the smaller one is taken.
"""

from __future__ import annotations

import json

import numpy as np

from axhw.errors import VerificationError
from axhw.flow import Flow
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import simplified
from axhw.hdl.gates import GateNetlist
from axhw.importer.ports import Bit, Operands
from axhw.importer.readings import circuit_function, product_codes
from axhw.importer.yosys_gates import FlatModule
from axhw.measure import area_um2
from axhw.synth.engines import Engine, run_script
from axhw.synth.synthesis import to_rtlil

_GATES = "gates.json"
_SCRIPT = f"""\
read_rtlil source.il
hierarchy -check -top {{top}}
synth -flatten -top {{top}}
abc -g AND,NAND,OR,NOR,XOR,XNOR,ANDNOT,ORNOT
opt_clean -purge
select {{top}}
write_json -selected {_GATES}
"""
_PAIRS = 1 << 16
_MAX_EXHAUSTIVE_INPUTS = 20


def polished(circuit: GateNetlist, *, signed: bool, label: str, flow: Flow) -> NetlistSpec:
    """The spec of a circuit, simplified in the way that takes the least area.

    Raises
    ------
    VerificationError
        If simplification changed what the circuit computes.
    """
    plain = NetlistSpec.from_circuit(simplified(circuit), signed=signed, label=label)
    optimised = _through_abc(plain, engine=flow.engine)
    candidates = [plain]
    if optimised != plain.circuit:
        check_equal(circuit, optimised, name=label)
        candidates.append(NetlistSpec.from_circuit(optimised, signed=signed, label=plain.label))
    return min(candidates, key=lambda spec: _mapped_area_um2(spec, flow))


def check_equal(first: GateNetlist, second: GateNetlist, *, name: str) -> None:
    """Hold two circuits against each other, over all pairs up to 10 bits, else over random ones.

    Raises
    ------
    VerificationError
        If they differ.
    """
    if first.inputs <= _MAX_EXHAUSTIVE_INPUTS:
        same = np.array_equal(product_codes(first), product_codes(second))
    else:
        a, b = np.random.default_rng(1).integers(0, 1 << first.inputs // 2, (2, _PAIRS))
        same = np.array_equal(circuit_function(first)(a, b), circuit_function(second)(a, b))
    if not same:
        raise VerificationError(f"Expected the simplified gates of {name} to compute the same products, found others.")


def _through_abc(spec: NetlistSpec, *, engine: Engine) -> GateNetlist:
    rtlil = to_rtlil(spec.component(), name=spec.name)
    files = run_script(engine, _SCRIPT.format(top=spec.name), inputs={"source.il": rtlil}, outputs=(_GATES,))
    module = FlatModule(spec.name, json.loads(files[_GATES])["modules"][spec.name])
    a, b, product = (
        tuple(Bit(port, index) for index in range(bits))
        for port, bits in (("a", spec.width), ("b", spec.width), ("o", spec.product_width))
    )
    operands = Operands(a=a, b=b, product=product, names={"a": "a", "b": "b", "product": "o"})
    return simplified(module.circuit(operands))


def _mapped_area_um2(spec: NetlistSpec, flow: Flow) -> float:
    return area_um2(flow.store.synthesise(flow.job(spec)).netlist, flow.library.cells)

"""Any circuit of two-input gates as a multiplier: imported, evolved, or written by hand.

The gates are the spec, so a record, a message to another machine or a processing element holds the whole circuit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Const, Module, Signal, Value

from axhw.errors import AxhwError
from axhw.hdl.bits import exhaustive_words, pack_operands, unpack_product
from axhw.hdl.gates import FUNCTIONS, GateNetlist
from axhw.hdl.spec import IntegerArray, MultiplierSpec, parameter

LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""Names of designs that a user names: file names and Verilog identifiers."""

# Above, a table of all products costs more than the pairs that are asked for.
_MAX_TABULATED_WIDTH = 10
_DIGEST_LETTERS = 8


@dataclass(frozen=True, kw_only=True)
class NetlistSpec(MultiplierSpec):
    """A multiplier given by its gates.

    Attributes
    ----------
    gates : str
        Text of a `GateNetlist` whose inputs are a and b, least significant bits first, and whose outputs are the
        product. It is kept with ``;`` between lines and without comments.
    label : str
        Name of the design; made from a digest of the gates by default.
    """

    family: ClassVar[str] = "netlist"
    summary: ClassVar[str] = "a circuit given by its gates, as `axhw import` and `axhw evolve` make them"

    gates: str = parameter("", help="text of the gates, from `inputs N` to `outputs S S ...` with ; between")
    label: str = parameter("", help="name of the design")

    def validate(self) -> None:
        circuit = GateNetlist.of(self.gates)
        found = (circuit.inputs, len(circuit.outputs))
        if found != (2 * self.width, self.product_width):
            raise AxhwError(
                f"Expected gates with {2 * self.width} inputs and {self.product_width} outputs for {self.width}-bit "
                f"operands, found {found[0]} and {found[1]}."
            )
        object.__setattr__(self, "gates", circuit.text(separator=";"))
        if not self.label:
            kind = f"{self.family}{self.width}{'s' if self.signed else 'u'}"
            object.__setattr__(self, "label", f"{kind}_{circuit.sha256[:_DIGEST_LETTERS]}")
        if not LABEL.fullmatch(self.label):
            raise AxhwError(
                f"Expected a name of a letter and up to 63 letters, digits and underscores, found {self.label!r}."
            )

    @classmethod
    def from_circuit(cls, circuit: GateNetlist, *, signed: bool, label: str = "") -> NetlistSpec:
        """The spec of a circuit with as many inputs as its operands have bits.

        Raises
        ------
        AxhwError
            If the circuit does not have the inputs and outputs of a multiplier.
        """
        return cls(width=circuit.inputs // 2, signed=signed, gates=circuit.text(separator=";"), label=label)

    @cached_property
    def circuit(self) -> GateNetlist:
        """The gates."""
        return GateNetlist.of(self.gates)

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def shown_parameters(self) -> dict[str, Any]:
        """Number and digest of the gates instead of their text."""
        return {"gates": int(self.circuit.active[self.circuit.inputs :].sum()), "sha256": self.circuit.sha256}

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The gates, evaluated in numpy 64 pairs at a time."""
        first, second = np.broadcast_arrays(*self.operands(a, b))
        if self.width <= _MAX_TABULATED_WIDTH and first.size >= 1 << 2 * self.width:
            mask = (1 << self.width) - 1
            products: IntegerArray = self._products[first & mask, second & mask]
            return products
        words = np.concatenate([pack_operands(x.ravel(), self.width) for x in (first, second)])
        outputs = self.circuit.evaluate(words)
        return unpack_product(outputs, signed=self.signed, count=first.size).reshape(first.shape)

    @cached_property
    def _products(self) -> IntegerArray:
        """Products by the bits of a and b."""
        counter = exhaustive_words(2 * self.width)
        outputs = self.circuit.evaluate([*counter[self.width :], *counter[: self.width]])
        return unpack_product(outputs, signed=self.signed).reshape(1 << self.width, -1)

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """One signal for each gate that matters."""
        signals: list[Value] = [a[i] for i in range(self.width)] + [b[i] for i in range(self.width)]
        active = self.circuit.active
        for number, gate in enumerate(self.circuit.gates, start=self.circuit.inputs):
            if not active[number]:
                signals.append(Const(0, 1))
                continue
            signal = Signal(name=f"g{number}")
            m.d.comb += signal.eq(_expression(gate.function, signals[gate.x], signals[gate.y]))
            signals.append(signal)
        return Cat(*(signals[output] for output in self.circuit.outputs))


def _expression(function: int, x: Value, y: Value) -> Value:
    """Any function of two bits, see `axhw.hdl.gates.FUNCTIONS`."""
    if function & 1:
        return ~_expression(function ^ FUNCTIONS["one"], x, y)
    return {
        FUNCTIONS["zero"]: Const(0, 1),
        FUNCTIONS["andnot"]: x & ~y,
        FUNCTIONS["notand"]: ~x & y,
        FUNCTIONS["xor"]: x ^ y,
        FUNCTIONS["and"]: x & y,
        FUNCTIONS["buf"]: x,
        FUNCTIONS["bufy"]: y,
        FUNCTIONS["or"]: x | y,
    }[function]

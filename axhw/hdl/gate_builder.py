"""Putting gate netlists together, and simplifying them: constants, copies and repeated gates fold away on the way."""

from __future__ import annotations

from collections.abc import Sequence

from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist

ZERO, ONE = -1, -2
"""Constants, beside the signals of a netlist."""

_NOT, _BUF = FUNCTIONS["not"], FUNCTIONS["buf"]


class GateBuilder:
    """A netlist being made.

    Parameters
    ----------
    inputs : int
        Signals 0 to ``inputs - 1``.
    """

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._gates: list[Gate] = []
        self._known: dict[Gate, int] = {}

    def add(self, function: int | str, x: int, y: int = ZERO) -> int:
        """The signal of a gate, new or known, or of what it comes down to.

        Parameters
        ----------
        function : int or str
            Code or name as in `FUNCTIONS`.
        x, y : int
            Signals, `ZERO` or `ONE`.
        """
        code = FUNCTIONS[function] if isinstance(function, str) else function
        for constant, bit in ((ZERO, 0), (ONE, 1)):
            if x == constant:
                return self._unary(code >> bit & 1, code >> bit + 2 & 1, y)
            if y == constant:
                return self._unary(code >> 2 * bit & 1, code >> 2 * bit + 1 & 1, x)
        gate = Gate(code, x, y)
        if x == y:
            return self._unary(code & 1, code >> 3 & 1, x)
        if gate.fanin != (x, y):
            if x in gate.fanin:
                return self._unary(code & 1, code >> 1 & 1, x)
            return self._unary(code & 1, code >> 2 & 1, y)
        if x > y:
            gate = Gate(code & 0b1001 | code >> 1 & 0b0010 | code << 1 & 0b0100, y, x)
        return self._signal(gate)

    def full_adder(self, x: int, y: int, z: int) -> tuple[int, int]:
        """Sum and carry of three bits."""
        half = self.add("xor", x, y)
        return self.add("xor", half, z), self.add("or", self.add("and", x, y), self.add("and", half, z))

    def build(self, outputs: Sequence[int]) -> GateNetlist:
        """The netlist of the gates that reach an output."""
        signals = [self._constant(output) if output < 0 else output for output in outputs]
        whole = GateNetlist(inputs=self._inputs, gates=tuple(self._gates), outputs=tuple(signals))
        active = whole.active
        place = list(range(self._inputs))
        kept: list[Gate] = []
        for number, gate in enumerate(self._gates, start=self._inputs):
            place.append(self._inputs + len(kept))
            if active[number]:
                # What a function does not read may be gone.
                x, y = (place[signal] if signal in gate.fanin else 0 for signal in (gate.x, gate.y))
                kept.append(Gate(gate.function, x, y))
        return GateNetlist(inputs=self._inputs, gates=tuple(kept), outputs=tuple(place[signal] for signal in signals))

    def _unary(self, at_0: int, at_1: int, x: int) -> int:
        """The function of one signal that is `at_0` where it is 0 and `at_1` where it is 1."""
        if x < 0:
            return ONE if (at_1 if x == ONE else at_0) else ZERO
        if at_0 == at_1:
            return ONE if at_0 else ZERO
        if at_1:
            return x
        if x >= self._inputs and self._gates[x - self._inputs].function == _NOT:
            return self._gates[x - self._inputs].x
        return self._signal(Gate(_NOT, x, 0))

    def _constant(self, signal: int) -> int:
        return self._signal(Gate(FUNCTIONS["one" if signal == ONE else "zero"], 0, 0))

    def _signal(self, gate: Gate) -> int:
        if gate not in self._known:
            self._known[gate] = self._inputs + len(self._gates)
            self._gates.append(gate)
        return self._known[gate]


def simplified(netlist: GateNetlist) -> GateNetlist:
    """The same circuit without constants, copies, repeated gates and gates that reach no output."""
    builder = GateBuilder(netlist.inputs)
    signals = list(range(netlist.inputs))
    for gate in netlist.gates:
        signals.append(builder.add(gate.function, signals[gate.x], signals[gate.y]))
    return builder.build([signals[output] for output in netlist.outputs])


def exact_multiplier(width: int, *, signed: bool) -> GateNetlist:
    """An exact array multiplier with the inputs and outputs of `axhw.hdl.families.netlist.NetlistSpec`.

    Baugh-Wooley for two's complement (IEEE Transactions on Computers, 1973): the cells of negative weight are inverted,
    which takes ``2**width - 2**(2 * width - 1)`` beside them.
    """
    builder = GateBuilder(2 * width)
    columns: list[list[int]] = [[] for _ in range(2 * width)]
    for i in range(width):
        for j in range(width):
            negative = signed and (i == width - 1) != (j == width - 1)
            columns[i + j].append(builder.add("nand" if negative else "and", i, width + j))
    if signed:
        columns[width].append(ONE)
        columns[2 * width - 1].append(ONE)
    outputs = []
    for weight, column in enumerate(columns):
        while len(column) > 1:
            total, carry = builder.full_adder(*(column[:3] if len(column) > 2 else (*column, ZERO)))
            column[:3] = [total]
            if weight + 1 < len(columns):
                columns[weight + 1].append(carry)
        outputs.append(column[0] if column else ZERO)
    return builder.build(outputs)

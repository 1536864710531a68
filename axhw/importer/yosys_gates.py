"""Yosys' JSON of simple gates as a `GateNetlist`, with everything refused that is not plainly combinational."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.bits import Words, exhaustive_words
from axhw.hdl.gate_builder import ONE, ZERO, GateBuilder
from axhw.hdl.gates import GateNetlist
from axhw.importer.ports import Bits, Operands

Module: TypeAlias = Mapping[str, Any]

_TWO_INPUTS = {
    "$_AND_": "and",
    "$_NAND_": "nand",
    "$_OR_": "or",
    "$_NOR_": "nor",
    "$_XOR_": "xor",
    "$_XNOR_": "xnor",
    "$_ANDNOT_": "andnot",
    "$_ORNOT_": "ornot",
}
_ONE_INPUT = {"$_NOT_": "not", "$_BUF_": "buf"}
_MULTIPLEXERS = {"$_MUX_": False, "$_NMUX_": True}
_COMBINATIONAL = {**_TWO_INPUTS, **_ONE_INPUT, **_MULTIPLEXERS}
_IGNORED = ("$scopeinfo",)
_SEQUENTIAL = re.compile(r"\$(?:_|)(?:[A-Z]*D?FFE?|[A-Z]*DFF|[A-Z]*DLATCH|FF|SR|DFFSR|DLATCHSR|ALDFF)", re.IGNORECASE)
_MEMORY = re.compile(r"\$mem", re.IGNORECASE)
# Above, all pairs are too many to look at.
_MAX_EXHAUSTIVE_WIDTH = 10


@dataclass(frozen=True, eq=False)
class FlatModule:
    """One flat module of simple gates, as Yosys' ``write_json`` has it.

    Attributes
    ----------
    name : str
    module : mapping
        ``ports``, ``cells`` and ``netnames`` of the module.
    supplies : collection of str
        Ports of power and ground, which are no inputs.

    Raises
    ------
    AxhwError
        If there are other inout ports, registers, latches, memories or other cells than gates, or nets with two
        drivers.
    """

    name: str
    module: Module
    supplies: Collection[str] = ()

    def __post_init__(self) -> None:
        for port, info in self.module["ports"].items():
            if info["direction"] == "inout" and port not in self.supplies:
                raise AxhwError(
                    f"Expected input and output ports in {self.name}, found inout {port}: if it is a supply, say "
                    f"--supply {port}."
                )
        for name, cell in self.module["cells"].items():
            if cell["type"] not in _COMBINATIONAL and cell["type"] not in _IGNORED:
                raise AxhwError(f"Expected a combinational circuit in {self.name}, found {self._what(name, cell)}.")
        _ = self._drivers

    @property
    def inputs(self) -> dict[str, int]:
        """Bits of each input port."""
        return self._ports("input")

    @property
    def outputs(self) -> dict[str, int]:
        """Bits of each output port."""
        return self._ports("output")

    def circuit(self, operands: Operands) -> GateNetlist:
        """The gates between operands and product.

        Raises
        ------
        AxhwError
            For combinational loops, and if nets without a value reach the product.
        """
        values: dict[int | str, int] = {"0": ZERO, "1": ONE}
        for number, net in enumerate(self._nets(operands.a) + self._nets(operands.b)):
            values[net] = number
        product = self._nets(operands.product)
        unknown = self._unknown(product, values)
        count = 2 * operands.width
        if unknown:
            numbered = {net: count + place for place, net in enumerate(unknown)}
            circuit = self._build(product, values | numbered, inputs=count + len(unknown))
            self._check_unknown(circuit, operands, unknown)
        # What no product depends on may be anything.
        return self._build(product, values | dict.fromkeys(unknown, ZERO), inputs=count)

    def _ports(self, direction: str) -> dict[str, int]:
        return ports_of(self.module, direction, supplies=self.supplies)

    def _nets(self, bits: Bits) -> list[int | str]:
        return [self.module["ports"][bit.port]["bits"][bit.index] for bit in bits]

    @cached_property
    def _drivers(self) -> dict[int, tuple[str, Mapping[str, list[int | str]]]]:
        """Type and pins of the cell behind each driven net."""
        inputs = {bit for info in self.module["ports"].values() if info["direction"] == "input" for bit in info["bits"]}
        drivers: dict[int, tuple[str, Mapping[str, list[int | str]]]] = {}
        for name, cell in self.module["cells"].items():
            if cell["type"] in _IGNORED:
                continue
            (net,) = cell["connections"]["Y"]
            if net in drivers or net in inputs or isinstance(net, str):
                raise AxhwError(
                    f"Expected one driver for each net of {self.name}, found several for {self._net_name(net)}, one of "
                    f"them {self._label(name)}."
                )
            drivers[net] = (cell["type"], cell["connections"])
        return drivers

    def _unknown(self, product: Sequence[int | str], values: Mapping[int | str, int]) -> list[int | str]:
        """Nets without a driver, and x, that the product may depend on."""
        seen: dict[int | str, bool] = {}
        pending = list(product)
        while pending:
            net = pending.pop()
            if net in seen or net in values:
                continue
            if net == "z":
                raise AxhwError(f"Expected a value on every net of {self.name}, found high impedance (z).")
            seen[net] = net not in self._drivers
            if isinstance(net, int) and net in self._drivers:
                _, pins = self._drivers[net]
                pending += [pins[pin][0] for pin in pins if pin != "Y"]
        return [net for net, unknown in seen.items() if unknown]

    def _build(self, product: Sequence[int | str], values: dict[int | str, int], *, inputs: int) -> GateNetlist:
        """Gates in the order of their dependence; `values` gets the signal of every net on the way."""
        builder = GateBuilder(inputs)
        open_nets: set[int | str] = set()
        pending = list(reversed(product))
        while pending:
            net = pending[-1]
            if net in values:
                pending.pop()
                continue
            assert isinstance(net, int)
            kind, pins = self._drivers[net]
            missing = [pins[pin][0] for pin in sorted(pins) if pin != "Y" and pins[pin][0] not in values]
            if missing:
                if net in open_nets:
                    raise AxhwError(
                        f"Expected combinational logic without loops in {self.name}, found a loop through "
                        f"{self._net_name(net)}."
                    )
                open_nets.add(net)
                pending += missing
                continue
            values[net] = _add(builder, kind, {pin: values[bits[0]] for pin, bits in pins.items() if pin != "Y"})
            open_nets.discard(net)
            pending.pop()
        return builder.build([values[net] for net in product])

    def _check_unknown(self, circuit: GateNetlist, operands: Operands, unknown: Sequence[int | str]) -> None:
        """Refuse a circuit whose product depends on nets that have no value."""
        count = 2 * operands.width
        reaching = [net for place, net in enumerate(unknown, start=count) if circuit.active[place]]
        if not reaching:
            return
        shown = ", ".join(dict.fromkeys(map(self._net_name, reaching[:4])))
        if operands.width > _MAX_EXHAUSTIVE_WIDTH:
            raise AxhwError(f"Expected a value on every net of {self.name}, found none for {shown}.")
        counter = exhaustive_words(count)
        both = np.full_like(counter[0], ~np.uint64(0))
        known = [*counter[operands.width :], *counter[: operands.width]]
        can_be_0 = [~word for word in known] + [both] * len(unknown)
        can_be_1 = [*known] + [both] * len(unknown)
        for bit, undecided in enumerate(_undecided(circuit, can_be_0, can_be_1)):
            words = np.flatnonzero(undecided)
            if len(words):
                lowest = int(undecided[words[0]]) & -int(undecided[words[0]])
                pair = int(words[0]) * 64 + lowest.bit_length() - 1
                a, b = pair >> operands.width, pair & (1 << operands.width) - 1
                raise AxhwError(
                    f"Expected a value on every net of {self.name}, found none for {shown}, which bit {bit} of the "
                    f"product depends on where the operands' bits are a = {a} and b = {b}."
                )

    def _what(self, name: str, cell: Mapping[str, Any]) -> str:
        kind = cell["type"]
        if kind == "$tribuf" or kind == "$_TBUF_":
            return f"a three-state buffer ({self._label(name)})"
        if _MEMORY.match(kind):
            return f"a memory ({self._label(name)})"
        if _SEQUENTIAL.match(kind):
            state = self._state_name(name, cell)
            if "latch" in kind.lower() or kind.lower().startswith(("$sr", "$_sr")):
                return f"a latch ({state})"
            return (
                f"a flip-flop ({state}): import what is between registers, `axhw gen --element` puts its own around it"
            )
        return f"a cell of type {kind} ({self._label(name)})"

    def _state_name(self, name: str, cell: Mapping[str, Any]) -> str:
        """What holds the state, by the name of its output."""
        bits = cell["connections"].get("Q")
        return self._net_name(bits[0]) if bits else self._label(name)

    def _label(self, cell: str) -> str:
        """A cell by its name, or by the source line it comes from."""
        source = self.module["cells"][cell].get("attributes", {}).get("src", "")
        return source if cell.startswith("$") and source else cell

    def _net_name(self, net: int | str) -> str:
        if isinstance(net, str):
            return f"a constant {net}"
        names = [
            name if len(info["bits"]) == 1 else f"{name}[{info['bits'].index(net)}]"
            for name, info in self.module["netnames"].items()
            if net in info["bits"]
        ]
        # Yosys' own names say nothing to users.
        return min(names, key=lambda name: (name.startswith("$"), len(name), name), default="a net")


def ports_of(module: Module, direction: str, *, supplies: Collection[str]) -> dict[str, int]:
    """Bits of each port of a direction, but of supplies."""
    ports = module["ports"].items()
    return {name: len(info["bits"]) for name, info in ports if info["direction"] == direction and name not in supplies}


def _add(builder: GateBuilder, kind: str, pins: Mapping[str, int]) -> int:
    """A cell as gates."""
    if kind in _ONE_INPUT:
        return builder.add(_ONE_INPUT[kind], pins["A"])
    if kind in _TWO_INPUTS:
        return builder.add(_TWO_INPUTS[kind], pins["A"], pins["B"])
    low, high = builder.add("andnot", pins["A"], pins["S"]), builder.add("and", pins["B"], pins["S"])
    return builder.add("nor" if _MULTIPLEXERS[kind] else "or", low, high)


def _undecided(circuit: GateNetlist, can_be_0: list[Words], can_be_1: list[Words]) -> list[Words]:
    """For which vectors each output can be 0 as well as 1, where that is known of the inputs."""
    zeros, ones = list(can_be_0), list(can_be_1)
    for gate in circuit.gates:
        outcomes: list[list[Words]] = [[], []]
        for x, x_words in ((0, zeros[gate.x]), (1, ones[gate.x])):
            for y, y_words in ((0, zeros[gate.y]), (1, ones[gate.y])):
                outcomes[gate.function >> x + 2 * y & 1].append(x_words & y_words)
        empty = np.zeros_like(can_be_0[0])
        zeros.append(np.bitwise_or.reduce([empty, *outcomes[0]]))
        ones.append(np.bitwise_or.reduce([empty, *outcomes[1]]))
    return [zeros[output] & ones[output] for output in circuit.outputs]

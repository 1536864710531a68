"""The ports of a component as Verilog sees them: names, directions and widths, nested members flattened."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth.hdl import Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def input_widths(signature: wiring.Signature) -> dict[str, int]:
    """Bits of every input port, clock and reset left out: ``request__valid``, ``vector__values__0``, ..."""
    return {name: shape.width for name, flow, shape in _ports(signature) if flow == In}


def output_widths(signature: wiring.Signature) -> dict[str, int]:
    """Bits of every output port."""
    return {name: shape.width for name, flow, shape in _ports(signature) if flow == Out}


def signed_outputs(signature: wiring.Signature) -> frozenset[str]:
    """The output ports that hold two's complement numbers."""
    return frozenset(name for name, flow, shape in _ports(signature) if flow == Out and shape.signed)


def flat_name(path: tuple[str | int, ...]) -> str:
    """The name in Verilog of a member of members."""
    return "__".join(map(str, path))


def _ports(signature: wiring.Signature) -> Iterator[tuple[str, object, Shape]]:
    for path, member, _ in signature.flatten(signature.create()):
        yield flat_name(path), member.flow, Shape.cast(member.shape)

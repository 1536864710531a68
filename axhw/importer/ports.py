"""Which ports of a circuit are the operands and the product: as the user says, or plainly so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from axhw.errors import AxhwError

OperandOrder: TypeAlias = Literal["ab", "ba"]
Bits: TypeAlias = tuple["Bit", ...]

# a[3], a(3), a<3>, a_3_, a_3, a3
_INDEXED = re.compile(r"(?P<base>.*?[^\d\[(<_])(?:\[(\d+)\]|\((\d+)\)|<(\d+)>|_(\d+)_|_?(\d+))")
_ACTIVATION = re.compile(r"(?:.*[^a-z])?a", re.IGNORECASE)
_WEIGHT = re.compile(r"(?:.*[^a-z])?b", re.IGNORECASE)


@dataclass(frozen=True)
class Bit:
    """Bit `index` of the port `port`, as the file has it."""

    port: str
    index: int


@dataclass(frozen=True, kw_only=True)
class Operands:
    """The bits of a multiplier, least significant first, and the names of the ports they come from.

    Attributes
    ----------
    a, b, product : tuple of Bit
    names : mapping of ``a``, ``b`` and ``product`` to the port or ports of the file
    """

    a: Bits
    b: Bits
    product: Bits
    names: Mapping[str, str]

    @property
    def width(self) -> int:
        return len(self.a)


def find_operands(
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    *,
    where: str,
    a: str | None = None,
    b: str | None = None,
    product: str | None = None,
    order: OperandOrder | None = None,
) -> Operands:
    """The operands and the product among the ports of a circuit.

    Ports of one bit that are numbered, such as ``a0`` to ``a7``, count as one port. Without names, the circuit must
    have two inputs of equal width and one output of twice that; inputs named like A and B are taken by their names,
    others in their order. One input of both operands needs `order`.

    Parameters
    ----------
    inputs, outputs : mapping of port name to bits, in the order of the file
    where : str
        The circuit, for messages.
    a, b, product : str, optional
        Ports to take.
    order : {"ab", "ba"}, optional
        Which operand comes first: of the two inputs, or in the low half of a single one.

    Raises
    ------
    AxhwError
        If ports are missing, left over or of other widths, or if the operands cannot be told apart.
    """
    sources, sinks = _grouped(inputs, where), _grouped(outputs, where)
    if (a is None) != (b is None):
        raise AxhwError(f"Expected both --a and --b, or neither, found --{'a' if b is None else 'b'} alone.")
    if a is not None and order is not None:
        raise AxhwError("Expected either --a and --b or --operands, found both.")
    result = _take(sinks, product, option="product", kind="output", where=where)
    chosen: list[tuple[str, Bits]]
    if a is not None and b is not None:
        chosen = [(name, _find(sources, name, kind="input", where=where)) for name in (a, b)]
    elif len(sources) == 1:
        chosen = _halves(*next(iter(sources.items())), order=order, where=where)
    elif len(sources) == 2:
        chosen = _in_order(sources)
        if order == "ba":
            chosen.reverse()
    else:
        raise AxhwError(
            f"Expected two inputs for the operands of {where}, found {_listed(inputs)}: name them with --a and --b."
        )
    names = {"a": chosen[0][0], "b": chosen[1][0], "product": result[0]}
    left = {bit.port for bits in sources.values() for bit in bits} - {bit.port for _, bits in chosen for bit in bits}
    if left:
        raise AxhwError(
            f"Expected no inputs of {where} but its operands, found {', '.join(sorted(left))}: axhw imports "
            "combinational multipliers of two operands."
        )
    operands = Operands(a=chosen[0][1], b=chosen[1][1], product=result[1], names=names)
    _check_widths(operands, where)
    return operands


def is_multiplier(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bool:
    """Whether ports can be those of a multiplier: as many bits in as out, in one or two equal inputs and one output."""
    try:
        sources, sinks = _grouped(inputs, ""), _grouped(outputs, "")
    except AxhwError:
        return False
    widths = [len(bits) for bits in sources.values()]
    products = [len(bits) for bits in sinks.values()]
    return len(widths) in (1, 2) and len(set(widths)) == 1 and products == [sum(widths)] and products[0] > 2


def _grouped(ports: Mapping[str, int], where: str) -> dict[str, Bits]:
    """Bits by port, numbered ports of one bit together under their common name."""
    families: dict[str, dict[int, str]] = {}
    for name, width in ports.items():
        match = _INDEXED.fullmatch(name) if width == 1 else None
        if match is None:
            continue
        number = int(next(part for part in match.groups()[1:] if part is not None))
        members = families.setdefault(match["base"], {})
        if number in members:
            raise AxhwError(f"Expected one bit {number} of {match['base']} in {where}, found two ports.")
        members[number] = name
    result: dict[str, Bits] = {}
    for base, members in families.items():
        numbers = sorted(members)
        if len(numbers) < 2 or base in ports:
            continue
        missing = set(range(numbers[0], numbers[-1] + 1)) - set(numbers)
        if missing or numbers[0] > 1:
            lost = min(missing) if missing else 0
            raise AxhwError(f"Expected every bit of {base} among the ports of {where}, found none for bit {lost}.")
        result[base] = tuple(Bit(members[number], 0) for number in numbers)
    grouped = {bit.port: base for base, bits in result.items() for bit in bits}
    ordered: dict[str, Bits] = {}
    for name, width in ports.items():
        base = grouped.get(name, name)
        ordered.setdefault(base, result.get(base, tuple(Bit(name, index) for index in range(width))))
    return ordered


def _take(ports: Mapping[str, Bits], name: str | None, *, option: str, kind: str, where: str) -> tuple[str, Bits]:
    """The port of that name, or the only one."""
    if name is not None:
        return name, _find(ports, name, kind=kind, where=where)
    if len(ports) != 1:
        found = _listed({port: len(bits) for port, bits in ports.items()})
        raise AxhwError(f"Expected one {kind} of {where}, found {found}: name the one to take with --{option}.")
    return next(iter(ports.items()))


def _find(ports: Mapping[str, Bits], name: str, *, kind: str, where: str) -> Bits:
    if name not in ports:
        raise AxhwError(f"Expected an {kind} named {name!r} in {where}, found {', '.join(ports) or 'none'}.")
    return ports[name]


def _in_order(sources: Mapping[str, Bits]) -> list[tuple[str, Bits]]:
    """Two inputs, a first: by their names where these say it, else as they come."""
    first, second = sources.items()
    if _WEIGHT.fullmatch(first[0]) and _ACTIVATION.fullmatch(second[0]):
        return [second, first]
    return [first, second]


def _halves(name: str, bits: Bits, *, order: OperandOrder | None, where: str) -> list[tuple[str, Bits]]:
    """One input that holds both operands."""
    if len(bits) % 2:
        raise AxhwError(f"Expected two inputs for the operands of {where}, found one, {name}, of {len(bits)} bits.")
    if order is None:
        raise AxhwError(
            f"Expected two inputs for the operands of {where}, found one, {name}, of {len(bits)} bits: say with "
            "--operands ab that a is its low half, or with --operands ba that b is."
        )
    half = len(bits) // 2
    low, high = (f"{name}[{half - 1}:0]", bits[:half]), (f"{name}[{2 * half - 1}:{half}]", bits[half:])
    return [low, high] if order == "ab" else [high, low]


def _check_widths(operands: Operands, where: str) -> None:
    a, b, product = len(operands.a), len(operands.b), len(operands.product)
    names = operands.names
    if a != b:
        raise AxhwError(
            f"Expected operands of equal width in {where}, found {names['a']} of {a} and {names['b']} of {b} bits."
        )
    if product != 2 * a:
        raise AxhwError(
            f"Expected a product of {2 * a} bits for the {a}-bit operands of {where}, found {names['product']} of "
            f"{product} bits."
        )


def _listed(ports: Mapping[str, int]) -> str:
    """Ports with their widths, not too many."""
    shown: Sequence[str] = [f"{name} ({width} bit{'s' if width != 1 else ''})" for name, width in ports.items()]
    if len(shown) > 6:
        shown = [*shown[:6], f"{len(shown) - 6} more"]
    return ", ".join(shown) or "none"

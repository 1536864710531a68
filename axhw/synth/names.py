"""What a netlist's Verilog calls its instances and nets.

Yosys numbers private names anew when it writes Verilog, so the JSON netlist that figures are computed on does not know
them. Both files list the instances in the same order; this is checked instance by instance, pin by pin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from axhw.errors import AxhwError
from axhw.synth.netlist import CONSTANT_1, Instance, Netlist

_TOKEN = re.compile(r"\\\S+|[A-Za-z_][\w$]*|\d+'[sS]?[bodhBODH][0-9a-fA-FxXzZ_?]+|\d+|[^\s\w]")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\(\*.*?\*\)", re.DOTALL)
_DECLARATIONS = ("input", "output", "inout", "wire", "assign", "module", "endmodule")


class NetName(NamedTuple):
    """A net as Verilog names it: an identifier without its escape, and a bit of it or None."""

    base: str
    bit: int | None

    def __str__(self) -> str:
        return self.base if self.bit is None else f"{self.base}[{self.bit}]"


@dataclass(frozen=True, kw_only=True, eq=False)
class VerilogNames:
    """The names in a netlist's Verilog.

    Attributes
    ----------
    module : str
    instances : tuple of str
        In the order of ``Netlist.instances``.
    nets : mapping of name to net
        Ports bit by bit, then every net that a pin is on; a net that leaves by an output port may have several names.
    """

    module: str
    instances: tuple[str, ...]
    nets: Mapping[NetName, int]


def verilog_names(netlist: Netlist, verilog: str) -> VerilogNames:
    """Names of the instances and nets of `netlist` in the structural Verilog of the same netlist.

    Raises
    ------
    AxhwError
        If the text is no structural Verilog or holds other gates than `netlist`.
    """
    nets: dict[NetName, int] = {}
    for ports in (netlist.inputs, netlist.outputs):
        for port, bits in ports.items():
            nets |= {NetName(port, None if len(bits) == 1 else bit): net for bit, net in enumerate(bits)}
    module, placed = "", []
    for statement in _statements(verilog):
        if statement[0] == "module" and len(statement) > 1:
            module = _plain(statement[1])
        elif statement[0] not in _DECLARATIONS:
            placed.append(statement)
    if len(placed) != len(netlist.instances):
        raise _other(netlist, f"{len(placed)} instances instead of {len(netlist.instances)}")
    names = []
    for instance, statement in zip(netlist.instances, placed):
        name, pins = _connections(netlist, statement)
        if _plain(statement[0]) != instance.cell:
            raise _other(netlist, f"{name} of the cell {_plain(statement[0])} instead of {instance.cell}")
        for pin, text in pins.items():
            _connect(netlist, instance, pin, text, nets, f"{name}.{pin}")
        missing = sorted(set(instance.pins) - set(pins))
        if missing:
            raise _other(netlist, f"{name} without the pins {', '.join(missing)}")
        names.append(name)
    return VerilogNames(module=module, instances=tuple(names), nets=nets)


def _statements(verilog: str) -> Iterator[list[str]]:
    """Tokens between semicolons; ``endmodule`` has none and ends the last one."""
    statement: list[str] = []
    for token in _TOKEN.findall(_COMMENT.sub(" ", verilog)):
        if token == "endmodule":
            break
        if token != ";":
            statement.append(token)
        elif statement:
            yield statement
            statement = []


def _connections(netlist: Netlist, statement: list[str]) -> tuple[str, dict[str, list[str]]]:
    """Instance name and the tokens on each connected pin of ``CELL NAME ( .PIN(NET), ... )``."""
    if len(statement) < 4 or statement[2] != "(" or statement[-1] != ")":
        raise _other(netlist, f"the statement {' '.join(statement[:6])!r}")
    pins: dict[str, list[str]] = {}
    position = 3
    while position < len(statement) - 1:
        if statement[position] == ",":
            position += 1
            continue
        if statement[position] != "." or ")" not in statement[position:-1]:
            raise _other(netlist, f"a connection of {_plain(statement[1])} by position")
        end = statement.index(")", position)
        if text := statement[position + 3 : end]:
            pins[_plain(statement[position + 1])] = text
        position = end + 1
    return _plain(statement[1]), pins


def _connect(
    netlist: Netlist, instance: Instance, pin: str, text: list[str], nets: dict[NetName, int], where: str
) -> None:
    net = instance.pins.get(pin)
    if net is None:
        raise _other(netlist, f"the pin {where}")
    if text[0][0].isdigit():
        if net > CONSTANT_1:
            raise _other(netlist, f"a constant on {where}")
        return
    name = NetName(_plain(text[0]), int(text[2]) if len(text) == 4 and text[2].isdigit() else None)
    if len(text) not in (1, 4) or nets.setdefault(name, net) != net:
        raise _other(netlist, f"{''.join(text)} on {where}")


def _plain(identifier: str) -> str:
    return identifier.removeprefix("\\")


def _other(netlist: Netlist, found: str) -> AxhwError:
    return AxhwError(
        f"Expected the Verilog of {netlist.name} to hold the instances of its netlist in their order, found {found}: "
        "make the design again."
    )

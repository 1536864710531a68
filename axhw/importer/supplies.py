"""Power and ground of a netlist from place and route: ports and pins without signals, and cells that have no others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from axhw.errors import AxhwError
from axhw.synth.liberty.function import verilog_name
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.verilog import cell_models


@dataclass(frozen=True, kw_only=True, eq=False)
class Supplies:
    """What of some modules is there for power and ground.

    Attributes
    ----------
    modules : mapping
        The modules of a file, as Yosys' ``write_json`` has them.
    library : CellLibrary
    given : tuple of str
        Ports and pins beside those that the library names.
    name : str
        The file, for messages.
    """

    modules: Mapping[str, Any]
    library: CellLibrary
    given: tuple[str, ...]
    name: str

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Cells of the library that the modules instantiate.

        Raises
        ------
        AxhwError
            For a cell that is neither among the modules nor in the library.
        """
        cells: dict[str, None] = {}
        for module, instance, kind, _ in self._foreign():
            if kind in self.fillers:
                continue
            if kind not in self.library.cells:
                raise AxhwError(
                    f"Expected modules of {self.name} or cells of the library {self.library.name}, found {kind} "
                    f"({instance} in {module}): name the library that the file was mapped to with --library."
                )
            cells[kind] = None
        return tuple(cells)

    @cached_property
    def fillers(self) -> Mapping[str, tuple[str, ...]]:
        """Pins of cells that drive nothing: fillers and taps, which libraries may lack, and antenna diodes."""
        supplies = {*self.given, *(supply for cell in self.library.cells.values() for supply in cell.supplies)}
        found: dict[str, dict[str, None]] = {}
        for _, _, kind, pins in self._foreign():
            if kind not in self.library.cells or not self.library.cells[kind].outputs:
                found.setdefault(kind, {}).update(dict.fromkeys(pins))
        return {kind: tuple(pins) for kind, pins in found.items() if {*supplies, *self._inputs(kind)}.issuperset(pins)}

    @cached_property
    def pins(self) -> Mapping[str, tuple[str, ...]]:
        """Supplies that cells of the library are connected to.

        Raises
        ------
        AxhwError
            For other pins that the library doesn't know.
        """
        found: dict[str, dict[str, None]] = {}
        for module, instance, kind, pins in self._foreign():
            if kind not in self.cells:
                continue
            known = self.library.cells[kind]
            # Names of pins by place begin with a dollar.
            for pin in (pin for pin in pins if pin not in known.pins and not pin.startswith("$")):
                if pin not in (*known.supplies, *self.given):
                    raise AxhwError(
                        f"Expected pins of {kind} as the library {self.library.name} has them, found {pin} "
                        f"({instance} in {module}): if it is a supply, say --supply {pin}."
                    )
                found.setdefault(kind, {})[pin] = None
        return {kind: tuple(pins) for kind, pins in found.items()}

    @cached_property
    def ports(self) -> frozenset[str]:
        """Names that mean a supply where a module has a port of them."""
        connected = (*self.pins.items(), *self.fillers.items())
        named = (pin for kind, pins in connected for pin in pins if pin not in self._inputs(kind))
        return frozenset((*self.given, *named))

    @property
    def models(self) -> str:
        """Verilog of all these cells, with the supplies that they are connected to."""
        return "\n".join((cell_models(self.library, self.cells, supplies=self.pins), *self._nothings()))

    @property
    def unpowered(self) -> str:
        """For ``techmap``: each cell as the same without supplies, and no fillers; empty if nothing is to change."""
        modules = self._nothings()
        for kind, supplies in self.pins.items():
            pins = [pin for pin in self.library.cells[kind].pins.values() if pin.direction != "internal"]
            same = ", ".join(f".{verilog_name(pin.name)}({verilog_name(pin.name)})" for pin in pins)
            ports = [*((pin.direction, pin.name) for pin in pins), *(("inout", supply) for supply in supplies)]
            modules.append(_module(kind, ports, f"  {verilog_name(kind)} _TECHMAP_REPLACE_ ({same});\n"))
        return "\n".join(modules)

    def _nothings(self) -> list[str]:
        # Yosys takes modules that are empty for such that are defined elsewhere.
        nothing = "  wire axhw_nothing = 1'b0;\n"
        return [
            _module(kind, (("input" if pin in self._inputs(kind) else "inout", pin) for pin in pins), nothing)
            for kind, pins in self.fillers.items()
        ]

    def _inputs(self, kind: str) -> frozenset[str]:
        cell = self.library.cells.get(kind)
        return frozenset() if cell is None else frozenset(pin.name for pin in cell.inputs)

    def _foreign(self) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
        """Instances of what the file doesn't define: in which module, name, cell and pins."""
        for name, module in self.modules.items():
            for instance, cell in module["cells"].items():
                if cell["type"] not in self.modules and not cell["type"].startswith("$"):
                    yield name, instance, cell["type"], tuple(cell["connections"])


def _module(name: str, ports: Iterable[tuple[str, str]], body: str) -> str:
    heads = ", ".join(f"{direction} {verilog_name(port)}" for direction, port in ports)
    return f"module {verilog_name(name)}({heads});\n{body}endmodule\n"

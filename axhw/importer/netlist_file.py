"""Circuits in Verilog and BLIF, read by Yosys: which module, which ports, which gates, and its own cells."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from axhw.errors import AxhwError
from axhw.hdl.gates import GateNetlist
from axhw.importer.ports import OperandOrder, Operands, find_operands, is_multiplier
from axhw.importer.supplies import Supplies
from axhw.importer.yosys_gates import FlatModule, ports_of
from axhw.synth.engines import Engine, run_script
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.mapping import is_mappable
from axhw.synth.synthesis import Synthesis

Language: TypeAlias = Literal["verilog", "systemverilog", "blif"]

TIME_LIMIT_S = 300.0

_SOURCE = {"verilog": "design.v", "systemverilog": "design.sv", "blif": "design.blif"}
_READ = {
    "verilog": "read_verilog -icells",
    "systemverilog": "read_verilog -sv -icells",
    # Tables of many inputs stay sums of products; as look-up tables they would grow with two to their power.
    "blif": "read_blif -sop",
}
_CELLS = "cells.v"
_MODULES = "modules.json"
_CHECK = "check.log"
_GATES = "gates.json"
_WRAPPER = "wrapper.v"
_UNPOWERED = "unpowered.v"
_WRAPPED, _INNER = "axhw_wrapper", "axhw_inner"
_CONFLICT = re.compile(r"(?:multiple conflicting drivers for [^.\n]*\.\\?(.+):$|[Dd]rivers conflicting)", re.MULTILINE)
_PARAMETER, _VALUE = re.compile(r"[A-Za-z_]\w*"), re.compile(r"-?\d+|\d*'s?[bodhBODH][\da-fA-F_]+")
_SOURCES: Mapping[str, Language] = {".v": "verilog", ".sv": "systemverilog"}
_OWN_FILES = {*_SOURCE.values(), _CELLS, _MODULES, _CHECK, _GATES, _WRAPPER, _UNPOWERED}
# What a script can name; others would need quoting that Yosys does not have.
_PLAIN = re.compile(r'[^\s;"#]+')


@dataclass(frozen=True, kw_only=True, eq=False)
class NetlistFile:
    """The text of a circuit and what it is to be read with.

    Attributes
    ----------
    text : str
    language : {"verilog", "systemverilog", "blif"}
    name : str
        The file, for messages.
    library : CellLibrary
        Cells that the file may instantiate without defining them; its own modules come first.
    engine : Engine
    top : str or None
        The module; the only one that nobody instantiates and whose ports are those of a multiplier by default.
    beside : mapping of str to str
        Texts of other files by name: sources in Verilog are read first, all can be included.
    parameters : mapping of str to str
        Values of the module's parameters, in Verilog.
    supplies : tuple of str
        Ports and pins of power and ground, beside those that the library names: they carry no signals.

    Raises
    ------
    AxhwError
        For other files and parameters of names that a script can't have.
    """

    text: str
    language: Language
    name: str
    library: CellLibrary
    engine: Engine
    top: str | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    supplies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.beside:
            if name in _OWN_FILES or not _PLAIN.fullmatch(name):
                raise AxhwError(
                    f"Expected files beside {self.name} with names without spaces, quotes, ; and #, and others than "
                    f"{', '.join(sorted(_OWN_FILES))}, found {name!r}."
                )
        for name, value in self.parameters.items():
            if not (_PARAMETER.fullmatch(name) and _VALUE.fullmatch(value)):
                raise AxhwError(f"Expected parameters NAME=VALUE with an integer of Verilog, found {name}={value}.")

    @cached_property
    def module(self) -> str:
        """The module that is read.

        Raises
        ------
        AxhwError
            If there is none, or several that it could be.
        """
        if self.top is not None:
            if self.top not in self._modules:
                raise AxhwError(f"Expected a module {self.top!r} in {self.name}, found {_some(self._modules)}.")
            found = self.top
        else:
            used = {cell["type"] for module in self._modules.values() for cell in module["cells"].values()}
            roots = {name: module for name, module in self._modules.items() if name not in used} or self._modules
            fitting = [name for name, module in roots.items() if is_multiplier(*self._ports(module))]
            candidates = fitting or list(roots)
            if len(candidates) != 1:
                raise AxhwError(
                    f"Expected one module in {self.name} that could be the multiplier, found {_some(candidates)}: "
                    "name it with --top."
                )
            found = candidates[0]
        if not _PLAIN.fullmatch(found):
            raise AxhwError(f"Expected a module name without spaces, quotes, ; and # in {self.name}, found {found!r}.")
        return found

    @cached_property
    def library_cells(self) -> tuple[str, ...]:
        """Cells of the library that the file instantiates.

        Raises
        ------
        AxhwError
            For a cell that is neither in the file nor in the library.
        """
        return self._supplies.cells

    @cached_property
    def flat(self) -> FlatModule:
        """The module, flattened, as simple gates.

        Raises
        ------
        AxhwError
            With Yosys' reason if it cannot read the file, and for what `FlatModule` refuses.
        """
        files = self._run(
            "hierarchy -check -top {top}",
            "proc -noopt -norom",
            "flatten",
            f"tee -o {_CHECK} check",
            "opt_clean -purge",
            "memory_collect",
            "memory_map",
            "techmap",
            "simplemap",
            "opt_clean",
            f"write_json -selected {_GATES}",
            outputs=(_CHECK, _GATES),
            cells=self._supplies.models,
        )
        if (match := _CONFLICT.search(files[_CHECK])) is not None:
            net = f" for {match[1].replace(' ', '')}" if match[1] else ""
            raise AxhwError(f"Expected one driver for each net of {self.name}, found several{net}.")
        return FlatModule(self.name, json.loads(files[_GATES])["modules"][self.module], self._supplies.ports)

    def operands(
        self,
        *,
        a: str | None = None,
        b: str | None = None,
        product: str | None = None,
        order: OperandOrder | None = None,
    ) -> Operands:
        """The ports of the operands and the product, see `find_operands`."""
        where = f"{self.module} in {self.name}"
        ports = self.flat.inputs, self.flat.outputs
        return find_operands(*ports, where=where, a=a, b=b, product=product, order=order)

    def circuit(self, operands: Operands) -> GateNetlist:
        """The gates between operands and product."""
        return self.flat.circuit(operands)

    def mapping(self, operands: Operands, *, name: str) -> Synthesis | None:
        """The file's own cells with ports a, b -> o, where it is nothing but cells of the library; else None.

        Parameters
        ----------
        operands : Operands
        name : str
            Of the module.
        """
        if not self.library_cells or not all(is_mappable(self.library.cells[cell]) for cell in self.library_cells):
            return None
        unpowered = self._supplies.unpowered
        files = self._run(
            f"rename {{top}} {_INNER}",
            f"read_verilog {_WRAPPER}",
            f"hierarchy -check -top {_WRAPPED}",
            "proc",
            "flatten",
            *([f"techmap -max_iter 1 -map {_UNPOWERED}"] if unpowered else []),
            "opt_clean -purge",
            f"rename {_WRAPPED} {name}",
            f"select {name}",
            "write_json -selected netlist.json",
            "select -clear",
            "write_verilog -noattr netlist.v",
            outputs=("netlist.json", "netlist.v"),
            cells=self._supplies.models,
            read_cells="read_verilog -lib -nooverwrite",
            extra={_WRAPPER: _wrapper(operands), _UNPOWERED: unpowered},
        )
        synthesis = Synthesis(
            name=name,
            engine=f"cells of {self.name}, flattened by {self.engine}",
            rtl_verilog="",
            netlist_verilog=files["netlist.v"],
            netlist_json=files["netlist.json"],
            seconds=0.0,
        )
        foreign = {instance.cell for instance in synthesis.netlist.instances} - set(self.library_cells)
        return None if foreign else synthesis

    @cached_property
    def _supplies(self) -> Supplies:
        return Supplies(modules=self._modules, library=self.library, given=self.supplies, name=self.name)

    def _ports(self, module: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
        inputs, outputs = (ports_of(module, each, supplies=self._supplies.ports) for each in ("input", "output"))
        return inputs, outputs

    @cached_property
    def _modules(self) -> Mapping[str, Any]:
        """The modules of the file as Yosys reads them."""
        script = (*self._reads, "proc -noopt -norom", f"write_json {_MODULES}", "")
        files = self._yosys("\n".join(script), {}, (_MODULES,))
        modules: Mapping[str, Any] = json.loads(files[_MODULES])["modules"]
        if not modules:
            raise AxhwError(f"Expected a module in {self.name}, found none.")
        return modules

    def _run(
        self,
        *commands: str,
        outputs: tuple[str, ...],
        cells: str,
        read_cells: str = "read_verilog -nooverwrite",
        extra: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Run commands on the file and the cells it uses; ``{top}`` stands for the module."""
        head = [*self._reads, *([f"{read_cells} {_CELLS}"] if cells else [])]
        head += [f"chparam -set {name} {value} \\{self.module}" for name, value in self.parameters.items()]
        # Names may have braces of their own.
        script = "\n".join((*head, *(command.replace("{top}", f"\\{self.module}") for command in commands), ""))
        return self._yosys(script, {_CELLS: cells, **(extra or {})}, outputs)

    @property
    def _reads(self) -> list[str]:
        """Commands that read the files."""
        languages = {name: _SOURCES.get(Path(name).suffix.lower()) for name in self.beside}
        sources = [(kind, name) for name, kind in languages.items() if kind is not None]
        return [f"{_READ[kind]} {name}" for kind, name in [*sources, (self.language, _SOURCE[self.language])]]

    def _yosys(self, script: str, inputs: Mapping[str, str], outputs: tuple[str, ...]) -> dict[str, str]:
        source = {**self.beside, _SOURCE[self.language]: self.text}
        try:
            return run_script(self.engine, script, inputs={**source, **inputs}, outputs=outputs, timeout_s=TIME_LIMIT_S)
        except TimeoutError:
            raise AxhwError(f"Expected {self.engine} to read {self.name} within {TIME_LIMIT_S:g} s.") from None
        except AxhwError as error:
            raise AxhwError(f"Expected a circuit in {self.name}, found: {_reason(str(error))}") from error


def _reason(sentence: str) -> str:
    """Yosys' own words, without what we put around them."""
    return sentence.partition("found: ")[2].removeprefix("ERROR: ") or sentence


def _wrapper(operands: Operands) -> str:
    """Verilog of a module with ports a, b -> o around the file's own."""
    bits: dict[str, dict[int, str]] = {}
    for port, side in (("a", operands.a), ("b", operands.b), ("o", operands.product)):
        for place, bit in enumerate(side):
            bits.setdefault(bit.port, {})[bit.index] = f"{port}[{place}]"
    pins = ", ".join(
        # Escaped identifiers end with a space.
        f".\\{port} ({{{', '.join(sources[index] for index in sorted(sources, reverse=True))}}})"
        for port, sources in bits.items()
    )
    width = operands.width
    return (
        f"module {_WRAPPED}(input [{width - 1}:0] a, input [{width - 1}:0] b, output [{2 * width - 1}:0] o);\n"
        f"  {_INNER} inner({pins});\n"
        "endmodule\n"
    )


def _some(names: Mapping[str, Any] | list[str]) -> str:
    """Names, not too many."""
    listed = list(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return (", ".join(listed[:8]) or "none") + more

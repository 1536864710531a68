"""From an Amaranth component to a mapped netlist: RTLIL, Yosys ``synth``, ABC on a Liberty library."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache

from amaranth.back import rtlil
from amaranth.lib import wiring

from axhw.errors import AxhwError
from axhw.synth.engines import Engine, run_script
from axhw.synth.netlist import Netlist

_LIBERTY = "cells.lib"
_SOURCE = "source.il"
_SIGNED_DECLARATION = re.compile(r"^(\s*(?:input|output|wire)) signed", re.MULTILINE)


def to_rtlil(component: wiring.Component, *, name: str) -> str:
    """The component as RTLIL text, free of source locations so that equal circuits give equal text."""
    return str(rtlil.convert(component, name=name, emit_src=False))


@dataclass(frozen=True, kw_only=True)
class SynthesisJob:
    """Everything a synthesis result depends on.

    Attributes
    ----------
    name : str
        Top module.
    rtlil : str
        The design as Yosys' RTLIL text.
    liberty : str
        Text of the library.
    engine : Engine
    kept : tuple of str
        Modules that are instances of these names are mapped on their own, and only then joined with the rest: `part_of`
        tells their cells in the flat netlist. By default the whole design is optimised across modules.
    """

    name: str
    rtlil: str
    liberty: str
    engine: Engine
    kept: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """The Yosys commands."""
        apart: tuple[str, ...] = ()
        joined: tuple[str, ...] = ()
        if self.kept:
            chosen = " ".join(f"*.{name}" for name in self.kept)
            apart = (f"setattr -mod -set keep_hierarchy 1 {chosen}",)
            # With the library's pins known, registers of operand bits that no multiplier reads can be removed.
            joined = (
                f"setattr -mod -unset keep_hierarchy {chosen}",
                "flatten",
                f"read_liberty -lib -ignore_miss_func {_LIBERTY}",
            )
        return "\n".join(
            (
                f"read_rtlil {_SOURCE}",
                f"hierarchy -check -top {self.name}",
                "design -save source",
                "proc -nomux -norom",
                "memory_collect",
                "write_verilog -noattr -norename design.v",
                "design -load source",
                *apart,
                f"synth -flatten -top {self.name}",
                f"dfflibmap -liberty {_LIBERTY}",
                f"abc -liberty {_LIBERTY}",
                *joined,
                "opt_clean -purge",
                f"select {self.name}",
                "write_json -selected netlist.json",
                "select -clear",
                "write_verilog -noattr netlist.v",
                "",
            )
        )

    @cached_property
    def key(self) -> str:
        """Digest of everything above: the name under which the result may be stored."""
        return _digest("\0".join((self.rtlil, _library_digest(self.liberty), self.script, str(self.engine))))

    def run(self) -> Synthesis:
        """Run Yosys in a fresh process.

        Raises
        ------
        AxhwError
            With Yosys' error, or naming logic that could not be mapped to the library.
        """
        start = time.perf_counter()
        files = run_script(
            self.engine,
            self.script,
            inputs={_SOURCE: self.rtlil, _LIBERTY: self.liberty},
            outputs=("design.v", "netlist.json", "netlist.v"),
        )
        result = Synthesis(
            name=self.name,
            engine=str(self.engine),
            rtl_verilog=files["design.v"],
            # Structural netlists need no signedness, and some timing analysers reject the word.
            netlist_verilog=_SIGNED_DECLARATION.sub(r"\1", files["netlist.v"]),
            netlist_json=files["netlist.json"],
            seconds=time.perf_counter() - start,
        )
        left = sorted({instance.cell for instance in result.netlist.instances if instance.cell.startswith("$")})
        if left:
            raise AxhwError(
                f"Expected every gate of {self.name} to map to the library, found {', '.join(left)} left over: "
                "the library lacks such cells."
            )
        return result


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=8)
def _library_digest(liberty: str) -> str:
    """Worked out once: the designs of a sweep share their library."""
    return _digest(liberty)


def part_of(instance: str, kept: str) -> bool:
    """Whether a cell of a flat netlist comes from a module that was kept apart under that name."""
    return re.search(rf"(?:^|[\\.]){re.escape(kept)}\.", instance) is not None


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """A synthesised design.

    Attributes
    ----------
    engine : str
        Name and version of the Yosys that made it.
    rtl_verilog, netlist_verilog, netlist_json : str
        The design before and after mapping.
    seconds : float
        Wall time of the Yosys process.
    """

    name: str
    engine: str
    rtl_verilog: str
    netlist_verilog: str
    netlist_json: str
    seconds: float

    @cached_property
    def netlist(self) -> Netlist:
        """The mapped netlist."""
        return Netlist.from_yosys(json.loads(self.netlist_json), top=self.name)

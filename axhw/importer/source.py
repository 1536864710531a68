"""Files of every format, read as the user says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from axhw.errors import AxhwError
from axhw.hdl.gate_builder import GateBuilder
from axhw.hdl.gates import GateNetlist
from axhw.importer.chromosome import Dialect, read_chromosome
from axhw.importer.netlist_file import Language, NetlistFile
from axhw.importer.ports import Bits, OperandOrder, Operands
from axhw.importer.table_file import SUFFIXES as TABLE_SUFFIXES
from axhw.importer.table_file import IndexOrigin, read_table
from axhw.sim.product_table import ProductTable
from axhw.synth.engines import Engine
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.synthesis import Synthesis

Format: TypeAlias = Literal["verilog", "systemverilog", "blif", "chromosome", "gates", "table"]
BitOrder: TypeAlias = Literal["lsb", "msb"]

FORMATS: tuple[Format, ...] = get_args(Format)

_LANGUAGES: Mapping[str, Language] = {language: language for language in get_args(Language)}
_SUFFIXES: Mapping[str, Format] = {
    ".v": "verilog",
    ".sv": "systemverilog",
    ".blif": "blif",
    ".chr": "chromosome",
    ".cgp": "chromosome",
    ".gates": "gates",
    **dict.fromkeys(TABLE_SUFFIXES, "table"),
}
_VERILOG = ("verilog", "systemverilog")
_LARGEST_FILE = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file is to be read.

    Attributes
    ----------
    signed : bool
    format : Format or None
        By the suffix of the file by default.
    top, a, b, product : str or None
        Module and ports of a circuit that has such.
    operands : {"ab", "ba"} or None
        Which operand comes first: of the ports, of a chromosome's inputs, or of a table's axes.
    operand_bits, product_bits : {"lsb", "msb"}
        Which bit of the operands and of the product comes first in a circuit.
    dialect : {"plain", "arithsgen"} or None
        Of a chromosome.
    index_origin : {"lowest", "codes"} or None
        Of a bare array.
    beside : tuple of Path
        Other sources of a circuit in Verilog, and files that it includes.
    parameters : tuple of str
        ``NAME=VALUE``, of the module.
    supplies : tuple of str
        Ports and pins of power and ground, beside those that the library names.
    """

    signed: bool
    format: Format | None = None
    top: str | None = None
    a: str | None = None
    b: str | None = None
    product: str | None = None
    operands: OperandOrder | None = None
    operand_bits: BitOrder = "lsb"
    product_bits: BitOrder = "lsb"
    dialect: Dialect | None = None
    index_origin: IndexOrigin | None = None
    beside: tuple[Path, ...] = ()
    parameters: tuple[str, ...] = ()
    supplies: tuple[str, ...] = ()

    def check_options(self, format: Format, name: str) -> None:
        """Refuse options that a format has no use for: they were meant to change something."""
        ports = format in _LANGUAGES
        for option, given, used in (
            ("--top", self.top is not None, ports),
            ("--with", bool(self.beside), format in _VERILOG),
            ("--param", bool(self.parameters), format in _VERILOG),
            ("--supply", bool(self.supplies), ports),
            ("--a", self.a is not None, ports),
            ("--b", self.b is not None, ports),
            ("--product", self.product is not None, ports),
            ("--operand-bits", self.operand_bits == "msb", format != "table"),
            ("--product-bits", self.product_bits == "msb", format != "table"),
            ("--dialect", self.dialect is not None, format == "chromosome"),
            ("--index-origin", self.index_origin is not None, format == "table"),
        ):
            if given and not used:
                raise AxhwError(f"Expected options that mean something for {format} in {name}, found {option}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What a file holds.

    Attributes
    ----------
    content : GateNetlist or ProductTable
        A circuit's inputs are a and then b, its outputs the product, least significant bits first.
    taken : str
        Which operand of the file is which, in words.
    own_cells : callable
        The file's own cells as a module of that name, where it is mapped to the library; else None.
    module : str or None
        Of a circuit that has a name.
    about : mapping
        For the provenance: the file, its digest, and how it was read.
    """

    content: GateNetlist | ProductTable
    taken: str
    own_cells: Callable[[str], Synthesis | None] = lambda name: None
    module: str | None = None
    about: Mapping[str, Any]


def read_source(path: Path, reading: Reading, *, library: CellLibrary, engine: Engine) -> Source:
    """Read a file.

    Raises
    ------
    AxhwError
        If the file is missing or no such file, for options it has no use for, and for everything that keeps a circuit
        or table from being a multiplier of that reading.
    """
    content = _content(path)
    format = reading.format if reading.format is not None else _SUFFIXES.get(path.suffix.lower())
    if format is None:
        known = ", ".join(_SUFFIXES)
        raise AxhwError(f"Expected a file ending in {known}, found {path.name}: say what it is with --format.")
    reading.check_options(format, path.name)
    about = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "format": format}
    if format == "table":
        table = read_table(path, signed=reading.signed, index_origin=reading.index_origin, order=reading.operands)
        order = {"index_origin": reading.index_origin, "operands": reading.operands}
        taken = "b by rows" if reading.operands == "ba" else "a by rows"
        given = {key: value for key, value in order.items() if value is not None}
        return Source(content=table, taken=taken, about=about | given)
    # Comments may be in any encoding; what counts is ASCII.
    text = content.decode("utf-8", errors="replace")
    if format in _LANGUAGES:
        return _read_netlist(text, reading, _LANGUAGES[format], path.name, about, library=library, engine=engine)
    if format == "chromosome":
        circuit = read_chromosome(text, dialect=reading.dialect, name=path.name)
    else:
        circuit = GateNetlist.of(text)
    return Source(
        content=_ordered(circuit, reading, path.name),
        taken="b before a" if reading.operands == "ba" else "a before b",
        about=about | _bit_orders(reading),
    )


def _read_netlist(
    text: str,
    reading: Reading,
    language: Language,
    name: str,
    about: Mapping[str, Any],
    *,
    library: CellLibrary,
    engine: Engine,
) -> Source:
    contents = {path.name: _content(path) for path in reading.beside}
    if len(contents) < len(reading.beside):
        raise AxhwError(f"Expected files of different names beside {name}, found several of one name.")
    file = NetlistFile(
        text=text,
        language=language,
        name=name,
        library=library,
        engine=engine,
        top=reading.top,
        beside={other: content.decode("utf-8", errors="replace") for other, content in contents.items()},
        parameters=dict(_parameter(each) for each in reading.parameters),
        supplies=reading.supplies,
    )
    given: dict[str, Any] = {}
    if contents:
        given["with"] = {other: hashlib.sha256(content).hexdigest() for other, content in contents.items()}
    if reading.parameters:
        given["parameters"] = list(reading.parameters)
    if reading.supplies:
        given["supplies"] = list(reading.supplies)
    found = file.operands(a=reading.a, b=reading.b, product=reading.product, order=reading.operands)

    def ordered(bits: Bits, order: BitOrder) -> Bits:
        return bits[::-1] if order == "msb" else bits

    operands = Operands(
        a=ordered(found.a, reading.operand_bits),
        b=ordered(found.b, reading.operand_bits),
        product=ordered(found.product, reading.product_bits),
        names=found.names,
    )
    return Source(
        content=file.circuit(operands),
        taken=f"a = {found.names['a']} (activation) and b = {found.names['b']} (weight)",
        own_cells=lambda label: file.mapping(operands, name=label),
        module=file.module,
        about={**about, **given, "module": file.module, "ports": dict(operands.names), **_bit_orders(reading)},
    )


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()


def _ordered(circuit: GateNetlist, reading: Reading, name: str) -> GateNetlist:
    """The circuit with inputs a and then b, and everything from the least significant bit up."""
    width, odd = divmod(circuit.inputs, 2)
    if odd or len(circuit.outputs) != circuit.inputs:
        raise AxhwError(
            f"Expected a multiplier in {name}, with as many outputs as inputs and an even number of them, found "
            f"{circuit.inputs} inputs and {len(circuit.outputs)} outputs."
        )
    halves = [list(range(width)), list(range(width, 2 * width))]
    if reading.operands == "ba":
        halves.reverse()
    if reading.operand_bits == "msb":
        halves = [half[::-1] for half in halves]
    # The signal of each input as the file numbers it.
    place = {written: signal for signal, written in enumerate(halves[0] + halves[1])}
    builder = GateBuilder(circuit.inputs)
    signals = [place[written] for written in range(circuit.inputs)]
    for gate in circuit.gates:
        signals.append(builder.add(gate.function, signals[gate.x], signals[gate.y]))
    outputs = [signals[output] for output in circuit.outputs]
    return builder.build(outputs[::-1] if reading.product_bits == "msb" else outputs)


def _bit_orders(reading: Reading) -> dict[str, str]:
    """What the user said beside the file, for the provenance."""
    orders = {
        "operands": reading.operands or "ab",
        "operand_bits": reading.operand_bits,
        "product_bits": reading.product_bits,
        "dialect": reading.dialect,
    }
    defaults = {"operands": "ab", "operand_bits": "lsb", "product_bits": "lsb", "dialect": None}
    return {key: value for key, value in orders.items() if value is not None and value != defaults[key]}


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise AxhwError(f"Expected a file of at most {_LARGEST_FILE >> 20} MiB, found {path} of {size >> 20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise AxhwError(f"Expected a multiplier in {path}, found: {error.strerror or error}.") from None

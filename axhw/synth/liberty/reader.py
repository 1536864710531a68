"""Liberty files to `CellLibrary`."""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import lzma
import os
import re
import zlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from axhw.errors import AxhwError
from axhw.synth.liberty.cells import CellReader
from axhw.synth.liberty.library import Cell, CellLibrary, Thresholds
from axhw.synth.liberty.merge import merge
from axhw.synth.liberty.syntax import Statement, parse_liberty
from axhw.synth.liberty.tables import Unsupported
from axhw.synth.liberty.units import Units, number
from axhw.synth.liberty.wire_load import read_wire_loads

EMBEDDED_LIBRARY = "sg13g2_fit.lib"

_COMPRESSIONS = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
_ARCHIVES = {b"7z\xbc\xaf\x27\x1c": "7z", b"PK\x03\x04": "zip"}
_CONTROL_CHARACTER = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def read_library(*paths: str | os.PathLike[str]) -> CellLibrary:
    """Read a Liberty file, plain or compressed, or the several files of one technology.

    Raises
    ------
    AxhwError
        If a file is missing, unreadable, binary, truncated or malformed, or the files do not belong together
        (see `axhw.synth.liberty.merge.merge`).
    """
    return parse_library({os.fspath(path): liberty_text(path) for path in paths})


def parse_library(texts: Mapping[str, str]) -> CellLibrary:
    """The library that Liberty texts describe, given by the names of their files.

    Raises
    ------
    AxhwError
        As `read_library`.
    """
    return merge({source: _library(text, source=source) for source, text in texts.items()})


@functools.cache
def embedded_library() -> CellLibrary:
    """The cell library that axhw carries: figures fitted from IHP SG13G2, 130 nm (see data/NOTICE).

    It is read once by a process.
    """
    file = resources.files("axhw.synth") / "data" / EMBEDDED_LIBRARY
    return parse_library({EMBEDDED_LIBRARY: file.read_text(encoding="utf-8")})


def liberty_text(path: str | os.PathLike[str]) -> str:
    """The text of a Liberty file, decompressed if it is gzip, bzip2 or xz.

    Raises
    ------
    AxhwError
        If the file cannot be read or is no text.
    """
    try:
        data = Path(path).read_bytes()
        for magic, decompress in _COMPRESSIONS.items():
            if data.startswith(magic):
                data = decompress(data)
                break
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        reason = (getattr(error, "strerror", None) or str(error) or "a broken compressed file").rstrip(".")
        raise AxhwError(f"Expected a Liberty file at {os.fspath(path)}, found: {reason}.") from None
    for magic, archive in _ARCHIVES.items():
        if data.startswith(magic):
            raise AxhwError(
                f"Expected a Liberty file at {os.fspath(path)}, found a {archive} archive: unpack it first."
            )
    if _CONTROL_CHARACTER.search(data):
        raise AxhwError(f"Expected a Liberty file (text) at {os.fspath(path)}, found binary data.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _library(text: str, *, source: str) -> CellLibrary:
    tree = parse_liberty(text, source=source)
    reader = CellReader(tree)
    name = tree.args[0]
    cells: dict[str, Cell] = {}
    skipped: dict[str, str] = {}
    for group in tree.all("cell"):
        if len(group.args) != 1:
            raise AxhwError(f"Expected one name for every cell of library {name}, found {group.args}.")
        if group.args[0] in cells or group.args[0] in skipped:
            raise AxhwError(f"Expected each cell once in library {name}, found {group.args[0]} twice.")
        try:
            cells[group.args[0]] = reader.cell(group)
        except Unsupported as reason:
            skipped[group.args[0]] = str(reason)
    process, voltage_v, temperature_c = _conditions(tree, reader.units)
    max_transition = tree.get("default_max_transition")
    return CellLibrary(
        name=name,
        voltage_v=voltage_v,
        temperature_c=temperature_c,
        process=process,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        cells=cells,
        thresholds=_thresholds(tree),
        max_transition_ns=(
            None if max_transition is None else number(max_transition, "default_max_transition") * reader.units.time_ns
        ),
        wire_loads=read_wire_loads(tree, reader.units),
        skipped=skipped,
    )


def _conditions(tree: Statement, units: Units) -> tuple[float, float, float]:
    """Process, voltage and temperature: the default operating conditions, else the nominal ones."""
    values = {"process": "1", "voltage": "", "temperature": "25"}
    groups = list(tree.all("operating_conditions"))
    default = tree.get("default_operating_conditions")
    # A single group needs no default.
    chosen = [group for group in groups if len(groups) == 1 or (group.args and group.args[0] == default)]
    for attribute in values:
        values[attribute] = tree.get(f"nom_{attribute}") or values[attribute]
        for group in chosen:
            values[attribute] = group.get(attribute) or values[attribute]
    if not values["voltage"]:
        raise AxhwError(f"Expected the supply voltage (nom_voltage) in library {tree.args[0]}, found none.")
    process, voltage, temperature = (number(text, f"nom_{attribute}") for attribute, text in values.items())
    return process, voltage * units.voltage_v, temperature


def _thresholds(tree: Statement) -> Thresholds:
    def percent(attribute: str, edge: str) -> float:
        name = f"{attribute}_pct_{edge}"
        found = tree.get(name)
        default: float = getattr(Thresholds(), f"{attribute.replace('_threshold', '')}_{edge}")
        return default if found is None else number(found, name)

    return Thresholds(
        input_rise=percent("input_threshold", "rise"),
        input_fall=percent("input_threshold", "fall"),
        output_rise=percent("output_threshold", "rise"),
        output_fall=percent("output_threshold", "fall"),
        slew_lower_rise=percent("slew_lower_threshold", "rise"),
        slew_lower_fall=percent("slew_lower_threshold", "fall"),
        slew_upper_rise=percent("slew_upper_threshold", "rise"),
        slew_upper_fall=percent("slew_upper_threshold", "fall"),
        slew_derate=number(tree.get("slew_derate_from_library") or "1", "slew_derate_from_library"),
    )

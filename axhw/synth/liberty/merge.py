"""One library from the several files that a technology may come in."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

from axhw.errors import AxhwError
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.wire_load import WireLoad, WireLoads

Value = TypeVar("Value")


def merge(parts: Mapping[str, CellLibrary]) -> CellLibrary:
    """The cells of all `parts` as one library.

    The order in which files are named does not matter. Units are those of each file until it is read, so they may
    differ; what tables mean may not.

    Parameters
    ----------
    parts : mapping of file to CellLibrary
        One or more; the files name the parts in error messages.

    Raises
    ------
    AxhwError
        If corners or measurement thresholds differ, or a cell or wire load comes twice.
    """
    ordered = sorted(parts.items(), key=lambda part: (part[1].name, part[1].sha256))
    libraries = [library for _, library in ordered]
    first = libraries[0]
    if len(libraries) == 1:
        return first
    for file, library in ordered[1:]:
        _check_alike(ordered[0][0], first, file, library)
    _union("cell", ordered, [{**library.cells, **library.skipped} for library in libraries])
    limits = [library.max_transition_ns for library in libraries if library.max_transition_ns is not None]
    names = list(dict.fromkeys(library.name for library in libraries))
    return CellLibrary(
        name=names[0] if len(names) == 1 else f"{names[0]}+{len(names) - 1}",
        voltage_v=first.voltage_v,
        temperature_c=first.temperature_c,
        process=first.process,
        sha256=hashlib.sha256("\n".join(library.sha256 for library in libraries).encode()).hexdigest(),
        cells={name: cell for library in libraries for name, cell in library.cells.items()},
        thresholds=first.thresholds,
        max_transition_ns=min(limits, default=None),
        wire_loads=_wire_loads(ordered),
        skipped={name: reason for library in libraries for name, reason in library.skipped.items()},
    )


def _check_alike(file: str, first: CellLibrary, other_file: str, other: CellLibrary) -> None:
    if other.corner != first.corner:
        raise AxhwError(
            f"Expected Liberty files of one corner, found {first.corner} in {file} and {other.corner} in {other_file}."
        )
    for field in fields(first.thresholds):
        values = getattr(first.thresholds, field.name), getattr(other.thresholds, field.name)
        if values[0] != values[1]:
            raise AxhwError(
                f"Expected Liberty files that measure delays and slews alike, found {field.name} {values[0]:g} in "
                f"{file} and {values[1]:g} in {other_file}."
            )


def _union(
    what: str,
    parts: Sequence[tuple[str, CellLibrary]],
    found: Iterable[Mapping[str, Value]],
    alike: Callable[[Value, Value], bool] = lambda first, second: False,
) -> dict[str, Value]:
    """Everything found in the files by name; what is `alike` may come more than once."""
    result: dict[str, Value] = {}
    origin: dict[str, str] = {}
    for (file, _), values in zip(parts, found):
        for name, value in values.items():
            if name in result and not alike(value, result[name]):
                raise AxhwError(f"Expected each {what} in one file, found {name} in {origin[name]} and {file}.")
            result[name], origin[name] = value, file
    return result


def _wire_loads(parts: Sequence[tuple[str, CellLibrary]]) -> WireLoads:
    """Those of all files, which may repeat them; a default where all files that have one agree."""
    each = [library.wire_loads for _, library in parts]

    def common(names: Iterable[str | None]) -> str | None:
        stated = {name for name in names if name is not None}
        return stated.pop() if len(stated) == 1 else None

    return WireLoads(
        models=_union("wire load", parts, [wires.models for wires in each], WireLoad.is_close),
        selections=_union("wire-load selection", parts, [wires.selections for wires in each], operator.eq),
        default=common(wires.default for wires in each),
        default_selection=common(wires.default_selection for wires in each),
    )

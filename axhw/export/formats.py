"""What ``axhw export`` writes, by format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from axhw.errors import AxhwError
from axhw.export.accelergy import export_accelergy
from axhw.export.components import unique_names
from axhw.export.hwcomponents import export_hwcomponents
from axhw.export.simulation import export_saif, export_sdf, export_vcd
from axhw.export.tables import TableFormat, export_tables
from axhw.export.timed_design import SimulationOptions, TimedDesign, find_libraries
from axhw.files import output_folder
from axhw.record import DesignRecord

SimulationFormat = Literal["sdf", "saif", "vcd"]
ModelFormat = Literal["accelergy", "hwcomponents"]
Format = Literal[TableFormat, SimulationFormat, ModelFormat]

FORMATS: tuple[Format, ...] = get_args(Format)

_SIMULATIONS: Mapping[str, Callable[[TimedDesign, Path], list[Path]]] = {
    "sdf": export_sdf,
    "saif": export_saif,
    "vcd": export_vcd,
}
_MODELS: Mapping[str, Callable[[Sequence[DesignRecord], Path], list[Path]]] = {
    "accelergy": export_accelergy,
    "hwcomponents": export_hwcomponents,
}


def export_designs(
    records: Sequence[DesignRecord], folder: Path, *, format: Format, options: SimulationOptions | None = None
) -> list[Path]:
    """Write designs in a format that other tools read; docs/exports.md describes the files.

    Parameters
    ----------
    format : {"csv", "npz", "parquet", "sdf", "saif", "vcd", "accelergy", "hwcomponents"}
    options : SimulationOptions, optional
        For SDF, SAIF and VCD.

    Returns
    -------
    list of files written

    Raises
    ------
    AxhwError
        If there are no designs, the folder cannot be written to, or for what the format refuses.
    """
    if not records:
        raise AxhwError("Expected at least one design to export, found none: make some with `axhw gen`.")
    if format == "csv" or format == "npz" or format == "parquet":
        return export_tables(records, folder, format=format)
    if format in _MODELS:
        return _MODELS[format](records, output_folder(folder))
    if format not in _SIMULATIONS:
        raise AxhwError(f"Expected a format out of {', '.join(FORMATS)}, found {format!r}.")
    options = SimulationOptions() if options is None else options
    libraries = find_libraries(records, options.libraries)
    written = []
    for record, name in zip(records, unique_names(records)):
        design = TimedDesign(record=record, library=libraries[record.circuit_cost.library_sha256], options=options)
        written += _SIMULATIONS[format](design, output_folder(folder / name))
    return written

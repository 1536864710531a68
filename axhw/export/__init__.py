"""What other tools read: one design as files, and many designs as tables, annotations and component models."""

from __future__ import annotations

from axhw.export.design import check_replaceable, design_folder, remove_stale, write_design
from axhw.export.formats import FORMATS, Format, export_designs
from axhw.export.tables import CSV_VERSION
from axhw.export.timed_design import SimulationOptions

__all__ = [
    "CSV_VERSION",
    "FORMATS",
    "Format",
    "SimulationOptions",
    "check_replaceable",
    "design_folder",
    "export_designs",
    "remove_stale",
    "write_design",
]

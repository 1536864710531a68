"""The main job on the embedded defaults: five multipliers made, proved, costed, run in a network, reported."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from axhw.characterize import characterize
from axhw.evaluation import EVALUATION_CSV, Bench, evaluation_row, write_rows
from axhw.export import export_designs
from axhw.files import output_folder
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.report.comparison import ReportedDesign
from axhw.report.page import write_report

DESIGNS = ("exact", "roup:p=1,r=4", "roup:p=2,r=3", "evoapprox:mul8s_1L2L", "evoapprox:mul8s_1KVA")
NETWORK, DATASET = "digits_cnn", "digits"

Progress = Callable[[int, int, str], None]


def run_demo(
    folder: Path,
    *,
    flow: Flow,
    command: str = "axhw demo",
    progress: Progress = lambda done, total, what: None,
) -> tuple[list[ReportedDesign], list[Path]]:
    """Make the designs, evaluate the network with each and write a report.

    Parameters
    ----------
    folder : Path
        Gets index.html, the figures, multipliers.csv, luts/ and evaluation.csv.
    command : str
        What the page says it was made by.
    progress : callable, optional
        Called with steps done, their total and what comes next.

    Returns
    -------
    designs, files written
    """
    folder = output_folder(folder)
    total = 2 * len(DESIGNS) + 1
    records = []
    for done, text in enumerate(DESIGNS):
        spec = parse(text)
        progress(done, total, f"{spec.name}: synthesise, prove, cost")
        records.append(characterize(spec, flow=flow))
    bench = Bench.load(model=NETWORK, data=DATASET)
    designs = []
    for done, record in enumerate(records, len(DESIGNS)):
        progress(done, total, f"{record.name}: {NETWORK}")
        designs.append(ReportedDesign(record=record, evaluation=bench.evaluate(record)))
    progress(total - 1, total, "report")
    files = export_designs(records, folder, format="csv")
    rows = [evaluation_row(design.record, design.evaluation) for design in designs]
    files.append(write_rows(rows, folder / EVALUATION_CSV))
    files += write_report(
        folder,
        designs,
        title="axhw demo",
        command=command,
        date=datetime.date.today(),
        links=[(path.name, path.relative_to(folder).as_posix()) for path in files if path.parent == folder],
    )
    progress(total, total, "done")
    return designs, files

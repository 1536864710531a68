"""``axhw demo``: the main job on the embedded defaults."""

from __future__ import annotations

from pathlib import Path

import click

from axhw.cli.options import PATH, engine_option, json_option, library_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.demo import run_demo
from axhw.evaluation import evaluation_row
from axhw.flow import Flow
from axhw.synth.libraries import DEFAULT, library_files


@click.command("demo")
@click.option("--out", type=PATH, default=Path("axhw-demo"), show_default=True, help="Folder of the report.")
@library_option
@engine_option
@json_option
def command(out: Path, library: str, engine: str | None, as_json: bool) -> None:
    """Generate and prove five multipliers, run a network with each, and write an HTML report."""
    options = [f"--library {file}" for file in library_files(library)] if library != DEFAULT else []
    options += [f"--engine {engine}"] if engine is not None else []
    shown = " ".join(["axhw demo", *options])
    with progress() as report:
        designs, files = run_demo(out, flow=Flow.of(library=library, engine=engine), command=shown, progress=report)
    if as_json:
        rows = [design.record.summary() | evaluation_row(design.record, design.evaluation) for design in designs]
        print_json({"designs": rows, "files": [str(path) for path in files]})
        return
    table = plain_table("design", "area um2", "delay ns", "energy fJ", "MAE %", "accuracy %", "nJ/inference")
    for design in designs:
        cost, evaluation = design.cost, design.evaluation
        table.add_row(
            design.record.name,
            f"{cost.area_um2:,.0f}",
            f"{cost.delay_ns:.2f}",
            f"{cost.energy_fj:,.0f}",
            f"{design.record.metrics.mae_pct:.4f}",
            f"{100 * evaluation.approximate_accuracy:.1f}",
            f"{evaluation.energy_nj:,.0f}",
        )
    console = stdout()
    console.print(table)
    console.print(f"report: {(out / 'index.html').resolve()}", soft_wrap=True)

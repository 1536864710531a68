"""``axhw eval``: a network with a multiplier in place of the exact one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from axhw.characterize import characterize
from axhw.cli.options import engine_option, json_option, library_option, multipliers_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.evaluation import DATASETS, Bench, evaluation_row
from axhw.hdl.registry import parse
from axhw.nn.zoo import ARCHITECTURES
from axhw.store import Store
from axhw.synth.engines import find_engine
from axhw.synth.libraries import load_library


def _names(what: str, names: Iterable[str]) -> str:
    return f"{what}: {', '.join(names)}."


@click.command("eval")
@click.option(
    "--model", default="digits_cnn", show_default=True, metavar="NAME", help=f"Network: {', '.join(ARCHITECTURES)}."
)
@click.option("--data", default="digits", show_default=True, metavar="NAME", help=f"Data set: {', '.join(DATASETS)}.")
@multipliers_option
@library_option
@engine_option
@json_option
def command(
    model: str, data: str, multipliers: tuple[str, ...], library: str, engine: str | None, as_json: bool
) -> None:
    """Evaluate a network, bit-exactly, with multipliers made here: accuracy and energy per inference.

    \b
    axhw eval --multiplier roup:p=1,r=4
    axhw eval -m exact -m bam:v=6 -m drum:k=4
    """
    specs = [parse(text) for text in multipliers]
    bench = Bench.load(model=model, data=data)
    source, yosys, store = load_library(library), find_engine(engine), Store.default()
    rows: list[dict[str, Any]] = []
    images = len(bench.data.test)
    with progress() as report:
        for spec in specs:
            report(len(rows) * images, len(specs) * images, spec.name)
            record = characterize(spec, library=source, engine=yosys, store=store)

            def advance(done: int, total: int, name: str = spec.name) -> None:
                report(len(rows) * images + done, len(specs) * images, name)

            rows.append(evaluation_row(record, bench.evaluate(record, progress=advance)))
    if as_json:
        print_json({"evaluations": rows})
        return
    first = rows[0]
    console = stdout()
    console.print(f"{first['network']} on {first['dataset']}, {first['split']} split: {first['images']} images")
    table = plain_table("multiplier", "float", "int8 exact", "approximate", "agreement", "energy")
    for row in rows:
        shares = (
            f"{100 * float(str(row[key])):.2f} %"
            for key in ("float_accuracy", "int8_accuracy", "accuracy", "agreement")
        )
        table.add_row(str(row["name"]), *shares, f"{row['energy_nj_per_inference']:.1f} nJ")
    console.print(table)
    console.print(
        f"[dim]{first['multiplications']:,} multiplications an inference; energy of the multiplications alone[/dim]"
    )

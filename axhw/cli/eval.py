"""``axhw eval``: a network with a multiplier in place of the exact one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from axhw.cli.filter_tables import print_filters, write_filters
from axhw.cli.network_options import network_options
from axhw.cli.options import (
    PATH,
    engine_option,
    json_option,
    library_option,
    multipliers_option,
    peak_memory_mb,
    print_json,
    progress,
    warn_of_unreadable,
)
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evaluation import EVALUATION_CSV, SENSITIVITY_CSV, Bench, evaluation_row, select_layers, write_rows
from axhw.files import output_folder
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.index import Index
from axhw.library.catalogue import Catalogue
from axhw.lookup import NamedMultiplier, named_multipliers
from axhw.nn.calibrate import Calibration, Method
from axhw.nn.compensation import Compensation
from axhw.nn.weight_tuning import TUNINGS, Tuning
from axhw.record import DesignRecord
from axhw.search.assignment import Assignment
from axhw.search.evaluation import assignment_row, evaluate_assignment, palette_of
from axhw.search.sites import filter_sensitivities
from axhw.selection import choose, flat_row
from axhw.sensitivity import layer_sensitivities, sensitivity_row
from axhw.store import Store


@click.command("eval")
@network_options
@multipliers_option
@click.option("--sweep", is_flag=True, help="Evaluate all 8-bit multipliers in the store instead.")
@click.option("--where", metavar="CONDITION", default=None, help="With --sweep: only designs like 'mae_pct<0.5'.")
@click.option(
    "--layers", metavar="LIST", default=None, help="Product layers that use it, by number or name: 3-7,linear."
)
@click.option("--each-layer", is_flag=True, help="Sensitivity: in one layer at a time, and in all layers up to it.")
@click.option("--each-filter", is_flag=True, help="Sensitivity of single filters: in one at a time, exact elsewhere.")
@click.option(
    "--assignment",
    "assignments",
    type=PATH,
    multiple=True,
    help="File of `axhw search` with a multiplier for every layer, filter or kernel, instead; give it several times.",
)
@click.option(
    "--tune",
    type=click.Choice(TUNINGS),
    default=None,
    help="Give the multiplier other weights, for which it errs less: judged by all activations alike, or by those of "
    "the layer.",
)
@click.option(
    "--compensate",
    type=click.Choice(get_args(Compensation)),
    default=None,
    help="Make up for errors in the constants of each output: in the bias alone, or in bias and scale.",
)
@click.option("--images", type=click.IntRange(min=1), default=None, help="Test images, drawn at random. [default: all]")
@click.option(
    "--calibration",
    type=click.Choice(get_args(Method)),
    default=Calibration.method,
    show_default=True,
    help="How the ranges of activations are taken.",
)
@click.option("--out", type=PATH, default=None, help="Folder for CSV files and figures.")
@library_option
@engine_option
@json_option
def command(
    model: str,
    data: str,
    multipliers: tuple[str, ...],
    sweep: bool,
    where: str | None,
    layers: str | None,
    each_layer: bool,
    each_filter: bool,
    assignments: tuple[Path, ...],
    tune: Tuning | None,
    compensate: Compensation | None,
    data_dir: Path | None,
    images: int | None,
    calibration: Method,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Evaluate a network, bit-exactly, with multipliers made here: accuracy and energy per inference.

    A multiplier may be a grid of them, as in `axhw sweep`, or the name or key of a design (see `axhw ls`), imported
    ones included. A design that is a table alone has no energy.

    \b
    axhw eval --multiplier roup:p=1,r=4
    axhw eval --model resnet8 --data cifar10 -m exact -m 'bam:ha=0..2,v=4|6' --layers 3-7
    axhw eval --model net.onnx --data images.npz -m roup:p=1,r=4 --each-layer --out results
    axhw eval --model resnet8 --data cifar10 -m roup:p=3,r=2 --each-filter --layers 1-3 --images 1000
    axhw eval --model resnet8 --data cifar10 --assignment results/filter-07.json
    axhw eval --model resnet20 --data cifar10 --sweep --where 'mae_pct<0.5' --images 1000
    """
    if where is not None and not sweep:
        raise AxhwError("Expected --where beside --sweep, found it alone.")
    if each_layer and (layers is not None or compensate is not None or tune is not None):
        raise AxhwError("Expected --each-layer without --layers, --tune and --compensate, found both.")
    if each_filter and (each_layer or compensate is not None or tune is not None):
        raise AxhwError("Expected --each-filter without --each-layer, --tune and --compensate, found both.")
    if assignments and (
        sweep or each_layer or each_filter or layers is not None or tune is not None or compensate is not None
    ):
        raise AxhwError(
            "Expected --assignment without --sweep, --layers, --each-layer, --each-filter, --tune and --compensate, "
            "found both: an assignment says itself what belongs to it."
        )
    given = click.get_current_context().get_parameter_source("multipliers") is not ParameterSource.DEFAULT
    if given and (assignments or sweep):
        raise AxhwError("Expected --multiplier without --assignment and --sweep, found both: evaluate them one by one.")
    # Read before any work.
    loaded = {path: Assignment.load(path) for path in assignments}
    flow = Flow.of(library=library, engine=engine)
    folder = None if out is None else output_folder(out)
    bench = Bench.load(
        model=model, data=data, root=data_dir, images=images, calibration=Calibration(method=calibration)
    )
    chosen = None if layers is None else select_layers(bench.graph, layers)
    gates = bool(bench.graph.gate_nodes)

    def make(multiplier: NamedMultiplier) -> DesignRecord:
        return multiplier.measured(flow)

    def exact_energy_fj(signed: bool) -> float:
        return make(NamedMultiplier(spec=parse("exact", signed=signed))).circuit_cost.energy_fj

    about = {
        "weights": bench.weights,
        "calibration": calibration,
        "layers": None if chosen is None else " ".join(chosen),
        "tuned": tune,
        "compensated": compensate,
    }
    designs: dict[str, Callable[[], DesignRecord]]
    if assignments:
        designs = {}
    elif sweep:
        designs = {
            record.name: partial(_itself, record) for record in _stored(flow.store, where, flow.library.cells.name)
        }
    else:
        designs = {
            multiplier.name: partial(make, multiplier) for multiplier in named_multipliers(multipliers, flow.store)
        }
    rows: list[dict[str, Any]] = []
    layer_rows: list[dict[str, Any]] = []
    filter_rows: list[dict[str, Any]] = []
    total = len(bench.data.test)
    with progress() as report:
        for done, (name, design) in enumerate(designs.items()):
            report(done * total, len(designs) * total, name)
            record = design()
            signed = record.multiplier.signed
            if each_layer:

                def step(layer: int, count: int, name: str = name, done: int = done) -> None:
                    report(done * count + layer, len(designs) * count, f"{name}, layer {layer} of {count}")

                found = layer_sensitivities(bench, record, exact_energy_fj=exact_energy_fj(signed), progress=step)
                layer_rows += [sensitivity_row(record, layer) for layer in found]
                continue

            if each_filter:

                def count(filters: int, of: int, name: str = name, done: int = done) -> None:
                    report(done * of + filters, len(designs) * of, f"{name}, filter {filters} of {of}")

                filter_rows += filter_sensitivities(bench, record, layers=chosen, progress=count)
                continue

            def advance(images: int, _: int, name: str = name, done: int = done) -> None:
                report(done * total + images, len(designs) * total, name)

            result = bench.evaluate(
                record,
                layers=chosen,
                exact_energy_fj=exact_energy_fj(signed) if chosen is not None or gates else None,
                tune=tune,
                compensate=compensate,
                progress=advance,
            )
            rows.append(evaluation_row(record, result) | about)
        for done, (path, assignment) in enumerate(loaded.items()):
            report(done, len(loaded), path.stem)
            palette = palette_of(assignment, lambda spec: make(NamedMultiplier(spec=spec)))
            own = {"tuned": assignment.tune, "compensated": assignment.compensate}
            found_row = assignment_row(path.stem, palette, evaluate_assignment(bench, assignment, palette))
            rows.append({**found_row, **about, **own})
    if folder is None:
        files = []
    else:
        files = write_filters(filter_rows, folder) if each_filter else _write(rows, layer_rows, folder)
    if as_json:
        kind = "sensitivities" if each_layer or each_filter else "evaluations"
        document: dict[str, Any] = {kind: rows or layer_rows or filter_rows}
        print_json(document | {"peak_memory_mb": peak_memory_mb(), "files": [str(path) for path in files]})
        return
    if each_filter:
        print_filters(filter_rows)
    else:
        _print(rows, layer_rows, usual="all product layers but those of gates" if gates else "all product layers")
    if (peak := peak_memory_mb()) is not None:
        stdout().print(f"[dim]peak memory {peak:,.0f} MB[/dim]")
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _itself(record: DesignRecord) -> DesignRecord:
    return record


def _stored(store: Store, where: str | None, library: str) -> list[DesignRecord]:
    """The 8-bit multipliers, stored or shipped, that were measured in a library, in the order of their energy."""
    catalogue = Catalogue(store)
    rows = [flat_row(summary) for summary in catalogue.summaries()]
    warn_of_unreadable(Index(store).unreadable())
    eight_bit = [row for row in rows if row["width"] == 8 and not row.get("element") and row["library"] == library]
    chosen = choose(eight_bit, where=where, sort="energy_fj") if eight_bit else []
    if not chosen:
        raise AxhwError(
            f"Expected stored 8-bit multipliers measured in {library} to sweep over, found none: make some with axhw "
            "sweep, or widen --where."
        )
    return [catalogue.find(row["key"]) for row in chosen]


def _write(rows: list[dict[str, Any]], layer_rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.accuracy import draw_accuracy
    from axhw.report.front import save_figure
    from axhw.report.sensitivity import draw_sensitivity

    if layer_rows:
        figure = folder / "sensitivity.svg"
        save_figure(draw_sensitivity(layer_rows), figure)
        return [write_rows(layer_rows, folder / SENSITIVITY_CSV), figure]
    files = [write_rows(rows, folder / EVALUATION_CSV)]
    drawn = [row for row in rows if row["energy_nj_per_inference"] is not None]
    if len(drawn) > 1:
        files.append(folder / "accuracy.svg")
        save_figure(draw_accuracy(drawn), files[-1])
    return files


def _print(rows: list[dict[str, Any]], layer_rows: list[dict[str, Any]], *, usual: str) -> None:
    console = stdout()
    first = (rows or layer_rows)[0]
    console.print(f"{first['network']} on {first['dataset']}, {first['split']} split: {first['images']:,} images")
    if layer_rows:
        console.print(f"int8 with exact products: {_share(first['int8_accuracy'])}")
        table = plain_table("multiplier", "layer", "", "multiplications", "alone", "up to it", left=3)
        for row in layer_rows:
            accuracies = (_share(row["accuracy_alone"]), _share(row["accuracy_up_to"]))
            table.add_row(row["name"], str(row["number"]), row["layer"], f"{row['multiplications']:,}", *accuracies)
        console.print(table)
        return
    table = plain_table("multiplier", "float", "int8 exact", "approximate", "agreement", "energy")
    for row in rows:
        shares = (_share(row[key]) for key in ("float_accuracy", "int8_accuracy", "accuracy", "agreement"))
        energy = row["energy_nj_per_inference"]
        table.add_row(row["name"], *shares, "-" if energy is None else f"{energy:,.1f} nJ")
    console.print(table)
    notes = f"{first['multiplications']:,.0f} multiplications an inference; energy of the multiplications alone"
    used = usual if first["layers"] is None else f"{', '.join(first['layers'].split())}; exact products elsewhere"
    compensated = f"; errors compensated by {first['compensated']}" if first["compensated"] else ""
    if first["tuned"]:
        compensated = f"; weights tuned ({first['tuned']}){compensated}"
    console.print(f"[dim]{notes}; in {used}{compensated}; weights: {first['weights']}[/dim]", soft_wrap=True)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"

"""``axhw workload``: energy of a multiplier over the operands of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from axhw.cli.options import engine_option, json_option, library_option, multipliers_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.evaluation import Bench
from axhw.flow import Flow
from axhw.lookup import named_multiplier
from axhw.measure import MIN_PAIRS, Conditions
from axhw.workload import ORDERS, Order, WorkloadEnergy, layer_operands, workload_energy


@click.command("workload")
@multipliers_option
@click.option("--model", default="digits_cnn", show_default=True, metavar="NAME", help="Network, see `axhw eval`.")
@click.option("--data", default="digits", show_default=True, metavar="NAME", help="Data set, see `axhw eval`.")
@click.option(
    "--order",
    "orders",
    type=click.Choice(ORDERS),
    multiple=True,
    default=ORDERS,
    help="In which operands follow each other; give it several times. [default: all]",
)
@click.option(
    "--images", type=click.IntRange(min=1), default=100, show_default=True, help="Test images whose operands are taken."
)
@click.option(
    "--pairs",
    type=click.IntRange(min=MIN_PAIRS),
    default=Conditions.pairs,
    show_default=True,
    help="Operand pairs sampled in each layer.",
)
@click.option("--seed", type=click.IntRange(min=0), default=Conditions.seed, show_default=True, help="Of the sample.")
@library_option
@engine_option
@json_option
def command(
    multipliers: tuple[str, ...],
    model: str,
    data: str,
    orders: tuple[Order, ...],
    images: int,
    pairs: int,
    seed: int,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Measure the energy of multipliers over the operands of a network, beside that of uniform random ones.

    \b
    axhw workload --multiplier roup:p=1,r=4
    axhw workload -m exact -m evoapprox:mul8s_1L2L --order weight-stationary
    """
    orders = tuple(order for order in ORDERS if order in orders)
    flow = Flow.of(library=library, engine=engine, conditions=Conditions(pairs=pairs, seed=seed))
    named = [named_multiplier(text, flow.store) for text in multipliers]
    bench = Bench.load(model=model, data=data)
    sample = bench.data.test.images[:images]
    results: list[list[WorkloadEnergy]] = []
    with progress() as report:
        for done, multiplier in enumerate(named):
            report(done, len(named), multiplier.name)
            record = multiplier.measured(flow)
            network = bench.quantized(signed=multiplier.spec.signed)
            operands = layer_operands(network, sample, record)
            results.append(
                [
                    workload_energy(
                        record, operands, library=flow.library.cells, order=order, conditions=flow.conditions
                    )
                    for order in orders
                ]
            )
    if as_json:
        about = {"model": model, "data": data, "split": "test", "images": len(sample), "pairs": pairs, "seed": seed}
        workloads = [_document(workload) for row in results for workload in row]
        print_json(about | {"library": flow.library.cells.name, "workloads": workloads})
        return
    console = stdout()
    for row in results:
        console.print(_table(row), "")
    console.print(
        f"[dim]fJ a multiplication, and how many times too much uniform random operands give; {model} on {len(sample)} "
        f"test images of {data}, {results[0][0].layers[0].pairs:,} pairs a layer, seed {seed}, "
        f"{flow.library.cells.name}; an inference counts its multiplications only[/dim]",
        soft_wrap=True,
    )


def _document(workload: WorkloadEnergy) -> dict[str, Any]:
    record = workload.record
    return {
        "name": record.name,
        "key": record.key,
        "order": workload.order,
        "multiplications": workload.multiplications,
        "uniform_energy_fj": record.circuit_cost.energy_fj,
        "uniform_stream": record.circuit_cost.stream,
        "uniform_nj_per_inference": workload.uniform_nj,
        "energy_nj_per_inference": workload.energy_nj,
        "layers": [asdict(layer) for layer in workload.layers],
    }


def _table(workloads: Sequence[WorkloadEnergy]) -> Table:
    """One multiplier: a row for each layer, a column for each order."""
    first = workloads[0]
    uniform = first.record.circuit_cost.energy_fj
    columns = ("layer", "multiplications", "by zero", "uniform", *(workload.order for workload in workloads))
    table = plain_table(*columns, title=f"[bold]{first.record.name}[/bold]")
    for place, layer in enumerate(first.layers):
        energies = [workload.layers[place].energy_fj for workload in workloads]
        table.add_row(
            layer.layer,
            f"{layer.multiplications:,}",
            f"{100 * layer.zero_share:.0f} %",
            f"{uniform:,.0f}",
            *(_beside(uniform, energy, "") for energy in energies),
        )
    totals = (_beside(workload.uniform_nj, workload.energy_nj, " nJ") for workload in workloads)
    table.add_row("inference", f"{first.multiplications:,}", "", f"{first.uniform_nj:,.0f} nJ", *totals)
    return table


def _beside(uniform: float, energy: float, unit: str) -> str:
    ratio = f" ({uniform / energy:.2f} x)" if energy else ""
    return f"{energy:,.0f}{unit}{ratio}"

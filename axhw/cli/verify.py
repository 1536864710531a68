"""``axhw verify``: cocotb testbenches of a stored design."""

from __future__ import annotations

from dataclasses import asdict

import click

from axhw.cli.options import json_option, print_json, stderr
from axhw.cli.specs import any_design
from axhw.cli.tables import plain_table, stdout
from axhw.cosimulate import cosimulate_design
from axhw.errors import VerificationError
from axhw.sim.cosimulation import LEVELS
from axhw.sim.simulators import SIMULATORS, find_simulator
from axhw.store import Store


@click.command("verify")
@click.argument("design")
@click.option("--simulator", type=click.Choice(SIMULATORS), default="icarus", show_default=True)
@click.option("--level", "levels", type=click.Choice(LEVELS), multiple=True, help="rtl or gates. [default: both]")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of random vectors.")
@json_option
def command(design: str, simulator: str, levels: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Run cocotb on the RTL and the mapped gates of a stored DESIGN (name, key or spec).

    8-bit multipliers see all 65,536 pairs, wider ones corners and random pairs, elements a stream of
    corners, stalls and resets, and arrays a matrix product with it; what has several multipliers sees that in each
    mode or column. Exits with 1 when an output is wrong.
    """
    record = any_design(Store.default(), design)
    found = find_simulator(simulator)
    with stderr.status(record.name) as status:
        checks = cosimulate_design(
            record,
            simulator=found,
            levels=tuple(level for level in LEVELS if not levels or level in levels),
            seed=seed,
            progress=lambda level: status.update(f"{record.name}: {level} in {found}"),
        )
    if as_json:
        rows = [asdict(check) for check in checks]
        print_json({"name": record.name, "key": record.key, "passed": all(c.passed for c in checks), "checks": rows})
    else:
        table = plain_table("level", "simulator", "vectors", "result", title=f"[bold]{record.name}[/bold]", left=4)
        for check in checks:
            result = "[green]pass[/green]" if check.passed else f"[red]{check.mismatches} wrong[/red]"
            table.add_row(check.level, check.simulator, f"{check.vectors:,}", result)
        stdout().print(table)
    for check in checks:
        if not check.passed:
            raise VerificationError(
                f"Expected the {check.level} of {record.name} to follow its golden model, "
                f"found {check.mismatches} wrong outputs, the first in {check.first}."
            )

"""``axhw sweep``: grids of designs, on all processors or a cluster."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import click

from axhw.cli.options import (
    engine_option,
    json_option,
    library_option,
    print_json,
    progress,
    surroundings_options,
    wide_options,
)
from axhw.cli.specs import element_options, enclose
from axhw.errors import AxhwError
from axhw.hdl.grid import expand_all
from axhw.measure import MIN_PAIRS, Conditions
from axhw.store import Store
from axhw.sweep.cluster import run_cluster
from axhw.sweep.local import processors, run_local
from axhw.sweep.task import Outcome, Setup


@click.command("sweep")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@element_options
@click.option(
    "--pairs", type=click.IntRange(min=MIN_PAIRS), default=Conditions.pairs, show_default=True, help="As in `axhw gen`."
)
@click.option("--seed", type=int, default=Conditions.seed, show_default=True, help="Seed of the operand stream.")
@surroundings_options
@wide_options
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes. [default: one per processor]")
@click.option("--scheduler", metavar="tcp://HOST:PORT", default=None, help="Use the workers of this dask scheduler.")
@library_option
@engine_option
@json_option
def command(
    grids: tuple[str, ...],
    element: str | None,
    rows: int | None,
    columns: int | None,
    terms: int | None,
    overflow: str | None,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    all_pairs: bool,
    prove_wce: float,
    jobs: int | None,
    scheduler: str | None,
    library: str,
    engine: str | None,
    as_json: bool,
    **around: Any,
) -> int:
    """Make every design of each GRID; those in the store are not made again, so an interrupted sweep goes on.

    A grid is FAMILY:key=values,... with ranges 0..3, lists 1|2|4 and * for every choice. With --json, a line of
    JSON per design, in the order of the grids.

    \b
    axhw sweep 'roup:p=0..3,r=0..8' 'bam:ha=0..3,hb=0..3,v=0..5'
    axhw sweep 'exact:tree=*,adder=*' --jobs 1
    axhw sweep 'drum:k=3..8' --scheduler tcp://host:8786
    """
    if scheduler is not None and jobs is not None:
        raise AxhwError("Expected either --jobs or --scheduler, found both: a cluster has the workers it has.")
    grid = expand_all(grids)
    given = {"rows": rows, "columns": columns, "terms": terms, "overflow": overflow}
    around = {key: value for key, value in given.items() if value is not None}
    specs = [enclose(spec, element, around) for spec in grid.specs]
    workers = min(jobs or processors(), len(specs))
    setup = Setup.of(
        library=library,
        engine=engine,
        store=Store.default(),
        conditions=Conditions(
            pairs=pairs,
            seed=seed,
            input_slew_ns=input_slew_ns,
            output_load_ff=output_load_ff,
            wire_load=wire_load,
            all_pairs=all_pairs,
            wce_time_limit_s=prove_wce,
        ),
        threads=1 if scheduler is not None else max(1, processors() // workers),
    )
    if scheduler is None:
        finished = run_local(specs, setup, jobs=workers)
    else:
        finished = run_cluster(specs, setup, scheduler=scheduler)
    found: dict[int, Outcome] = {}
    # Whatever ends the loop ends the workers.
    with contextlib.closing(finished), progress() as report:
        report(0, len(specs), f"{len(specs)} designs")
        for place, outcome in finished:
            found[place] = outcome
            report(len(found), len(specs), f"{outcome.name}: {outcome.state}")
    outcomes = [found[place] for place in sorted(found)]
    if as_json:
        print_json({"designs": [_row(outcome) for outcome in outcomes], "impossible": grid.skipped})
    return _conclude(outcomes, grid.skipped, setup.store)


def _row(outcome: Outcome) -> dict[str, Any]:
    if outcome.summary is None:
        return {"name": outcome.name, "state": outcome.state, "error": outcome.error}
    return {**outcome.summary, "state": outcome.state, "seconds": outcome.seconds}


def _conclude(outcomes: list[Outcome], skipped: int, store: str) -> int:
    """Say what was done; the exit code."""
    counts = Counter(outcome.state for outcome in outcomes)
    parts = [f"{counts['made']} made", f"{counts['stored']} in the store before"]
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        parts.append(f"{len(failed)} failed")
    if skipped:
        parts.append(f"{skipped} impossible and left out")
    click.echo(f"{len(outcomes)} designs: {', '.join(parts)}; store {store}", err=True)
    for outcome in failed:
        click.echo(f"axhw: {outcome.name}: {outcome.error}", err=True)
    if counts["failed check"]:
        return 1
    return 2 if failed else 0

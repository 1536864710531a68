"""``axhw evolve``: cheaper netlists under limits on their error."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from axhw import __version__
from axhw.cli.evolve_limits import limit_options, limits_from_options
from axhw.cli.options import PATH, engine_option, json_option, library_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evolve import checkpoint
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.histogram import read_histogram
from axhw.evolve.problem import OBJECTIVES, Objective, Problem
from axhw.evolve.search import Progress, Search, Settings
from axhw.evolve.seeds import seed_circuit
from axhw.evolve.winners import Winner, measure_winners, unit
from axhw.files import output_folder, replacing
from axhw.flow import Flow
from axhw.lookup import named_multiplier
from axhw.measure import Conditions
from axhw.proof import ENUMERATED_WIDTH
from axhw.record import DesignRecord
from axhw.sim.metrics import FloatArray
from axhw.sweep.local import processors

FRONT = "front.json"

_SAVE_EVERY_S = 10.0
_SPEAK_EVERY_S = 2.0
# Of the train split.
_IMAGES = 64
_SUFFIXES = {"k": 10**3, "M": 10**6, "G": 10**9}
_FIGURES = ("area_um2", "delay_ns", "energy_fj", "mae_pct", "wce_pct", "mre_pct", "ep_pct", "bias", "rank")


def _count(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """A number such as 500k or 2M."""
    if text is None:
        return None
    factor = _SUFFIXES.get(text[-1:], 1)
    number = text[:-1] if factor > 1 else text
    if not (number.isdecimal() and number.isascii()) or int(number) == 0:
        raise click.BadParameter(f"expected a count such as 20000, 500k or 2M, found {text!r}", context, parameter)
    return int(number) * factor


@click.command("evolve")
@click.option(
    "--seed-design", default="exact", show_default=True, metavar="SPEC|NAME", help="What to begin with: see `axhw gen`."
)
@limit_options
@click.option(
    "--histogram",
    type=PATH,
    default=None,
    help="Counts of operand pairs for WMED, .npy or .csv: a row for each a from the lowest up; or two, of a and b.",
)
@click.option("--layer", metavar="NAME|all", default=None, help="Counts for WMED from a layer of --model instead.")
@click.option("--model", default="digits_cnn", show_default=True, metavar="NAME", help="Network, see `axhw eval`.")
@click.option("--data", default="digits", show_default=True, metavar="NAME", help="Data set, see `axhw eval`.")
@click.option("--objective", type=click.Choice(OBJECTIVES), default="energy", show_default=True, help="To be least.")
@click.option(
    "--evaluations", callback=_count, default=None, metavar="N[k|M|G]", help="Of all islands together. [default: 1M]"
)
@click.option("--seconds", type=click.FloatRange(min=0.0), default=None, help="Or until this time is over.")
@click.option("--islands", type=click.IntRange(min=1), default=Settings.islands, show_default=True, help="Populations.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="They change nothing but the time.")
@click.option("--seed", type=click.IntRange(min=0), default=Settings.seed, show_default=True, help="Of all draws.")
@click.option("--offspring", type=click.IntRange(min=1), default=Settings.offspring, show_default=True)
@click.option(
    "--mutations", type=click.IntRange(min=1), default=Settings.mutations, show_default=True, help="Genes at most."
)
@click.option(
    "--epoch",
    callback=_count,
    default=str(Settings.epoch),
    show_default=True,
    help="Evaluations before the next limit.",
)
@click.option("--out", type=PATH, required=True, help=f"Folder for {checkpoint.FILE} and {FRONT}.")
@click.option("--resume", is_flag=True, help=f"Go on with the {checkpoint.FILE} in the folder.")
@library_option
@engine_option
@json_option
def command(
    seed_design: str,
    histogram: Path | None,
    layer: str | None,
    model: str,
    data: str,
    objective: Objective,
    evaluations: int | None,
    seconds: float | None,
    islands: int,
    threads: int | None,
    seed: int,
    offspring: int,
    mutations: int,
    epoch: int,
    out: Path,
    resume: bool,
    library: str,
    engine: str | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Search for cheaper netlists of a multiplier whose errors stay within limits.

    A range makes a front: --max-mae-pct 0.01..1 in --steps limits. The winners are synthesised, proved and measured
    like any design, and can be named wherever a multiplier can.

    \b
    axhw evolve --max-mae-pct 0.1 --objective energy --evaluations 2M --out evo
    axhw evolve --max-mae-pct 0.01..1 --max-wce-pct 5 --evaluations 5M --out front
    axhw evolve --seed-design roup:p=0,r=4 --max-wmed-pct 0.05 --layer conv1 --out conv1
    """
    flow = Flow.of(library=library, engine=engine)
    named = named_multiplier(seed_design, flow.store)
    width = named.spec.width
    limited = limits_from_options(limits, width=width)
    # The worst case of a sample is none: where limits need it, the winners are measured over all pairs.
    flow = replace(flow, conditions=Conditions(all_pairs="wce" in limited.limited and width > ENUMERATED_WIDTH))
    settings = Settings(islands=islands, seed=seed, offspring=offspring, mutations=mutations, epoch=epoch)
    output_folder(out)
    if not resume and (out / checkpoint.FILE).exists():
        raise AxhwError(
            f"Expected no search in {out} yet, found {checkpoint.FILE}: add --resume or take another folder."
        )
    counts = _counts(histogram, layer, model, data, width=width, signed=named.spec.signed)
    with progress() as report:
        report(0, 1, f"seed {named.name}")
        begin = named.measured(flow)
        circuit = seed_circuit(begin, flow.library.cells)
        problem = Problem(
            width=width,
            signed=named.spec.signed,
            costs=GateCosts.of(flow.library.cells),
            objective=objective,
            metrics=limited.limited,
            histogram=counts,
        )
        report(0, 1, "compile")
        search = Search(problem, limited, circuit, settings)
        question = {
            "version": __version__,
            "seed_design": circuit.sha256,
            "limits": {**limited.values, limited.metric: list(limited.ladder)},
            "objective": objective,
            "library": flow.library.cells.sha256,
            "histogram": None if counts is None else hashlib.sha256(counts.tobytes()).hexdigest(),
            **asdict(settings),
        }
        if resume:
            checkpoint.restore(search, question, out)
        before, start = search.evaluations, time.perf_counter()
        goal = evaluations if evaluations is not None or seconds is not None else 1_000_000
        _search(search, question, out, goal=goal, seconds=seconds, threads=threads or processors(), report=report)
        taken = time.perf_counter() - start
        winners = measure_winners(
            search.found(),
            begin,
            limits=limited,
            objective=objective,
            flow=flow,
            threads=threads,
            histogram=counts,
            report=report,
        )
    document = {
        "seed_design": begin.summary(),
        "objective": objective,
        "metric": limited.metric + unit(limited.metric),
        "evaluations": search.evaluations,
        "mutants": search.progress.mutants,
        "evaluations_per_second": round((search.evaluations - before) / max(taken, 1e-9), 1),
        "seconds": round(taken, 3),
        "checkpoint": str(out / checkpoint.FILE),
        "front": [_row(winner, begin) for winner in winners],
    }
    with replacing(out / FRONT) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n")
    if as_json:
        print_json(document)
    else:
        _print(document, winners, begin, out)


def _search(
    search: Search,
    question: dict[str, Any],
    folder: Path,
    *,
    goal: int | None,
    seconds: float | None,
    threads: int,
    report: Callable[[int, int, str], None],
) -> None:
    """Run, saying how far it is, and storing the state from time to time and at the end, however that comes."""
    begun = spoken = saved = time.monotonic()

    def look(state: Progress) -> None:
        nonlocal spoken, saved
        now = time.monotonic()
        if now - spoken >= _SPEAK_EVERY_S:
            known = [cost for cost in state.costs if np.isfinite(cost)]
            front = " ".join(f"{100 * cost / search.seed_cost:.0f}" for cost in known)
            what = f"{state.evaluations:,} evaluations; cost in % of the seed by limit: {front}"
            done, total = (state.evaluations, goal) if goal is not None else (int(now - begun), int(seconds or 0))
            report(done, total, what)
            spoken = now
        if now - saved >= _SAVE_EVERY_S:
            checkpoint.save(search, question, folder)
            saved = time.monotonic()

    try:
        search.run(evaluations=goal, seconds=seconds, threads=threads, report=look)
    except KeyboardInterrupt:
        click.echo(f"axhw: the search so far is in {folder}: add --resume to go on.", err=True)
        raise
    finally:
        checkpoint.save(search, question, folder)


def _counts(
    path: Path | None, layer: str | None, model: str, data: str, *, width: int, signed: bool
) -> FloatArray | None:
    """The histogram that was asked for."""
    if path is not None and layer is not None:
        raise AxhwError("Expected either --histogram or --layer, found both.")
    if path is not None:
        return read_histogram(path, width=width)
    if layer is None:
        return None
    if width != 8:
        raise AxhwError(f"Expected 8-bit operands for a layer of a network, found {width} bits.")
    # Networks take a while to import.
    from axhw.evaluation import Bench
    from axhw.nn.histograms import operand_histograms

    bench = Bench.load(model=model, data=data)
    tables = operand_histograms(bench.quantized(signed=signed), bench.data.train.images[:_IMAGES])
    if layer != "all" and layer not in tables:
        raise AxhwError(f"Expected a layer of {model} out of {', '.join(tables)}, or all, found {layer!r}.")
    chosen = list(tables.values()) if layer == "all" else [tables[layer]]
    total: FloatArray = np.sum(chosen, axis=0).astype(np.float64)
    return total


def _row(winner: Winner, seed: DesignRecord) -> dict[str, Any]:
    summary, own, base = winner.record.summary(), winner.record.circuit_cost, seed.circuit_cost
    return {
        "limit": winner.limit,
        "name": winner.record.name,
        "key": winner.record.key,
        "evolved": winner.evolved,
        "limited": {f"{metric}{unit(metric)}": value for metric, value in winner.errors.items()},
        "estimated": winner.estimated,
        "area_ratio": own.area_um2 / base.area_um2,
        "energy_ratio": own.energy_fj / base.energy_fj,
        **{key: summary[key] for key in _FIGURES},
    }


def _print(document: dict[str, Any], winners: list[Winner], seed: DesignRecord, out: Path) -> None:
    metric = document["metric"]
    table = plain_table("design", f"{metric} limit", metric, "area um2", "of seed", "energy fJ", "of seed", "delay ns")
    for row, winner in zip(document["front"], winners):
        name = row["name"] if winner.evolved else f"{row['name']} (no cheaper one found)"
        table.add_row(
            name,
            f"{row['limit']:.4g}",
            f"{row['limited'][metric]:.4g}",
            f"{row['area_um2']:,.1f}",
            f"{row['area_ratio']:.3f}",
            f"{row['energy_fj']:,.1f}",
            f"{row['energy_ratio']:.3f}",
            f"{row['delay_ns']:.3f}",
        )
    console = stdout()
    console.print(table)
    rate = f"{document['evaluations']:,} evaluations, {document['evaluations_per_second']:,.0f} a second"
    console.print(f"[dim]seed {seed.name}; {rate}; state and front in {out}[/dim]", soft_wrap=True)

"""``axhw pim schedule``: experts in groups, their tokens in cycles, cycles and transfers beside lower bounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from axhw.cli.options import PATH, json_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evaluation import write_rows
from axhw.files import output_folder, replacing
from axhw.pim.choices import SUFFIXES, Choices, load_choices, synthetic_choices
from axhw.pim.grouping import Grouping, named_grouping, parsed_name
from axhw.pim.schedule import Loads, Mode, Schedule, least_cycles

_GROUPINGS = ("U1", "U2", "S2", "C2", "U4", "S4", "C4")
_SYNTHETIC = "synthetic"
_TRAINING_PARTS = 8
_TABLE, _DOCUMENT, _SLOTS = "schedules.csv", "schedules.json", "schedule.npz"
_COUNTS, _GANTT = "schedules", "schedule"  # figures


@click.command("schedule")
@click.option(
    "--trace",
    default=_SYNTHETIC,
    show_default=True,
    metavar="synthetic|FILE|MODEL",
    help="Experts that tokens choose: drawn at random, an .npz or .csv file, or a language model's, by its name such "
    "as olmoe_bytes_small or its folder.",
)
@click.option("--tokens", type=click.IntRange(min=1), default=None, help="Tokens to schedule. [512, or the whole file]")
@click.option("--skew", type=float, default=0.5, show_default=True, help="Of a synthetic trace: spread of popularity.")
@click.option("--experts", type=click.IntRange(min=1), default=None, help="How many there are. [16, or the file's]")
@click.option("--active", type=click.IntRange(min=1), default=4, show_default=True, help="Of a synthetic trace.")
@click.option("--layer", type=click.IntRange(min=0), default=1, show_default=True, help="Of a language model.")
@click.option("--text", type=PATH, default=None, help="For a model. [a text that comes along]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of trace and schedulers.")
@click.option(
    "--grouping",
    "groupings",
    multiple=True,
    metavar="NAME",
    help=f"Such as S4, several times. [{', '.join(_GROUPINGS)}]",
)
@click.option(
    "--train-tokens",
    type=click.IntRange(min=1),
    default=None,
    help="Make groupings on so many tokens behind those that are scheduled. [on the same ones]",
)
@click.option(
    "--scheduler", "schedulers", multiple=True, metavar="NAME", help="Such as ours, several times. [all of them]"
)
@click.option("--any-order", is_flag=True, help="Let ours reorder queues. [both, if no scheduler is named]")
@click.option("--cycles", type=click.IntRange(min=1), default=None, help="Length of ours. [as short as can be]")
@click.option("--bounds", is_flag=True, help="Bound transfers in token order too, which takes a minute a grouping.")
@click.option("--out", type=PATH, default=None, help="Folder for tables and figures.")
@json_option
def command(
    trace: str,
    tokens: int | None,
    skew: float,
    experts: int | None,
    active: int,
    layer: int,
    text: Path | None,
    seed: int,
    groupings: tuple[str, ...],
    train_tokens: int | None,
    schedulers: tuple[str, ...],
    any_order: bool,
    cycles: int | None,
    bounds: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Group experts and schedule their tokens: cycles, transfers, and what no schedule can do with less.

    Groupings: U neighbours, S sorted by load, C of few conflicts (in any order, unless all schedules are ours in token
    order), each with its size. Schedulers: token_by_token,
    compact, rescheduled, and ours, which keeps queues in token order unless it may reorder them.

    \b
    axhw pim schedule
    axhw pim schedule --trace olmoe_bytes_small --grouping S4 --grouping C4 --train-tokens 4096
    axhw pim schedule --grouping S4 --scheduler ours --any-order --out schedules
    """
    # Compiled code takes long to import.
    from axhw.pim.schedulers import OURS, SCHEDULERS, scheduled
    from axhw.pim.transfer_bounds import bound_in_any_order, bound_in_order

    folder = None if out is None else output_folder(out)
    names = groupings or _GROUPINGS
    for name in names:
        parsed_name(name)
    if cycles is not None and set(schedulers) != {OURS}:
        raise AxhwError(f"Expected a number of cycles beside --scheduler {OURS} alone, found other schedulers.")
    if any_order and schedulers and OURS not in schedulers:
        raise AxhwError(f"Expected --any-order beside --scheduler {OURS}, found schedulers that never reorder.")
    kinds: list[tuple[str, Mode]] = [
        (name, "any_order" if any_order and name == OURS else "token_order") for name in schedulers or SCHEDULERS
    ]
    if not schedulers and not any_order:
        kinds.append((OURS, "any_order"))
    # C makes schedules of its own for token order: slower, and worth it for them alone.
    aim: Mode = "token_order" if kinds == [(OURS, "token_order")] else "any_order"
    choices, training = _choices(
        trace,
        tokens=tokens,
        train_tokens=train_tokens,
        skew=skew,
        experts=experts,
        active=active,
        layer=layer,
        text=text,
        seed=seed,
    )
    rows: list[dict[str, Any]] = []
    made: list[Schedule] = []
    used: dict[str, list[list[int]]] = {}
    with progress() as report:
        for done, name in enumerate(names):
            report(done, len(names), name)
            grouping = _grouping(name, choices, training, aim, seed)
            used[name] = [list(group) for group in grouping.groups]
            loads = grouping.loads(choices)
            length = least_cycles(loads) if cycles is None else cycles
            own = []
            for scheduler, mode in kinds:
                rng = np.random.default_rng(seed)
                found = scheduled(scheduler, loads, rng=rng, mode=mode, cycles=cycles)
                found.check(loads)
                own.append(found)
            known: dict[str, int | None] = {"any_order": bound_in_any_order(loads, cycles=length), "token_order": None}
            if bounds:
                fewest = min(
                    (found.transfers for found in own if (found.mode, found.cycles) == ("token_order", length)),
                    default=int(loads.sum()),
                )
                known["token_order"] = bound_in_order(loads, target=fewest, cycles=length)
            rows += [_row(name, found, loads, known, length) for found in own]
            made += own
    document = {
        "trace": trace,
        "tokens": choices.tokens,
        "experts": choices.experts,
        "choices": int(choices.expert_loads.sum()),
        "expert_loads": choices.expert_loads.tolist(),
        "groupings": used,
        "schedules": rows,
    }
    files = [] if folder is None else _write(document, rows, made, folder)
    if as_json:
        print_json(document | {"files": [str(path) for path in files]})
        return
    _print(rows)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _choices(
    trace: str,
    *,
    tokens: int | None,
    train_tokens: int | None,
    skew: float,
    experts: int | None,
    active: int,
    layer: int,
    text: Path | None,
    seed: int,
) -> tuple[Choices, Choices | None]:
    """Choices to schedule, and others to make groupings on."""
    # Language models take long to import.
    from axhw.pim.model_choices import model_folder, shipped_models, traced_layer

    first, behind = tokens or 512, train_tokens or 0
    model = model_folder(trace)
    if trace == _SYNTHETIC:
        found = synthetic_choices(seed=seed, tokens=first + behind, skew=skew, experts=experts or 16, active=active)
    elif model is not None:
        found = traced_layer(model, layer=layer, tokens=first + behind, text=text)
    elif Path(trace).suffix in SUFFIXES:
        found = load_choices(Path(trace), experts=experts)
        first = tokens or found.tokens - behind
        if not 0 < first <= found.tokens - behind:
            raise AxhwError(
                f"Expected at least {(tokens or 1) + behind} tokens in {trace}, found {found.tokens}: "
                "ask for fewer --tokens or --train-tokens."
            )
    else:
        raise AxhwError(
            f"Expected a trace out of {_SYNTHETIC}, an .npz or .csv file, a model's folder, or one of the models "
            f"{', '.join(shipped_models())}, found {trace!r}."
        )
    return found.part(0, first), found.part(first, first + behind) if behind else None


def _grouping(name: str, choices: Choices, training: Choices | None, aim: Mode, seed: int) -> Grouping:
    rng = np.random.default_rng(seed)
    if training is None:
        return named_grouping(name, choices, rng=rng, mode=aim)
    return named_grouping(name, training, rng=rng, mode=aim, parts=min(_TRAINING_PARTS, training.tokens))


def _row(grouping: str, made: Schedule, loads: Loads, bounds: dict[str, int | None], cycles: int) -> dict[str, Any]:
    """A schedule as JSON values; bounds hold for schedules as long as the shortest."""
    bound = bounds[made.mode] if made.cycles == cycles else None
    return {
        "grouping": grouping,
        "scheduler": made.name,
        "mode": made.mode,
        "cycles": made.cycles,
        "transfers": made.transfers,
        "least_transfers": bound,
        "busy": made.busy,
        "displacement": made.displacement,
        "cycles_per_token": made.cycles / len(loads),
    }


def _write(
    document: dict[str, Any], rows: Sequence[dict[str, Any]], made: Sequence[Schedule], folder: Path
) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.front import save_figure
    from axhw.report.pim_schedule import draw_counts, draw_schedules

    about = f"{document['trace']}: {document['tokens']:,} tokens, {document['experts']} experts"
    files = [write_rows(rows, folder / _TABLE), folder / _DOCUMENT]
    with replacing(files[1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    figures = {_COUNTS: draw_counts(rows, about=about)}
    if len(document["groupings"]) == 1:
        figures[_GANTT] = draw_schedules(made, about=f"{about}, grouping {rows[0]['grouping']}")
    for name, figure in figures.items():
        for suffix in (".svg", ".png"):
            files.append(folder / f"{name}{suffix}")
            save_figure(figure, files[-1])
    if len(made) == 1:
        files.append(folder / _SLOTS)
        with replacing(files[-1]) as draft:
            np.savez_compressed(draft, slots=made[0].slots, mode=made[0].mode)
    return files


def _print(rows: Sequence[dict[str, Any]]) -> None:
    table = plain_table(
        "grouping", "scheduler", "order", "cycles", "transfers", "at least", "busy", "out of place", left=3
    )
    for row in rows:
        least = row["least_transfers"]
        table.add_row(
            row["grouping"],
            row["scheduler"],
            "token" if row["mode"] == "token_order" else "any",
            f"{row['cycles']:,}",
            f"{row['transfers']:,}",
            "-" if least is None else f"{least:,}",
            f"{100 * row['busy']:.0f} %",
            f"{row['displacement']:,}" if row["mode"] == "any_order" else "-",
        )
    stdout().print(table)

"""``axhw pim values``: what routings, caches, schedules and hardware do to what a language model computes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from axhw.analog.programming_noise import MODELS
from axhw.cli.analog_options import NO_NOISE, signed_table
from axhw.cli.options import PATH, json_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evaluation import write_rows
from axhw.files import output_folder, replacing

_MULTIPLIERS = ("mul8s_1L2L", "roup:p=1,r=4")
_SIZES = ("fixed", "growing")
_TABLE, _SCHEDULES, _DOCUMENT = "values.csv", "schedule-values.csv", "values.json"


@click.command("values")
@click.option(
    "--model",
    default="olmoe_bytes_small",
    show_default=True,
    metavar="NAME|FOLDER",
    help="Language model of bytes that comes with axhw, or a folder with config.json and safetensors.",
)
@click.option(
    "--text", default="python_topics", show_default=True, metavar="NAME|FILE", help="Text to score: its test part."
)
@click.option(
    "--bytes", "most_bytes", type=click.IntRange(min=2), default=2049, show_default=True, help="Of its beginning."
)
@click.option("--data-dir", type=PATH, default=None, help="Folder to look for the text in.")
@click.option("--window", type=click.IntRange(min=2), default=256, show_default=True, help="Bytes of a sequence.")
@click.option(
    "--prompt",
    "prompts",
    type=click.IntRange(min=1),
    multiple=True,
    default=(32, 128),
    show_default=True,
    help="Bytes of a sequence that are read before steps with a GO cache; give it several times. Hardware other than "
    "float32 gets the first one.",
)
@click.option(
    "--cache",
    "sizes",
    type=click.Choice(_SIZES),
    multiple=True,
    default=_SIZES,
    show_default=True,
    help="Tokens that an expert keeps: those of the prompt, as published, or more with each step.",
)
@click.option(
    "--multiplier",
    "-m",
    "multipliers",
    multiple=True,
    default=_MULTIPLIERS,
    show_default=True,
    metavar="SPEC|NAME",
    help="Experts in int8 with this signed 8-bit multiplier; give it several times.",
)
@click.option(
    "--noise",
    type=click.Choice([*MODELS, NO_NOISE]),
    default="pcm",
    show_default=True,
    help="Of experts on crossbars; none for no crossbars.",
)
@click.option(
    "--magnitude",
    "magnitudes",
    type=click.FloatRange(min=0),
    multiple=True,
    default=(1.5, 2.5),
    show_default=True,
    help="Factor of the noise; give it several times.",
)
@click.option(
    "--score-bits",
    type=click.IntRange(min=2, max=16),
    multiple=True,
    default=(8,),
    show_default=True,
    help="For float32, GO caches with scores of so many bits too; give it several times.",
)
@click.option("--chips", type=click.IntRange(min=1), default=1, show_default=True, help="Chips of each magnitude.")
@click.option("--exact-only", is_flag=True, help="No multipliers and no noise: float32 alone.")
@click.option(
    "--schedule-tokens",
    type=click.IntRange(min=0),
    default=32,
    show_default=True,
    help="So many bytes also go through groups and schedules, in int8, to be held against the plain model; 0 for none.",
)
@click.option(
    "--grouping", "groupings", multiple=True, default=("S4",), show_default=True, metavar="NAME", help="Of schedules."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the first chip; schedulers.")
@click.option("--out", type=PATH, default=None, help="Folder for CSV and JSON files.")
@json_option
def command(
    model: str,
    text: str,
    most_bytes: int,
    data_dir: Path | None,
    window: int,
    prompts: tuple[int, ...],
    sizes: tuple[Any, ...],
    multipliers: tuple[str, ...],
    noise: str,
    magnitudes: tuple[float, ...],
    score_bits: tuple[int, ...],
    chips: int,
    exact_only: bool,
    schedule_tokens: int,
    groupings: tuple[str, ...],
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compute a text with tokens or experts choosing, with a GO cache, on approximate and analog experts.

    Rows say how far outputs of experts, choices and perplexity are from what they are compared with: expert choice from
    the model as trained, a GO cache from expert choice over the whole window, hardware from float32 in the same
    routing. Where experts choose in the whole window, they see later bytes: that perplexity is not one of prediction.

    \b
    axhw pim values --exact-only
    axhw pim values --model FOLDER --prompt 64 -m roup:p=1,r=4 --magnitude 1.5 --chips 4 --out values
    """
    # Language models and compiled code take long to import.
    from axhw.analog.bench import Bench
    from axhw.pim.machines import INT8, build_machines, float_machine, integer_machine
    from axhw.pim.schedule_values import schedule_value_rows
    from axhw.pim.values import Route, ValueSettings, value_rows

    folder = None if out is None else output_folder(out)
    settings = ValueSettings(
        prompts=prompts, noisy_prompts=prompts[:1], sizes=sizes, score_bits=score_bits, window=window
    )
    if schedule_tokens and schedule_tokens <= prompts[0]:
        # Half of them are the prompt, so that there are steps.
        prompts = (max(1, schedule_tokens // 2), *prompts[1:])
    bench = Bench.load(
        model=model,
        text=text,
        root=data_dir,
        most_bytes=most_bytes,
        most_calibration_bytes=max(most_bytes, 8 * window + 1),
        window=window,
    )
    if schedule_tokens > len(bench.test):
        raise AxhwError(f"Expected at most {len(bench.test)} --schedule-tokens, as --bytes, found {schedule_tokens}.")
    tables = {} if exact_only else {name: signed_table(name) for name in multipliers}
    with progress() as report:
        report(0, 1, "calibration")
        if exact_only:
            machines = [float_machine(bench.model)]
        else:
            seeds = range(seed, seed + chips)
            levels = () if noise == NO_NOISE else magnitudes
            machines = build_machines(bench, tables=tables, noise=noise, magnitudes=levels, seeds=seeds)
        rows = [row.row() for row in value_rows(bench.name, machines, bench.test, settings=settings, progress=report)]
        checks: list[dict[str, Any]] = []
        digital = [machine for machine in machines if machine.multiplier in (INT8, *tables)]
        digital = digital or [integer_machine(bench.model)]
        routes = [Route(routing="token_choice")]
        routes += [Route(routing="expert_choice", prompt=prompts[0], size=size) for size in sizes]
        todo = [(machine, route) for machine in digital for route in routes] if schedule_tokens else []
        for done, (machine, route) in enumerate(todo):
            report(done, len(todo), f"schedules, {machine.name}")
            tokens = bench.test[:schedule_tokens]
            found = schedule_value_rows(machine, tokens, route=route, groupings=groupings, seed=seed)
            checks += [row.row() for row in found]
    document = {
        "model": bench.name,
        "trained": bench.model.config.routing,
        "text": text,
        "bytes": len(bench.test),
        "window": window,
        "values": rows,
        "schedule_tokens": schedule_tokens,
        "schedules": checks,
    }
    files = [] if folder is None else _write(document, folder)
    if as_json:
        print_json(document | {"files": [str(path) for path in files]})
        return
    _print(rows)
    if checks:
        _print_schedules(checks)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _write(document: dict[str, Any], folder: Path) -> list[Path]:
    files = [write_rows(document["values"], folder / _TABLE)]
    if document["schedules"]:
        files.append(write_rows(document["schedules"], folder / _SCHEDULES))
    files.append(folder / _DOCUMENT)
    with replacing(files[-1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return files


def _hardware(row: dict[str, Any]) -> str:
    if row["seed"] is None:
        return str(row["multiplier"])
    return f"{row['noise']} {row['magnitude']:g}, chip {row['seed']}"


def _cache(row: dict[str, Any]) -> str:
    if not row["size"]:
        return "-"
    bits = f", {row['score_bits']} bits" if row.get("score_bits") else ""
    return f"{row['size']} from {row['prompt']}{bits}"


def _print(rows: Sequence[dict[str, Any]]) -> None:
    table = plain_table(
        "experts",
        "who chooses",
        "GO cache",
        "against",
        "outputs off",
        "same choices",
        "for a byte",
        "without",
        "perplexity",
        "rise",
        "over trained",
        left=4,
    )
    references = {"trained": "as trained", "window": "whole window", "exact": "float32"}
    for row in rows:
        table.add_row(
            _hardware(row),
            "tokens" if row["routing"] == "token_choice" else "experts",
            _cache(row),
            references[row["reference"]],
            f"{100 * row['output_error']:.1f} %",
            f"{100 * row['agreement']:.1f} %",
            f"{row['experts_per_token']:.2f}",
            f"{row['without_pct']:.1f} %",
            f"{row['perplexity']:.4f}{'' if row['causal'] else ' *'}",
            f"{row['rise_pct']:+.2f} %",
            f"{row['rise_trained_pct']:+.2f} %",
        )
    stdout().print(table)
    if not all(row["causal"] for row in rows):
        stdout().print("* Experts saw later bytes when they chose: not a perplexity of prediction.", highlight=False)


def _print_schedules(rows: Sequence[dict[str, Any]]) -> None:
    table = plain_table(
        "experts",
        "who chooses",
        "GO cache",
        "grouping",
        "scheduler",
        "order",
        "cycles",
        "transfers",
        "equal to plain",
        "by arrival",
        left=6,
    )
    for row in rows:
        table.add_row(
            _hardware(row),
            "tokens" if row["routing"] == "token_choice" else "experts",
            _cache(row),
            row["grouping"],
            row["scheduler"],
            "token" if row["mode"] == "token_order" else "any",
            f"{row['cycles']:,}",
            f"{row['transfers']:,}",
            "yes" if row["equal"] else f"off by {row['difference']:.1e}",
            f"off by {row['arrival_difference']:.1e}" if row["arrival_difference"] else "yes",
        )
    stdout().print(table)

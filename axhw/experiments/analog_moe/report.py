"""The results as files: tables, and one report in Markdown and in HTML that tells them."""

from __future__ import annotations

from axhw.experiments.analog_moe.explanations import (
    NAME,
    condition_blocks,
    cost_blocks,
    drift_blocks,
    front_blocks,
    noise_blocks,
    policy_blocks,
    selector_blocks,
)
from axhw.experiments.results import Document, Report, claims_blocks, made_by, tables_named
from axhw.report.study import Block, Table

_TABLES = (
    "claims",
    "models",
    "means",
    "chips",
    "ranges",
    "arrays",
    "costs",
    "front",
    "hypervolumes",
    "policies",
)


def _opening(document: Document) -> list[str]:
    settings = document["settings"]
    dac, adc = settings["converter_bits"]
    return [
        f"{made_by('axhw reproduce analog-moe')}: arXiv 2603.02633 on byte-level models of ours, whose "
        "experts are on crossbars but for those that a selector keeps digital. Perplexity and accuracy are of the next "
        f"byte, on held-out text ({settings['text']}), in windows of {settings['window']} bytes; models, ranges and "
        "scores never saw the test part.",
        f"Tiles are of {settings['tile']} cells with DACs of {dac} and ADCs of {adc} bits; K and lambda are those of "
        "least error on validation text, by kind of matrix. Programming noise is pcm of magnitude c unless something "
        "else is said. Digital experts are in float32 but where a multiplier is named: then in int8, with its products "
        "bit for bit. Each seed stands for two chips with opposite random numbers, and is the same for all placements. "
        f"Scores that depend on the noise are those for c = {settings['main_magnitude']:g}, measured on other chips "
        f"({settings['selector_seeds']} pairs) and validation text, but for those of the very chip. The oracle sees at "
        f"most {max(depth['oracle_bytes'] for depth in settings['depths'].values()):,} bytes of that text.",
        "Recovered is the share of the rise of the loss, in nats, that digital experts take away; ± is its standard "
        f"error over seeds. Everything here took {settings['seconds'] / 60:.1f} minutes.",
    ]


def _models(document: Document) -> list[Block]:
    lines = [
        (
            row["model"],
            f"{row['weights'] / 1e6:.2f}",
            f"{row['expert_share_pct']:.0f}",
            row["layers"],
            f"{row['active']} of {row['experts']}",
            row["shared_width"] or "",
            f"{row['selection_bytes']:,}",
            f"{row['test_bytes']:,}",
            row["chips"],
            f"{row['perplexity']:.4f}",
            f"{100 * row['accuracy']:.2f}",
        )
        for row in document["models"]
    ]
    heads = (
        "model",
        "million weights",
        "in experts %",
        "layers",
        "experts",
        "shared neurons",
        "validation bytes",
        "test bytes",
        "chips",
        "perplexity",
        "accuracy %",
    )
    ranges = [
        (
            row["model"],
            row["module"],
            row["part"],
            f"{row['k']:g}",
            f"{row['lambda']:g}",
            "" if row["error_pct"] is None else f"{row['error_pct']:.2f}",
        )
        for row in document["ranges"]
        if row["module"] == "expert"
    ]
    return [
        "Perplexity and accuracy with digital experts, of as much of the text as is used here: of each of its sources "
        "the beginning.",
        Table(heads=heads, rows=lines, left=1),
        "Ranges of the experts' converters, and the error that these make in the products, relative to them:",
        Table(heads=("model", "module", "part", "K", "lambda", "error %"), rows=ranges, left=3),
    ]


REPORT = Report(
    name=NAME,
    title="Analog-digital MoE: which experts must stay digital",
    opening=_opening,
    sections={
        "Claims": claims_blocks,
        "Models": _models,
        "What may be analog": condition_blocks,
        "Selectors": selector_blocks,
        "Other noise": noise_blocks,
        "Time": drift_blocks,
        "Costs": cost_blocks,
        "Approximate digital experts": front_blocks,
        "Budgets and noise that changes": policy_blocks,
    },
    tables=tables_named(*_TABLES),
)

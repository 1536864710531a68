"""The results as files: tables, and one report in Markdown and in HTML that tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from axhw.experiments.max_dnn.divergence import divergence_blocks
from axhw.experiments.max_dnn.fronts import select
from axhw.experiments.max_dnn.site_report import kernel_rows, site_blocks
from axhw.experiments.results import Document, Report, claims_table, made_by
from axhw.report.max_dnn import draw_families, draw_reconfiguration, draw_retrained
from axhw.report.sensitivity import draw_sensitivity
from axhw.report.study import Block, Picture, Table

Row = Mapping[str, Any]

NAME = "max-dnn"
_TABLES = ("claims", "savings", "searches", "points", "sensitivity", "trainings", "divergence", "retrained")


def _tables(document: Document) -> dict[str, Any]:
    return {name: document[name] for name in _TABLES} | {
        "reconfiguration": document["reconfiguration"]["rows"],
        "sensitivity-filters": document["filters"],
        "sensitivity-kernels": kernel_rows(document),
    }


def _opening(document: Document) -> list[str]:
    settings = document["settings"]
    networks = " and ".join(filter(None, (settings["model"], settings["deeper"])))
    deeper = f" ({settings['deeper_evaluations']:,} for {settings['deeper']})" if settings["deeper"] else ""
    exact = "; ".join(
        f"{name} {100 * found['validation_accuracy']:.2f} % on validation and {100 * found['test_accuracy']:.2f} % on "
        "test images"
        for name, found in document["exact"].items()
    )
    designs = ", ".join(f"{name} {count}" for name, count in settings["designs"].items())
    return [
        f"{made_by('axhw reproduce max-dnn')}. {networks} on {settings['data']}, int8 without "
        f"retraining; searched on {settings['validation_images']:,} images held out of the training images, fronts run "
        f"once on {settings['test_images']:,} test images; {settings['evaluations']:,} evaluations a search{deeper}, "
        f"population {settings['population']}, seed {settings['seed']}. Accuracy with exact products: {exact}. "
        f"Designs to choose from, the exact one included: {designs}.",
        "Energy: multiplications alone, each that of its multiplier with uniform random operands and glitches, "
        f"{settings['library']}, {settings['engine']}, against the exact multiplier of least energy. Losses are points "
        "of accuracy against exact products. Searches, their reports and sensitivities took "
        f"{settings['seconds'] / 60:.1f} minutes.",
    ]


def _about(document: Mapping[str, Any], model: str) -> str:
    """Below a figure."""
    settings = document["settings"]
    return (
        f"{model} on {settings['data']}: {settings['validation_images']:,} validation images to search, "
        f"{settings['test_images']:,} test images"
    )


def _claims(document: Document) -> list[Block]:
    return [claims_table(document["claims"])]


def _largest_savings(document: Document) -> list[Block]:
    return [*_savings(document["savings"]), *_fronts(document)]


def _fronts(document: Document) -> list[Block]:
    settings, found = document["settings"], list[Block]()
    for stem, model, caption in (
        ("fronts", settings["model"], "Fronts"),
        ("fronts-deeper", settings["deeper"], f"Fronts of {settings['deeper']}"),
    ):
        if points := select(document["points"], network=model):
            figure = draw_families(points, about=_about(document, model))
            found.append(Picture(stem=f"{NAME}-{stem}", caption=caption, figure=figure))
    return found


def _retrained(document: Document) -> list[Block]:
    rows = document["retrained"]
    if not rows:
        return []
    lines = [
        (
            *(row[name] for name in ("network", "palette", "compensation", "level")),
            f"{row['energy_saved_pct']:.1f}",
            f"{row['test_loss_pct']:.2f}",
            f"{row['retrained_loss_pct']:.2f}",
            f"{100 * row['retrained_accuracy']:.2f}",
        )
        for row in rows
    ]
    heads = ("network", "designs", "compensation", "level", "saved %", "loss", "retrained: loss", "accuracy %")
    return [
        f"The points that save most at a validation loss of at most 4 and 8 points, trained {rows[0]['epochs']} epochs "
        "towards labels with the products of their assignments, straight-through gradients, weights of the best epoch "
        "by validation images. Losses on all test images of the report, before with the compensation that belongs to "
        "the point, after without any.",
        Table(heads=heads, rows=lines, left=4),
        Picture(
            stem=f"{NAME}-retrained",
            caption="Before and after retraining",
            figure=draw_retrained(rows, about=f"{document['settings']['data']}, test images"),
        ),
    ]


def _searches(document: Document) -> list[Block]:
    named = ("network", "palette", "compensation", "level", "strategy", "evaluations")
    lines = []
    for row in document["searches"]:
        pace = row["evaluations_per_minute"]
        told = "" if pace is None else f"{pace:.0f}"
        lines.append((*(row[name] for name in named), f"{row['hypervolume']:.3f}", told))
    return [
        "Hypervolume of losses up to 10 points and energies up to that of exact products; `one design` runs in all "
        "layers every design that no other beats in energy and predicted noise. Hill climbing (`greedy`) gives filters "
        "or kernels a second design once no design of a layer can be changed for the better.",
        Table(
            heads=("network", "designs", "compensation", "level", "search", "evaluations", "hypervolume", "a minute"),
            rows=lines,
            left=5,
        ),
    ]


def _sensitivity(document: Document) -> list[Block]:
    settings, trainings = document["settings"], document["trainings"]
    classes = ", ".join(f"ROUP_{name} `{design}`" for name, design in settings["classes"].items())
    lines = [
        (
            row["model"],
            row["data"],
            "by filter" if row["per_channel"] else "by layer",
            row["seed"],
            "training" if row["calibration_seed"] is None else f"images, seed {row['calibration_seed']}",
            row["class"],
            f"{100 * row['int8_accuracy']:.1f}",
            f"{row['first_third_loss_pct']:.1f}",
            f"{row['last_third_loss_pct']:.1f}",
            f"{row['largest_loss_pct']:.1f} (layer {row['most_sensitive_layer']})",
            f"{row['spearman_depth_loss']:.2f}",
        )
        for row in trainings
    ]
    heads = ("network", "data", "weight scales", "seed", "ranges from", "class", "int8 %", "first third", "last third")
    return [
        f"{classes}: {settings['class_rule']}.",
        Picture(
            stem=f"{NAME}-sensitivity",
            caption="Sensitivity of the layers",
            figure=draw_sensitivity(document["sensitivity"]),
        ),
        f"Points lost on {settings['sensitivity_images']:,} test images with one layer approximate, without "
        "compensation, as the mean of the first and the last third of the layers. A correlation of depth and loss "
        "(Spearman) of -1 says that each layer matters less than the one before.",
        Table(heads=(*heads, "largest", "correlation"), rows=lines, left=6),
        _early(trainings),
    ]


def _reconfiguration(document: Document) -> list[Block]:
    cost = document["reconfiguration"]
    ratios = ", ".join(f"{each['energy_ratio']:.2f}" for each in cost["fixed"])
    lines = [
        (
            row["level"],
            f"{row['validation_loss_pct']:.2f}",
            f"{row['test_loss_pct']:.2f}",
            row["modes_used"],
            f"{row['fixed_saved_pct']:.1f}",
            f"{row['configurable_saved_pct']:.1f}",
            f"{row['mode_changes_per_inference']:,}",
            f"{row['mixed_columns_busy_pct']:.0f}",
        )
        for row in cost["rows"]
    ]
    heads = ("level", "validation loss", "test loss", "modes", "fixed: saved %", "configurable: saved %", "changes")
    if not lines:
        return []
    return [
        f"`{cost['name']}` is one of {', '.join(f'`{name}`' for name in cost['modes'])} at a time; its area is "
        f"{cost['area_ratio']:.2f} times that of its largest fixed design, its delay {cost['delay_ratio']:.2f} times "
        f"that of the slowest, its energy {ratios} times that of the fixed design in each mode. Searches choose from "
        "these designs, affine compensation. *Configurable* counts the energy of the modes and of their changes, a PE "
        "doing all kernels one after the other. *Busy* is how much of the time 16 columns of fixed designs work, "
        "shared out by the work there is for each: by filter, a product in a mixed array spends what the fixed "
        "design spends, and idle columns are what it costs.",
        Table(heads=(*heads, "busy %"), rows=lines, left=1),
        Picture(
            stem=f"{NAME}-reconfiguration",
            caption="With and without the cost of reconfiguration",
            figure=draw_reconfiguration(cost["rows"], about=_about(document, document["settings"]["model"])),
        ),
    ]


def _early(trainings: Sequence[Row]) -> str:
    held = [row for row in trainings if row["first_third_loss_pct"] > row["last_third_loss_pct"]]
    return (
        f"Early layers lose more than late ones in {len(held)} of {len(trainings)} rows; the correlation is below -0.5 "
        f"in {sum(row['spearman_depth_loss'] < -0.5 for row in trainings)}."
    )


def _savings(rows: Sequence[Row]) -> list[Block]:
    """One line a front, a column for each loss."""
    losses = list(dict.fromkeys(row["at_most_loss_pct"] for row in rows))
    keys = dict.fromkeys((row["network"], row["palette"], row["compensation"], row["level"]) for row in rows)
    lines = []
    for key in keys:
        own = [row for row in rows if (row["network"], row["palette"], row["compensation"], row["level"]) == key]
        cells = [
            "" if row["energy_saved_pct"] is None else f"{row['energy_saved_pct']:.1f} % ({row['test_loss_pct']:.2f})"
            for row in own
        ]
        lines.append((*key, *cells))
    heads = [f"<= {loss:g} %: saved (test loss)" for loss in losses]
    return [
        "Chosen by the loss on validation images; the test loss is of the same point.",
        Table(heads=("network", "designs", "compensation", "level", *heads), rows=lines, left=4),
    ]


REPORT = Report(
    name=NAME,
    title="MAx-DNN: the right multiplier in every layer, filter and kernel",
    opening=_opening,
    sections={
        "Claims of the paper": _claims,
        "Largest savings": _largest_savings,
        "After a short retraining": _retrained,
        "Searches at equal evaluations": _searches,
        "Sensitivity": _sensitivity,
        "Sensitivity of filters and kernels": partial(site_blocks, name=NAME),
        "With the cost of reconfiguration": _reconfiguration,
        "Predicted savings against gates": partial(divergence_blocks, name=NAME),
    },
    tables=_tables,
)

"""The results as files: tables, figures and one report that tells them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from axhw import __version__
from axhw.evaluation import write_rows
from axhw.experiments.max_dnn.fronts import select
from axhw.files import replacing
from axhw.report.front import save_figure
from axhw.report.max_dnn import draw_families, draw_reconfiguration
from axhw.report.sensitivity import draw_sensitivity

Row = Mapping[str, Any]

_CLAIM = ("claim", "paper", "ours", "basis")
DOCUMENT, REPORT = "max-dnn.json", "max-dnn.md"
_TABLES = ("claims", "savings", "searches", "points", "sensitivity", "trainings")


def write_results(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write max-dnn.md, max-dnn.json, a CSV file for each table and the figures as SVG and PNG.

    Parameters
    ----------
    document : mapping
        What `axhw.experiments.max_dnn.run.Experiment.run` gives.
    folder : Path
        An existing one.

    Returns
    -------
    list of Path
        The report first.
    """
    files = [folder / REPORT, folder / DOCUMENT]
    tables = {name: document[name] for name in _TABLES} | {"reconfiguration": document["reconfiguration"]["rows"]}
    files += [write_rows(rows, folder / f"{name}.csv") for name, rows in tables.items() if rows]
    for name, figure in _figures(document).items():
        for suffix in (".svg", ".png"):
            files.append(folder / f"max-dnn-{name}{suffix}")
            save_figure(figure, files[-1])
    for path, text in ((files[0], markdown(document)), (files[1], json.dumps(document, indent=2) + "\n")):
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return files


def _figures(document: Mapping[str, Any]) -> dict[str, Any]:
    settings = document["settings"]
    about = (
        f"{{}} on {settings['data']}: {settings['validation_images']:,} validation images to search, "
        f"{settings['test_images']:,} test images"
    )
    figures = {"sensitivity": draw_sensitivity(document["sensitivity"])}
    for name, model in (("fronts", settings["model"]), ("fronts-deeper", settings["deeper"])):
        if points := select(document["points"], network=model):
            figures[name] = draw_families(points, about=about.format(model))
    if rows := document["reconfiguration"]["rows"]:
        figures["reconfiguration"] = draw_reconfiguration(rows, about=about.format(settings["model"]))
    return figures


def markdown(document: Mapping[str, Any]) -> str:
    """The report."""
    sections = [
        _opening(document),
        ["## Claims of the paper", "", *_claims(document["claims"])],
        [
            "## Largest savings",
            "",
            "Chosen by the loss on validation images; the test loss is of the same point.",
            "",
            *_savings(document["savings"]),
            "",
            "![Fronts](max-dnn-fronts.png)",
        ],
        _deeper(document["settings"]),
        _searches(document["searches"]),
        _sensitivity(document),
        _reconfiguration(document["reconfiguration"]),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _opening(document: Mapping[str, Any]) -> list[str]:
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
        "# MAx-DNN: the right multiplier in every layer, filter and kernel",
        "",
        f"Made by `axhw reproduce max-dnn` with axhw {__version__}, Python {platform.python_version()} on "
        f"{platform.machine()}, {os.cpu_count()} processors. {networks} on {settings['data']}, int8 without "
        f"retraining; searched on {settings['validation_images']:,} images held out of the training images, fronts run "
        f"once on {settings['test_images']:,} test images; {settings['evaluations']:,} evaluations a search{deeper}, "
        f"population {settings['population']}, seed {settings['seed']}. Accuracy with exact products: {exact}. "
        f"Designs to choose from, the exact one included: {designs}.",
        "",
        "Energy: multiplications alone, each that of its multiplier with uniform random operands and glitches, "
        f"{settings['library']}, {settings['engine']}, against the exact multiplier of least energy. Losses are points "
        "of accuracy against exact products. Searches, their reports and sensitivities took "
        f"{settings['seconds'] / 60:.1f} minutes.",
    ]


def _claims(rows: Sequence[Row]) -> list[str]:
    heads = ("", "claim", "paper", "here", "basis")
    cells = [("met" if row["met"] else "**not met**", *(row[name] for name in _CLAIM)) for row in rows]
    return _table(heads, cells, left=len(heads))


def _deeper(settings: Mapping[str, Any]) -> list[str]:
    return [] if settings["deeper"] is None else [f"![Fronts of {settings['deeper']}](max-dnn-fronts-deeper.png)"]


def _searches(rows: Sequence[Row]) -> list[str]:
    named = ("network", "palette", "compensation", "level", "strategy", "evaluations")
    lines = []
    for row in rows:
        pace = row["evaluations_per_minute"]
        told = "" if pace is None else f"{pace:.0f}"
        lines.append((*(row[name] for name in named), f"{row['hypervolume']:.3f}", told))
    return [
        "## Searches at equal evaluations",
        "",
        "Hypervolume of losses up to 10 points and energies up to that of exact products; `one design` runs in all "
        "layers every design that no other beats in energy and predicted noise.",
        "",
        *_table(
            ("network", "designs", "compensation", "level", "search", "evaluations", "hypervolume", "a minute"),
            lines,
            left=5,
        ),
    ]


def _sensitivity(document: Mapping[str, Any]) -> list[str]:
    settings, trainings = document["settings"], document["trainings"]
    classes = ", ".join(f"ROUP_{name} `{design}`" for name, design in settings["classes"].items())
    lines = [
        (
            row["model"],
            row["data"],
            "by filter" if row["per_channel"] else "by layer",
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
    heads = ("network", "data", "weight scales", "ranges from", "class", "int8 %", "first third", "last third")
    return [
        "## Sensitivity",
        "",
        f"{classes}: {settings['class_rule']}.",
        "",
        "![Sensitivity of the layers](max-dnn-sensitivity.png)",
        "",
        f"Points lost on {settings['sensitivity_images']:,} test images with one layer approximate, without "
        "compensation, as the mean of the first and the last third of the layers. A correlation of depth and loss "
        "(Spearman) of -1 says that each layer matters less than the one before.",
        "",
        *_table((*heads, "largest", "correlation"), lines, left=5),
        "",
        _early(trainings),
    ]


def _reconfiguration(cost: Mapping[str, Any]) -> list[str]:
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
    return [
        "## With the cost of reconfiguration",
        "",
        f"`{cost['name']}` is one of {', '.join(f'`{name}`' for name in cost['modes'])} at a time; its area is "
        f"{cost['area_ratio']:.2f} times that of its largest fixed design, its delay {cost['delay_ratio']:.2f} times "
        f"that of the slowest, its energy {ratios} times that of the fixed design in each mode. Searches choose from "
        "these designs, affine compensation. *Configurable* counts the energy of the modes and of their changes, a PE "
        "doing all kernels one after the other. *Busy* is how much of the time 16 columns of fixed designs work, "
        "shared out by the work there is for each: by filter, a product in a mixed array spends what the fixed "
        "design spends, and idle columns are what it costs.",
        "",
        *_table((*heads, "busy %"), lines, left=1),
        "",
        "![With and without the cost of reconfiguration](max-dnn-reconfiguration.png)",
    ]


def _early(trainings: Sequence[Row]) -> str:
    held = [row for row in trainings if row["first_third_loss_pct"] > row["last_third_loss_pct"]]
    return (
        f"Early layers lose more than late ones in {len(held)} of {len(trainings)} rows; the correlation is below -0.5 "
        f"in {sum(row['spearman_depth_loss'] < -0.5 for row in trainings)}."
    )


def _savings(rows: Sequence[Row]) -> list[str]:
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
    return _table(("network", "designs", "compensation", "level", *heads), lines, left=4)


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, left: int) -> list[str]:
    rule = ["---" if place < left else "---:" for place in range(len(heads))]
    return [f"| {' | '.join(map(str, cells))} |" for cells in (heads, rule, *rows)]

"""Figures of the MAx-DNN experiment: fronts by level and multipliers, and what reconfiguration takes from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from axhw.report.style import FAINT, MUTED, design_style, figure_style

Row = Mapping[str, Any]

_TITLES = {"none": "as they are", "bias": "biases compensated", "affine": "biases and scales compensated"}
_PALETTES = {"roup": "ROUP", "published": "published", "library": "whole library"}
_LINES = {"roup": "-", "published": "--", "library": ":"}
_TOP_LOSS_PCT = 10.0


def draw_families(points: Sequence[Row], *, about: str) -> Figure:
    """Loss of accuracy on test images against energy saved, a panel for each compensation.

    Parameters
    ----------
    points : sequence of rows of `axhw.experiments.max_dnn.fronts`
        Of one network.
    about : str
        Network and data, below the figure.
    """
    compensations = list(dict.fromkeys(row["compensation"] for row in points))
    kinds = list(dict.fromkeys((row["palette"], row["level"]) for row in points))
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.2 + 3.4 * len(compensations)), 4.2), layout="constrained")
        every = figure.subplots(1, len(compensations), sharex=True, sharey=True, squeeze=False)[0]
        for axes, compensation in zip(every, compensations):
            axes.grid()
            axes.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            for number, (palette, level) in enumerate(kinds):
                own = sorted(
                    (row["energy_saved_pct"], row["test_loss_pct"])
                    for row in points
                    if (row["compensation"], row["palette"], row["level"]) == (compensation, palette, level)
                )
                style = design_style(number)
                axes.plot(
                    *zip(*own) if own else ((), ()),
                    color=style.colour,
                    marker=style.marker,
                    markersize=4.5,
                    linewidth=1.0,
                    linestyle=_LINES[palette],
                    label=f"{_PALETTES[palette]}, {'mixed' if level == 'mixed' else f'by {level}'}",
                )
            axes.set_title(_TITLES[compensation])
            axes.set_xlabel("energy of the multiplications saved (%)")
        top = max((row["test_loss_pct"] for row in points), default=0.0)
        every[0].set_ylim(top=min(_TOP_LOSS_PCT, 1.05 * top + 0.2))
        every[0].set_ylabel("loss of accuracy on test images (points)")
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_retrained(rows: Sequence[Row], *, about: str) -> Figure:
    """Where retraining takes points of the fronts: an arrow from the loss before to the loss after, a panel a network.

    Parameters
    ----------
    rows : sequence of rows of `axhw.experiments.max_dnn.retraining.retrained_row`
    about : str
    """
    networks = list(dict.fromkeys(str(row["network"]) for row in rows))
    kinds = list(dict.fromkeys((row["palette"], row["level"]) for row in rows))
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.2 + 3.6 * len(networks)), 4.0), layout="constrained")
        every = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
        marks: dict[str, Any] = {}
        for axes, network in zip(every, networks):
            axes.grid()
            axes.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            for row in (row for row in rows if row["network"] == network):
                kind = (row["palette"], row["level"])
                style = design_style(kinds.index(kind))
                saved, before, after = (
                    row[name] for name in ("energy_saved_pct", "test_loss_pct", "retrained_loss_pct")
                )
                axes.annotate(
                    "",
                    (saved, after),
                    (saved, before),
                    arrowprops={"arrowstyle": "-|>", "color": style.colour, "linewidth": 1.0, "shrinkB": 3},
                )
                axes.plot(saved, before, color=style.colour, marker=style.marker, markersize=4.5, fillstyle="none")
                look = {"color": style.colour, "marker": style.marker, "markersize": 4.5, "linestyle": "none"}
                label = f"{_PALETTES[row['palette']]}, by {row['level']}"
                marks.setdefault(label, axes.plot(saved, after, **look)[0])
            axes.set_title(network)
            axes.set_xlabel("energy of the multiplications saved (%)")
        every[0].set_ylabel("loss of accuracy on test images (points)")
        figure.legend(marks.values(), marks.keys(), loc="outside upper left", ncols=4)
        figure.supxlabel(f"{about}; open before, filled after retraining", fontsize=8, color=MUTED)
    return figure


def draw_reconfiguration(rows: Sequence[Row], *, about: str) -> Figure:
    """The same assignments with fixed designs, on the left, and with the configurable multiplier, on the right.

    Parameters
    ----------
    rows : sequence of rows of `axhw.experiments.max_dnn.reconfiguration`
    about : str
    """
    levels = list(dict.fromkeys(str(row["level"]) for row in rows))
    with figure_style():
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        every = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, column, title in (
            (every[0], "fixed_saved_pct", "designs counted as fixed"),
            (every[1], "configurable_saved_pct", "one configurable multiplier"),
        ):
            axes.grid()
            axes.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            for number, level in enumerate(levels):
                style = design_style(number)
                own = sorted((row[column], row["test_loss_pct"]) for row in rows if row["level"] == level)
                axes.plot(
                    *zip(*own),
                    color=style.colour,
                    marker=style.marker,
                    markersize=4.5,
                    linewidth=1.0,
                    label=f"by {level}",
                )
            axes.set_title(title)
            axes.set_xlabel("energy of the multiplications saved (%)")
        every[0].set_ylabel("loss of accuracy on test images (points)")
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_divergence(rows: Sequence[Row], *, models: Mapping[str, str], about: str) -> Figure:
    """Energy saved by layer, and behind them in all together, as several models have it; a panel for each point.

    Parameters
    ----------
    rows : sequence of rows of `axhw.experiments.max_dnn.divergence.divergence`
    models : mapping of str to str
        Columns without their ending, and what they are called; the first one is what the search went by.
    about : str
    """
    compensations = list(dict.fromkeys(str(row["compensation"]) for row in rows))
    levels = list(dict.fromkeys(str(row["level"]) for row in rows))
    *layers, together = dict.fromkeys(str(row["layer"]) for row in rows)
    turned: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    with figure_style():
        figure = Figure(
            figsize=(max(7.2, 1.2 + 3.2 * len(levels)), 1.4 + 2.5 * len(compensations)), layout="constrained"
        )
        grid = figure.subplots(len(compensations), len(levels), sharex=True, sharey=True, squeeze=False)
        for compensation, line in zip(compensations, grid):
            for level, axes in zip(levels, line):
                own = {
                    row["layer"]: row for row in rows if (row["compensation"], row["level"]) == (compensation, level)
                }
                axes.grid(axis="y")
                axes.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
                axes.axvspan(len(layers) - 0.5, len(layers) + 0.5, color=FAINT, alpha=0.4, linewidth=0)
                for number, (model, name) in enumerate(models.items()):
                    style = design_style(number)
                    look: dict[str, Any] = {"color": style.colour, "marker": style.marker, "markersize": 4.5}
                    axes.plot(
                        range(len(layers)),
                        [own[layer][f"{model}_saved_pct"] for layer in layers],
                        linewidth=1.2,
                        linestyle="-" if number else (0, (4, 2)),
                        label=name,
                        **look,
                    )
                    axes.plot(len(layers), own[together][f"{model}_saved_pct"], **look)
                axes.set_title(f"by {level}, {_TITLES[compensation]}")
                axes.set_xticks(range(len(layers) + 1), [*layers, together], **turned)
        for axes in grid[:, 0]:
            axes.set_ylabel("energy saved (%)")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure

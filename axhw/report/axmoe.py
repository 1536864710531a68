"""Figures of the AxMoE study: accuracy by circuit and by cost, sensitivity of experts, searches, and energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from axhw.report.panels import panel_figure
from axhw.report.style import FAINT, INK, MUTED, PAPER, DesignStyle, design_style, figure_style

Row = Mapping[str, Any]

TOPOLOGIES = ("dense", "hard", "soft", "cluster")
_SHARINGS = {
    "network": "one circuit for all",
    "layer": "one for each layer",
    "expert": "one for each expert",
}
_LARGEST_LOSS_PCT = 10.0
_LEAST_WIDTH_INCHES = 6.4
_MOST_NUMBERS = 24


def draw_accuracies(rows: Sequence[Row], *, columns: Mapping[str, str], about: str) -> Figure:
    """Accuracy by circuit, a panel for each network and a line for each column.

    Parameters
    ----------
    rows : sequence of mapping
        With ``network``, ``circuit``, ``int8_accuracy`` and the columns, which may be None; one for each network and
        circuit, in the order of the circuits.
    columns : mapping of str to str
        Columns and what they are called; the first is what the others are held against.
    about : str
        Below the figure.
    """
    networks = list(dict.fromkeys(str(row["network"]) for row in rows))
    circuits = list(dict.fromkeys(str(row["circuit"]) for row in rows))
    with figure_style():
        figure, grid = panel_figure(
            len(networks),
            across=4,
            panel_inches=(2.6, 2.5),
            margin_inches=(1.0, 1.0),
            least_width_inches=_LEAST_WIDTH_INCHES,
            share=True,
        )
        for place, (axes, network) in enumerate(zip(grid.flat, networks)):
            own = {row["circuit"]: row for row in rows if row["network"] == network}
            axes.grid(axis="y")
            axes.axhline(100 * next(iter(own.values()))["int8_accuracy"], color=MUTED, **_DASHED)
            for number, (column, name) in enumerate(columns.items()):
                style = DesignStyle(colour=INK, marker="o") if number == 0 else design_style(number - 1)
                points = [
                    (circuits.index(circuit), 100 * row[column])
                    for circuit, row in own.items()
                    if row[column] is not None
                ]
                axes.plot(
                    *(zip(*points) if points else ((), ())),
                    color=style.colour,
                    marker=style.marker,
                    markersize=4.5,
                    linewidth=1.1,
                    label=name,
                )
            axes.set_title(network)
            axes.set_xticks(range(len(circuits)), [_short(name) for name in circuits], rotation=60)
            # Panels above an empty place have the last axis of their column.
            axes.tick_params(labelbottom=place + grid.shape[1] >= len(networks))
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy (%)")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        handles.append(Line2D([], [], color=MUTED, **_DASHED))
        figure.legend(handles, [*labels, "exact products"], loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_pareto(rows: Sequence[Row], *, about: str, cost: str = "published_cost") -> Figure:
    """Accuracy against normalised cost, a panel for each dense network: hollow as is, filled after retraining.

    Parameters
    ----------
    rows : sequence of mapping
        With ``base``, ``topology``, the cost, ``accuracy``, and ``final_accuracy``, which may be None.
    about : str
    cost : {"published_cost", "cost"}
        Column of the cost.
    """
    bases = list(dict.fromkeys(str(row["base"]) for row in rows))
    shown = [name for name in TOPOLOGIES if any(row["topology"] == name for row in rows)]
    with figure_style():
        figure, grid = panel_figure(
            len(bases),
            across=3,
            panel_inches=(3.4, 3.0),
            margin_inches=(1.2, 1.0),
            least_width_inches=_LEAST_WIDTH_INCHES,
        )
        for axes, base in zip(grid.flat, bases):
            axes.grid()
            finals = []
            for number, topology in enumerate(shown):
                style = design_style(number)
                own = [row for row in rows if (row["base"], row["topology"]) == (base, topology)]
                for row in own:
                    before, after = 100 * row["accuracy"], row["final_accuracy"]
                    hollow = {"markerfacecolor": PAPER, "markeredgecolor": style.colour, "alpha": 0.7}
                    axes.plot(row[cost], before, marker=style.marker, markersize=5, linestyle="none", **hollow)
                    if after is not None:
                        x = row[cost]
                        axes.plot([x, x], [before, 100 * after], color=style.colour, alpha=0.25, linewidth=0.9)
                        finals.append((x, 100 * after, style))
            for x, after, style in finals:
                axes.plot(
                    x, after, marker=style.marker, markersize=6, color=style.colour, markeredgecolor=PAPER, zorder=3
                )
            axes.set_title(base)
            axes.set_xlabel("normalised cost" + (" (published powers)" if cost == "published_cost" else ""))
            axes.set_xlim(left=0)
            axes.set_ylabel("accuracy (%)")
        handles = [
            Line2D([], [], color=design_style(number).colour, marker=design_style(number).marker, linestyle="none")
            for number, _ in enumerate(shown)
        ]
        handles += [
            Line2D([], [], color=MUTED, marker="o", markerfacecolor=PAPER, linestyle="none"),
            Line2D([], [], color=MUTED, marker="o", linestyle="none"),
        ]
        names = [*shown, "as is", "exact or retrained"]
        figure.legend(handles, names, loc="outside upper left", ncols=len(names))
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_experts(rows: Sequence[Row], *, about: str) -> Figure:
    """Loss with one expert approximate, of the images that it computes: experts upwards, layers to the right.

    Parameters
    ----------
    rows : sequence of mapping
        With ``network``, ``layer``, ``expert`` and ``loss_pct``, which is None for experts without images.
    about : str
    """
    networks = list(dict.fromkeys(str(row["network"]) for row in rows))
    limit = max((abs(row["loss_pct"]) for row in rows if row["loss_pct"] is not None), default=0.0) or 1.0
    with figure_style():
        sizes = [_size(rows, network) for network in networks]
        figure = Figure(figsize=(8.2, 0.9 + sum(1.0 + 0.3 * experts for experts, _ in sizes)), layout="constrained")
        grid = figure.subplots(len(networks), 1, squeeze=False, height_ratios=[2 + experts for experts, _ in sizes])
        image = None
        for axes, network in zip(grid[:, 0], networks):
            own = [row for row in rows if row["network"] == network]
            layers = list(dict.fromkeys(str(row["layer"]) for row in own))
            experts = sorted({int(row["expert"]) for row in own})
            values = np.full((len(experts), len(layers)), np.nan)
            for row in own:
                if row["loss_pct"] is not None:
                    values[experts.index(row["expert"]), layers.index(row["layer"])] = row["loss_pct"]
            image = axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
            if len(layers) <= _MOST_NUMBERS:
                _numbers(axes, values, limit)
            if len(layers) == 1:
                network, layers = f"{network}: copies of the whole network", [""]
            axes.set_title(network)
            axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(len(experts)), [f"expert {number}" for number in experts])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_facecolor(FAINT)
        if image is not None:
            figure.colorbar(image, ax=list(grid[:, 0]), label="loss (points)", shrink=0.8)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_sharings(points: Sequence[Row], *, about: str) -> Figure:
    """Loss on test images against energy saved: one circuit for all, for each layer, and for each expert.

    Parameters
    ----------
    points : sequence of mapping
        With ``network``, ``compensation``, ``sharing``, ``energy_saved_pct`` and ``test_loss_pct``.
    about : str
    """
    panels = list(dict.fromkeys((str(row["network"]), str(row["compensation"])) for row in points))
    with figure_style():
        figure, grid = panel_figure(
            len(panels),
            across=3,
            panel_inches=(3.2, 2.9),
            margin_inches=(1.0, 1.2),
            least_width_inches=_LEAST_WIDTH_INCHES,
        )
        for axes, (network, compensation) in zip(grid.flat, panels):
            axes.grid()
            axes.axhline(0, color=MUTED, **_DASHED)
            losses = [1.0]
            for number, (sharing, name) in enumerate(_SHARINGS.items()):
                own = sorted(
                    (row["energy_saved_pct"], row["test_loss_pct"])
                    for row in points
                    if (row["network"], row["compensation"], row["sharing"]) == (network, compensation, sharing)
                )
                style = design_style(number)
                losses += [loss for _, loss in own if loss <= _LARGEST_LOSS_PCT]
                axes.plot(
                    *(zip(*own) if own else ((), ())),
                    color=style.colour,
                    marker=style.marker,
                    markersize=8 - 1.5 * number,
                    markeredgecolor=PAPER,
                    linewidth=1.0 if number else 0.0,
                    zorder=3 + number,
                    label=name,
                )
            margin = 0.08 * (max(losses) - min(losses))
            axes.set_ylim(min(0.0, *losses) - margin, max(losses) + margin)
            axes.set_title(network if compensation == "none" else f"{network}, {compensation} compensated")
            axes.set_xlabel("energy of multiplications saved (%)")
        for axes in grid[:, 0]:
            axes.set_ylabel("loss on test images (points)")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_energies(cells: Sequence[Row], hardware: Sequence[Row], *, about: str) -> Figure:
    """Energy of an image against the dense network with exact products: multiplications alone, and on arrays.

    Parameters
    ----------
    cells : sequence of mapping
        With ``network``, ``base``, ``topology``, ``circuit``, ``energy_nj`` and ``routing_nj``.
    hardware : sequence of mapping
        With ``network``, ``base``, ``topology``, ``circuit``, ``product_nj``, ``idle_nj`` and ``leakage_nj``.
    about : str
    """
    networks = list(dict.fromkeys(str(row["network"]) for row in hardware))
    circuits = list(dict.fromkeys(str(row["circuit"]) for row in hardware))
    height = 0.8 / len(circuits)
    with figure_style():
        figure = Figure(figsize=(8.6, 1.6 + 0.28 * len(networks) * len(circuits)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, rows, parts, title in (
            (left, cells, ("energy_nj",), "multiplications alone"),
            (right, hardware, ("product_nj", "idle_nj", "leakage_nj"), "on systolic arrays"),
        ):
            axes.grid(axis="x")
            exact = {
                row["base"]: sum(row[part] for part in parts)
                for row in rows
                if row["topology"] == "dense" and row["circuit"] == circuits[0]
            }
            for row in rows:
                if row["circuit"] not in circuits or row["network"] not in networks or row["base"] not in exact:
                    continue
                number = circuits.index(row["circuit"])
                place = networks.index(row["network"]) + (number - (len(circuits) - 1) / 2) * height
                begun = 0.0
                for part, alpha in zip(parts, (1.0, 0.5, 0.25)):
                    share = row[part] / exact[row["base"]]
                    colour = design_style(number).colour
                    axes.barh(place, share, left=begun, height=0.9 * height, color=colour, alpha=alpha)
                    begun += share
                axes.annotate(
                    f"{begun:.2f}",
                    (begun, place),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center_baseline",
                    fontsize=7,
                    color=INK,
                )
            axes.axvline(1, color=MUTED, **_DASHED)
            axes.set_title(title)
            axes.margins(x=0.12)
        left.set_yticks(range(len(networks)), networks)
        left.invert_yaxis()
        for axes in (left, right):
            axes.set_xlabel("energy of an image / dense with exact products")
            axes.tick_params(axis="y", length=0)
        handles = [Patch(facecolor=design_style(number).colour) for number in range(len(circuits))]
        handles += [Patch(facecolor=MUTED, alpha=alpha) for alpha in (1.0, 0.5, 0.25)]
        names = [*map(_short, circuits), "products", "idle PEs", "leakage"]
        figure.legend(handles, names, loc="outside upper left", ncols=len(names))
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


_DASHED: Mapping[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 0.9, "zorder": 1}


def _short(circuit: str) -> str:
    return circuit.removeprefix("mul8s_")


def _size(rows: Sequence[Row], network: str) -> tuple[int, int]:
    """Experts and layers."""
    own = [row for row in rows if row["network"] == network]
    return len({row["expert"] for row in own}), len({row["layer"] for row in own})


def _numbers(axes: Axes, values: np.ndarray[Any, np.dtype[np.float64]], limit: float) -> None:
    for (expert, layer), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = PAPER if abs(value) > 0.6 * limit else INK
            axes.text(layer, expert, f"{value:.1f}", ha="center", va="center", fontsize=7, color=colour)

"""Charts of a comparison: energy bars, accuracy against energy, error against energy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from axhw.errors import AxhwError
from axhw.report.comparison import Comparison, ReportedDesign
from axhw.report.labels import Label, place_labels
from axhw.report.numbers import accuracy_decimals, decimals_for, fixed, ratio
from axhw.report.style import INK, MUTED, PAPER, TEXT_BOX, figure_style

_WIDTH_INCHES = 6.4
_SCATTER_HEIGHT_INCHES = 3.9
_BAR_HEIGHT = 0.66  # of the distance between bars
_PALE = 0.45
_DASHED: Mapping[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 0.9, "zorder": 1}
_MARKER_SIZE, _BASELINE_SIZE = 8, 14
_LEAST_ACCURACY_PAD = 0.3  # percentage points
_MOST_DECADES_WITH_STEPS = 2.5

_Point = tuple[ReportedDesign, float, float]


def energy_bars(comparison: Comparison) -> Figure:
    """Energy per operation of each design, inside cells and charging nets, with the zero-delay energy marked.

    The number behind each bar is the timed energy and its ratio to the baseline.
    """
    designs = comparison.designs
    energies = [design.cost.energy_fj for design in designs]
    with figure_style():
        figure = Figure(figsize=(_WIDTH_INCHES, 1.25 + 0.42 * len(designs)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(designs)), energies, height=_BAR_HEIGHT, color=PAPER)  # no grid behind the pale parts
        for place, design in enumerate(designs):
            cost, colour = design.cost, comparison.style(design).colour
            axes.barh(place, cost.internal_fj, height=_BAR_HEIGHT, color=colour)
            axes.barh(place, cost.switching_fj, left=cost.internal_fj, height=_BAR_HEIGHT, color=colour, alpha=_PALE)
            axes.annotate(
                f"{fixed(cost.energy_fj, decimals_for(energies))} fJ, {ratio(comparison.ratio(design, _energy_fj))}",
                (cost.energy_fj, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center_baseline",
                bbox=TEXT_BOX,
            )
        diamonds = axes.plot(
            [design.cost.energy_zero_delay_fj for design in designs],
            range(len(designs)),
            linestyle="none",
            marker="D",
            markersize=5.5,
            markerfacecolor=PAPER,
            markeredgecolor=INK,
            label="zero delay: without glitches",
        )
        axes.set(
            yticks=range(len(designs)),
            yticklabels=[design.name for design in designs],
            xlim=(0, 1.36 * max(energies) or 1),
            ylim=(len(designs) - 0.5, -0.5),
            xlabel="energy per operation (fJ)",
        )
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        parts = [
            Patch(facecolor=MUTED, label="inside cells"),
            Patch(facecolor=MUTED, alpha=_PALE, label="charging nets"),
        ]
        figure.legend(handles=[*parts, *diamonds], loc="outside upper left", ncols=3)
    return figure


def accuracy_against_energy(comparison: Comparison) -> Figure:
    """Accuracy of the network with each design over the energy of its multiplications per inference."""
    result = comparison.baseline.evaluation
    exact = 100 * result.exact_accuracy
    points = [
        (design, design.inference_nj, 100 * design.evaluation.approximate_accuracy) for design in comparison.designs
    ]
    accuracies = [exact, *(accuracy for _, _, accuracy in points)]
    pad = max(0.18 * (max(accuracies) - min(accuracies)), _LEAST_ACCURACY_PAD)
    with figure_style():
        figure, axes = _scatter(comparison, points)
        line = axes.axhline(exact, color=MUTED, **_DASHED)
        axes.set(
            xlim=(0, 1.22 * max(energy for _, energy, _ in points) or 1),
            ylim=(min(accuracies) - pad, max(accuracies) + pad),
            xlabel="energy of the multiplications per inference (nJ)",
            ylabel=f"accuracy on {result.images} {result.split} images (%)",
        )
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        axes.ticklabel_format(axis="y", useOffset=False)
        written = fixed(exact, accuracy_decimals(result.images))
        axes.set_title(f"dashed: {result.network} with exact products, {written} %", fontsize=9, color=MUTED)
        _label(figure, axes, comparison, points, avoid=[line])
    return figure


def error_against_energy(comparison: Comparison) -> Figure:
    """Mean absolute error over energy per operation; designs without error are lines, for a log axis has no 0.

    Raises
    ------
    AxhwError
        If no design makes errors.
    """
    points = [(design, _energy_fj(design), design.record.metrics.mae_pct) for design in comparison.approximate]
    if not points:
        names = ", ".join(design.name for design in comparison.designs)
        raise AxhwError(f"Expected a design with errors to draw them against energy, found only exact ones: {names}.")
    errors = [error for _, _, error in points]
    exact = [design for design in comparison.designs if design not in comparison.approximate]
    with figure_style():
        figure, axes = _scatter(comparison, points)
        lines = [axes.axvline(_energy_fj(design), color=comparison.style(design).colour, **_DASHED) for design in exact]
        axes.set(
            yscale="log",
            xlim=(0, 1.12 * max(map(_energy_fj, comparison.designs)) or 1),
            ylim=(min(errors) / 1.8, max(errors) * 1.8),
            xlabel="energy per operation (fJ)",
            ylabel="mean absolute error (% of the product range)",
        )
        few = math.log10(max(errors) / min(errors)) < _MOST_DECADES_WITH_STEPS
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        if exact:
            names = ", ".join(design.name for design in exact)
            axes.set_title(f"dashed: {names}, no error", fontsize=9, color=MUTED)
        _label(figure, axes, comparison, points, avoid=lines)
    return figure


def _energy_fj(design: ReportedDesign) -> float:
    return design.cost.energy_fj


def _scatter(comparison: Comparison, points: Sequence[_Point]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_INCHES, _SCATTER_HEIGHT_INCHES), layout="constrained")
    axes = figure.add_subplot()
    axes.grid()
    for design, x, y in points:
        style = comparison.style(design)
        axes.plot(
            x,
            y,
            linestyle="none",
            marker=style.marker,
            markersize=_BASELINE_SIZE if design is comparison.baseline else _MARKER_SIZE,
            markerfacecolor=style.colour,
            markeredgecolor=PAPER,
        )
    return figure, axes


def _label(
    figure: Figure, axes: Axes, comparison: Comparison, points: Sequence[_Point], *, avoid: Sequence[Line2D]
) -> None:
    labels = [
        Label(x=x, y=y, text=f"{design.name} (baseline)" if design is comparison.baseline else design.name)
        for design, x, y in points
    ]
    place_labels(figure, axes, labels, avoid=avoid)

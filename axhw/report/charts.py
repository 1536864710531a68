"""Charts of a comparison: energy bars, accuracy against energy, error against energy."""

from __future__ import annotations

import math

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

_SCATTER_INCHES = (6.4, 3.9)
_PALE = 0.45
_BAR = 0.66
_DASHES = (0, (4, 3))
_LEAST_ACCURACY_PAD = 0.3  # percentage points


def energy_bars(comparison: Comparison) -> Figure:
    """Energy per operation of each design, inside cells and charging nets, with the zero-delay energy marked.

    The number behind each bar is the timed energy and its ratio to the baseline.
    """
    designs = comparison.designs
    with figure_style():
        figure = Figure(figsize=(6.4, 1.25 + 0.42 * len(designs)), layout="constrained")
        axes = figure.add_subplot()
        decimals = decimals_for(design.cost.energy_fj for design in designs)
        for row, design in enumerate(designs):
            cost, colour = design.cost, comparison.style(design).colour
            axes.barh(row, cost.internal_fj, height=0.66, color=colour)
            axes.barh(row, cost.switching_fj, left=cost.internal_fj, height=0.66, color=colour, alpha=_PALE)
            share = ratio(comparison.ratio(design, lambda each: each.cost.energy_fj))
            axes.annotate(
                f"{fixed(cost.energy_fj, decimals)} fJ, {share}",
                (cost.energy_fj, row),
                xytext=(5, 0),
                textcoords="offset points",
                va="center_baseline",
                bbox=TEXT_BOX,
            )
        axes.plot(
            [design.cost.energy_zero_delay_fj for design in designs],
            range(len(designs)),
            linestyle="none",
            marker="D",
            markersize=5.5,
            markerfacecolor=PAPER,
            markeredgecolor=INK,
        )
        axes.set(
            yticks=range(len(designs)),
            yticklabels=[design.name for design in designs],
            xlim=(0, 1.36 * max(design.cost.energy_fj for design in designs) or 1),
            xlabel="energy per operation (fJ)",
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        figure.legend(
            handles=[
                Patch(color=MUTED, label="inside cells"),
                Patch(color=MUTED, alpha=_PALE, label="charging nets"),
                Line2D(
                    [],
                    [],
                    linestyle="none",
                    marker="D",
                    markerfacecolor=PAPER,
                    markeredgecolor=INK,
                    markersize=5.5,
                    label="zero delay: without glitches",
                ),
            ],
            loc="outside upper left",
            ncols=3,
        )
    return figure


def accuracy_against_energy(comparison: Comparison) -> Figure:
    """Accuracy of the network with each design over the energy of its multiplications per inference."""
    baseline = comparison.baseline.evaluation
    accuracies = [100 * design.evaluation.approximate_accuracy for design in comparison.designs]
    exact = 100 * baseline.exact_accuracy
    lowest, highest = min(*accuracies, exact), max(*accuracies, exact)
    pad = max(0.18 * (highest - lowest), _LEAST_ACCURACY_PAD)
    with figure_style():
        figure, axes = _scatter()
        line = axes.axhline(exact, color=MUTED, linestyle=_DASHES, linewidth=0.9)
        for design, accuracy in zip(comparison.designs, accuracies):
            _mark(axes, comparison, design, design.inference_nj, accuracy)
        axes.set(
            xlim=(0, 1.22 * max(design.inference_nj for design in comparison.designs) or 1),
            ylim=(lowest - pad, highest + pad),
            xlabel="energy of the multiplications per inference (nJ)",
            ylabel=f"accuracy on {baseline.images} {baseline.split} images (%)",
        )
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        axes.ticklabel_format(axis="y", useOffset=False)
        text = fixed(exact, accuracy_decimals(baseline.images))
        axes.set_title(f"dashed: {baseline.network} with exact products, {text} %", fontsize=9, color=MUTED)
        _label(axes, comparison, [(d, d.inference_nj, y) for d, y in zip(comparison.designs, accuracies)], [line])
    return figure


def error_against_energy(comparison: Comparison) -> Figure:
    """Mean absolute error over energy per operation; designs without error are lines, a log axis has no 0.

    Raises
    ------
    AxhwError
        If no design makes errors.
    """
    approximate = comparison.approximate
    if not approximate:
        names = ", ".join(design.name for design in comparison.designs)
        raise AxhwError(f"Expected a design with errors to draw them against energy, found only exact ones: {names}.")
    errors = [design.record.metrics.mae_pct for design in approximate]
    exact = [design for design in comparison.designs if design not in approximate]
    with figure_style():
        figure, axes = _scatter()
        lines = [
            axes.axvline(design.cost.energy_fj, color=comparison.style(design).colour, linestyle=_DASHES, linewidth=0.9)
            for design in exact
        ]
        for design, error in zip(approximate, errors):
            _mark(axes, comparison, design, design.cost.energy_fj, error)
        axes.set(
            yscale="log",
            xlim=(0, 1.1 * max(design.cost.energy_fj for design in comparison.designs) or 1),
            ylim=(min(errors) / 1.8, max(errors) * 1.8),
            xlabel="energy per operation (fJ)",
            ylabel="mean absolute error (% of the product range)",
        )
        decades = math.log10(max(errors) / min(errors))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        if exact:
            names = ", ".join(design.name for design in exact)
            axes.set_title(f"dashed: {names}, no error", fontsize=9, color=MUTED)
        _label(axes, comparison, [(d, d.cost.energy_fj, y) for d, y in zip(approximate, errors)], lines)
    return figure


def _scatter() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SCATTER_INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.grid()
    return figure, axes


def _mark(axes: Axes, comparison: Comparison, design: ReportedDesign, x: float, y: float) -> None:
    style = comparison.style(design)
    size = 13 if design is comparison.baseline else 8
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=style.marker,
        markersize=size,
        markerfacecolor=style.colour,
        markeredgecolor=PAPER,
    )


def _label(
    axes: Axes, comparison: Comparison, points: list[tuple[ReportedDesign, float, float]], lines: list[Line2D]
) -> None:
    place_labels(
        axes,
        [
            Label(x=x, y=y, text=f"{design.name} (baseline)" if design is comparison.baseline else design.name)
            for design, x, y in points
        ],
        avoid=lines,
    )

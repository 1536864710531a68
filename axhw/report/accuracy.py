"""Accuracy of a network against its energy, for many multipliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from axhw.report.labels import Label, place_labels
from axhw.report.style import MUTED, PAPER, design_style, figure_style
from axhw.selection import pareto_front

_SIZE_INCHES = (6.4, 4.2)
_MOST_LABELS = 25


def draw_accuracy(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Every multiplier as a point, those that no other beats in both filled, joined and named.

    Parameters
    ----------
    rows : sequence of `axhw.evaluation.evaluation_row`
        Of one network and data set, each with an energy.
    """
    points = [dict(row, error_pct=100 * (1 - row["accuracy"])) for row in rows]
    front = sorted(
        pareto_front(points, ["error_pct", "energy_nj_per_inference"]), key=lambda row: row["energy_nj_per_inference"]
    )
    families = list(dict.fromkeys(row["family"] for row in points))
    first = points[0]
    with figure_style():
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.grid()
        axes.axhline(
            100 * first["int8_accuracy"],
            color=MUTED,
            linewidth=0.9,
            linestyle=(0, (4, 3)),
            label="int8, exact products",
        )
        axes.plot(
            *zip(*((row["energy_nj_per_inference"], 100 * row["accuracy"]) for row in front)),
            color=MUTED,
            linewidth=0.9,
            zorder=1,
        )
        for number, family in enumerate(families):
            style = design_style(number)
            for row in (row for row in points if row["family"] == family):
                axes.plot(
                    row["energy_nj_per_inference"],
                    100 * row["accuracy"],
                    linestyle="none",
                    marker=style.marker,
                    markersize=7,
                    markerfacecolor=style.colour if row in front else PAPER,
                    markeredgecolor=PAPER if row in front else style.colour,
                )
            axes.plot([], [], linestyle="none", marker=style.marker, color=style.colour, label=family)
        axes.set(xlabel="energy of the multiplications of an inference (nJ)", ylabel="accuracy (%)")
        axes.set_title(f"{first['network']} on {first['dataset']}, {first['split']}: {first['images']:,} images")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        figure.legend(loc="outside upper left", ncols=max(1, min(6, len(families))))
        if len(front) <= _MOST_LABELS:
            place_labels(
                figure,
                axes,
                [
                    Label(x=row["energy_nj_per_inference"], y=100 * row["accuracy"], text=str(row["name"]))
                    for row in front
                ],
            )
    return figure

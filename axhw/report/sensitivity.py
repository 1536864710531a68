"""The sensitivity of a network's layers as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from axhw.report.style import MUTED, design_style, figure_style

_HEIGHT_INCHES = 3.8
_LEAST_POINTS = 1.0


def draw_sensitivity(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss of accuracy against the number of the layer, for each design: on the left alone, on the right up to it.

    Parameters
    ----------
    rows : sequence of `axhw.sensitivity.sensitivity_row`
        Of one network and one or more designs.
    """
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    first = rows[0]
    layers = max(int(row["number"]) for row in rows)
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.6 + 0.36 * layers), _HEIGHT_INCHES), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, column, title in (
            (left, "accuracy_alone", "one layer approximate"),
            (right, "accuracy_up_to", "all layers up to it approximate"),
        ):
            axes.grid(axis="y")
            axes.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            for number, name in enumerate(names):
                style = design_style(number)
                points = [
                    (row["number"], 100 * (row[column] - row["int8_accuracy"])) for row in rows if row["name"] == name
                ]
                axes.plot(
                    *zip(*points),
                    color=style.colour,
                    marker=style.marker,
                    markersize=5,
                    linewidth=1.2,
                    label=name if axes is left else None,
                )
            axes.set_title(title)
            axes.set_xlabel("product layer")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
        low, high = left.get_ylim()
        left.set_ylim(min(low, -_LEAST_POINTS), max(high, 0.05 * _LEAST_POINTS))
        left.set_ylabel("accuracy minus int8 (points)")
        figure.legend(loc="outside upper left", ncols=4)
        figure.supxlabel(
            f"{first['network']} on {first['dataset']}, {first['split']}: {first['images']:,} images, int8 "
            f"{100 * first['int8_accuracy']:.1f} %",
            fontsize=8,
            color=MUTED,
        )
    return figure

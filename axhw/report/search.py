"""Fronts of searches: loss of accuracy against energy saved, for every level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from axhw.report.style import MUTED, design_style, figure_style

_SIZE_INCHES = (7.2, 3.9)


def draw_fronts(rows: Sequence[Mapping[str, Any]], *, about: str) -> Figure:
    """On the left losses on the images of the search, on the right those of the same points on test images.

    Parameters
    ----------
    rows : sequence of `axhw.search.result.FrontPoint.row`
        Of one or several levels; without test losses there is one panel.
    about : str
        Network and data, below the figure.
    """
    levels = list(dict.fromkeys(str(row["level"]) for row in rows))
    tested = all(row["test_loss_pct"] is not None for row in rows)
    panels = [("validation_loss_pct", "images of the search")]
    if tested:
        panels.append(("test_loss_pct", "test images"))
    with figure_style():
        figure = Figure(figsize=_SIZE_INCHES if tested else (4.6, 3.9), layout="constrained")
        every = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (column, title) in zip(every, panels):
            _panel(axes, rows, levels, column, joined=column == "validation_loss_pct")
            axes.set_title(title)
            axes.set_xlabel("energy of the multiplications saved (%)")
        every[0].set_ylabel("loss of accuracy (points)")
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], levels: list[str], column: str, *, joined: bool) -> None:
    axes.grid()
    axes.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    for number, level in enumerate(levels):
        style = design_style(number)
        points = sorted((row["energy_saved_pct"], row[column]) for row in rows if row["level"] == level)
        axes.plot(
            *zip(*points),
            color=style.colour,
            marker=style.marker,
            markersize=4.5,
            linewidth=1.1 if joined else 0,
            label=f"by {level}" if level != "mixed" else "mixed levels",
        )

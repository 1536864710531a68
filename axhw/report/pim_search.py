"""The front of area, latency and energy of chips for a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from axhw.errors import AxhwError
from axhw.report.style import FAINT, MUTED, PAPER, design_style, figure_style

Row = Mapping[str, Any]

_US_PER_NS = 1e-3
_UJ_PER_NJ = 1e-3
_WIDE_RANGE = 4.0
# What an axis shows, its factor, and its label.
_AXES = {
    "area_mm2": (1.0, "area (mm²)"),
    "latency_ns": (_US_PER_NS, "latency (µs)"),
    "energy_nj": (_UJ_PER_NJ, "energy (µJ)"),
}
_PANELS = (("area_mm2", "latency_ns"), ("area_mm2", "energy_nj"), ("latency_ns", "energy_nj"))


def draw_search(points: Sequence[Row], *, about: str = "") -> Figure:
    """All points, pale, and those of the front in the colour of their group size, two objectives in each panel.

    Parameters
    ----------
    points : sequence of `axhw.pim.search.SearchResult.points`
    about : str
        Below the figure.

    Raises
    ------
    AxhwError
        Without points.
    """
    if not points:
        raise AxhwError("Expected points of a search to draw, found none.")
    front = [point for point in points if point["front"]]
    sizes = sorted({point["group"] for point in points})
    with figure_style():
        figure = Figure(figsize=(10.2, 3.9), layout="constrained")
        for axes, (x, y) in zip(figure.subplots(1, len(_PANELS)), _PANELS):
            _draw(axes, points, front, sizes, x, y)
        handles = [
            Line2D([], [], linestyle="none", color=style.colour, marker=style.marker, label=_words(size))
            for size, style in ((size, design_style(number)) for number, size in enumerate(sizes))
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
        figure.suptitle(f"{len(front):,} of {len(points):,} points are on the front", x=0.01, ha="left", fontsize=10)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _draw(axes: Axes, points: Sequence[Row], front: Sequence[Row], sizes: Sequence[int], x: str, y: str) -> None:
    axes.grid()
    (x_factor, x_label), (y_factor, y_label) = _AXES[x], _AXES[y]
    axes.plot(
        [point[x] * x_factor for point in points],
        [point[y] * y_factor for point in points],
        linestyle="none",
        marker=".",
        markersize=3,
        color=FAINT,
    )
    for number, size in enumerate(sizes):
        style = design_style(number)
        own = [point for point in front if point["group"] == size]
        axes.plot(
            [point[x] * x_factor for point in own],
            [point[y] * y_factor for point in own],
            linestyle="none",
            marker=style.marker,
            markersize=6,
            color=style.colour,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
        )
    for name, axis, factor in ((x, "x", x_factor), (y, "y", y_factor)):
        values = [point[name] * factor for point in points]
        if max(values) > _WIDE_RANGE * min(values):
            axes.set(**{f"{axis}scale": "log"})
            ticks = axes.xaxis if axis == "x" else axes.yaxis
            ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            ticks.set_minor_formatter(NullFormatter())
    axes.set(xlabel=x_label, ylabel=y_label)


def _words(size: int) -> str:
    return "no sharing" if size == 1 else f"groups of {size}"

"""The Pareto front of designs in two figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.report.labels import Label, place_labels
from axhw.report.render import to_png, to_svg
from axhw.report.style import INK, MUTED, PAPER, design_style, figure_style

_SIZE_INCHES = (6.4, 4.2)
_MOST_LABELS = 25
_LEGEND_COLUMNS = 5
_WIDE_RANGE = 30.0
_UNITS = {"um2": "µm²", "ns": "ns", "fj": "fJ", "nw": "nW", "pct": "%"}
_NAMES = {
    "mae": "mean absolute error",
    "wce": "worst-case error",
    "mre": "mean relative error",
    "ep": "error probability",
}

Row = Mapping[str, Any]


def draw_front(rows: Sequence[Row], front: Sequence[Row], *, x: str, y: str) -> Figure:
    """All designs, pale, and those of the front in the colour of their family, joined by steps.

    An axis is logarithmic where its figures span more than a factor of 30, with a linear part for zeros.

    Parameters
    ----------
    rows, front : sequences of `axhw.selection.flat_row`
    x, y : str
        Columns of numbers; smaller is better in both.

    Raises
    ------
    AxhwError
        If the front is empty.
    """
    if not front:
        raise AxhwError(f"Expected designs with {x} and {y} to draw, found none.")
    shown = [row for row in rows if row.get(x) is not None and row.get(y) is not None]
    families = list(dict.fromkeys(row["family"] for row in shown))
    with figure_style():
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.grid()
        steps = sorted((row[x], row[y]) for row in front)
        axes.step(*zip(*steps), where="post", color=MUTED, linewidth=0.9, zorder=1)
        for number, family in enumerate(families):
            style = design_style(number)
            for group, face, size, alpha in ((shown, PAPER, 4.0, 0.5), (front, style.colour, 7.0, 1.0)):
                points = [(row[x], row[y]) for row in group if row["family"] == family]
                if points:
                    axes.plot(
                        *zip(*points),
                        linestyle="none",
                        marker=style.marker,
                        markersize=size,
                        markerfacecolor=face,
                        markeredgecolor=PAPER if group is front else style.colour,
                        alpha=alpha,
                        label=family if group is shown else None,
                    )
        _scale(axes, "x", [float(row[x]) for row in shown])
        _scale(axes, "y", [float(row[y]) for row in shown])
        axes.set(xlabel=axis_label(x), ylabel=axis_label(y))
        axes.set_title(f"{len(front)} of {len(shown)} designs are on the front", color=INK)
        figure.legend(loc="outside upper right", ncols=max(1, min(_LEGEND_COLUMNS, len(families))))
        if len(front) <= _MOST_LABELS:
            place_labels(figure, axes, [Label(x=row[x], y=row[y], text=row["name"]) for row in front])
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the ending of the path says.

    Raises
    ------
    AxhwError
        For endings other than .svg and .png, and if the file cannot be written.
    """
    check_figure_path(path)
    content = to_png(figure) if path.suffix.lower() == ".png" else to_svg(figure).encode()
    with replacing(path) as draft:
        draft.write_bytes(content)


def check_figure_path(path: Path) -> None:
    """Refuse endings that `save_figure` has no format for."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise AxhwError(f"Expected a figure file that ends in .svg or .png, found {path}.")


def axis_label(column: str) -> str:
    """A column's name in words, with its unit.

    >>> axis_label("energy_fj"), axis_label("mae_pct"), axis_label("rank")
    ('energy (fJ)', 'mean absolute error (%)', 'rank')
    """
    stem, _, unit = column.rpartition("_")
    if unit not in _UNITS:
        return _NAMES.get(column, column.replace("_", " "))
    return f"{_NAMES.get(stem, stem.replace('_', ' '))} ({_UNITS[unit]})"


def _scale(axes: Axes, name: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic scale where the values need it."""
    positive = [value for value in values if value > 0]
    if min(values) < 0 or not positive or max(positive) / min(positive) < _WIDE_RANGE:
        return
    set_scale, axis = (axes.set_xscale, axes.xaxis) if name == "x" else (axes.set_yscale, axes.yaxis)
    if len(positive) == len(values):
        set_scale("log")
    else:
        set_scale("symlog", linthresh=min(positive), linscale=0.4)
        # Limits taken on a linear scale would leave half of the figure to negative decades.
        axes.autoscale(axis=name)
        first, last = (math.floor(math.log10(value)) for value in (min(positive), max(positive)))
        # Decades below the smallest value would stand on top of the 0.
        axis.set_major_locator(FixedLocator([0.0, *(10.0**decade for decade in range(first + 1, last + 2))]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())

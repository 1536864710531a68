"""Heat maps of the signed error of product tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from axhw.errors import AxhwError
from axhw.report.style import MUTED, figure_style
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import ProductTable

_COLOURS = (
    "RdBu_r"  # red for products that are too large, blue for too small, white for none; safe in every colour vision
)
_ERROR_LABEL = "product \N{MINUS SIGN} exact product (LSB)"
_PANEL_INCHES = (3.6, 3.2)


def error_heat_map(table: ProductTable) -> Figure:
    """Signed error of one table over all operand pairs: activation a to the right, weight b upwards.

    The colour scale reaches from minus to plus the worst-case error.
    """
    with figure_style():
        figure = Figure(figsize=(4.3, 3.7), layout="constrained")
        axes = figure.add_subplot()
        image = _draw(axes, table, limit=_worst(table))
        figure.colorbar(image, cax=_beside(axes), label=_ERROR_LABEL)
    return figure


def error_heat_maps(tables: Sequence[ProductTable], *, scale: Literal["own", "shared"] = "own") -> Figure:
    """Heat maps of several tables in one figure.

    Parameters
    ----------
    tables : sequence of ProductTable
    scale : {"own", "shared"}
        Each map on its own colour scale, plus and minus its worst-case error, so that the pattern of small errors
        shows too; or all on that of the largest, so that colours compare.

    Raises
    ------
    AxhwError
        Without tables.
    """
    if not tables:
        raise AxhwError("Expected at least one product table to draw error maps of, found none.")
    columns = math.ceil(math.sqrt(len(tables)))
    rows = math.ceil(len(tables) / columns)
    limits = [_worst(table) for table in tables]
    width, height = _PANEL_INCHES
    with figure_style():
        figure = Figure(figsize=(width * columns, height * rows + 0.3), layout="constrained")
        panels = [figure.add_subplot(rows, columns, number + 1) for number in range(len(tables))]
        images = [
            _draw(axes, table, limit=limit if scale == "own" else max(limits))
            for axes, table, limit in zip(panels, tables, limits)
        ]
        if scale == "own":
            for image, axes in zip(images, panels):
                figure.colorbar(image, cax=_beside(axes))
            note = "each map on its own colour scale"
        else:
            figure.colorbar(images[0], ax=panels, fraction=0.05, aspect=40)
            note = "all maps on one colour scale"
        figure.suptitle(f"{_ERROR_LABEL}, {note}", fontsize=9, color=MUTED)
    return figure


def _beside(axes: Axes) -> Axes:
    """Room for a colour bar as high as the map."""
    return axes.inset_axes((1.04, 0, 0.05, 1))


def _draw(axes: Axes, table: ProductTable, *, limit: int) -> AxesImage:
    metrics = exact_metrics(table)
    codes = table.operand_codes()
    first, last = int(codes[0]), int(codes[-1])
    # Rows of an image are its y axis.
    image = axes.imshow(
        _error(table).T,
        origin="lower",
        extent=(first - 0.5, last + 0.5, first - 0.5, last + 0.5),
        cmap=_COLOURS,
        vmin=-limit,
        vmax=limit,
        interpolation="none",
    )
    ticks = [first + len(codes) * quarter // 4 for quarter in range(4)] + [last]
    axes.set(xticks=ticks, yticks=ticks, xlabel="activation a (code)", ylabel="weight b (code)")
    axes.set_title(f"{table.name}\nMAE {metrics.mae:.4g}, WCE {metrics.wce}")
    axes.spines[:].set_visible(False)
    if not metrics.wce:
        axes.text(0.5, 0.5, "no error", transform=axes.transAxes, ha="center", va="center", color=MUTED)
    return image


def _error(table: ProductTable) -> npt.NDArray[np.int64]:
    error: npt.NDArray[np.int64] = table.values - table.exact()
    return error


def _worst(table: ProductTable) -> int:
    """Worst-case error, at least 1: a colour scale needs a width."""
    return max(int(np.abs(_error(table)).max()), 1)

"""Heat maps of the signed error of product tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from axhw.errors import AxhwError
from axhw.report.style import MUTED, figure_style
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import ProductTable

_COLOURS = (
    "RdBu_r"  # red for products that are too large, blue for too small, white for none; safe in every colour vision
)
_ERROR_LABEL = "product \N{MINUS SIGN} exact product (LSB)"

# Inches. Fixed places: layout engines do not settle on colour bars as high as a map with a fixed aspect.
_CELL_WIDTH, _CELL_HEIGHT = 4.25, 3.55
_MAP, _MAP_LEFT, _MAP_BOTTOM = 2.55, 0.75, 0.5
_BAR, _BAR_GAP = 0.13, 0.1
_HEADER = 0.3


def error_heat_map(table: ProductTable) -> Figure:
    """Signed error of one table over all operand pairs: activation a to the right, weight b upwards.

    The colour scale reaches from minus to plus the worst-case error.
    """
    with figure_style():
        figure = Figure(figsize=(_CELL_WIDTH, _CELL_HEIGHT))
        _cell(figure, table, left=0, bottom=0, limit=_worst(table))
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
    note = "each map has its own colour scale" if scale == "own" else "all maps have the same colour scale"
    with figure_style():
        figure = Figure(figsize=(_CELL_WIDTH * columns, _CELL_HEIGHT * rows + _HEADER))
        for number, (table, limit) in enumerate(zip(tables, limits)):
            row, column = divmod(number, columns)
            _cell(
                figure,
                table,
                left=_CELL_WIDTH * column,
                bottom=_CELL_HEIGHT * (rows - 1 - row),
                limit=limit if scale == "own" else max(limits),
            )
        top = 1 - _HEADER / 2 / figure.get_figheight()
        figure.text(0.5, top, note, ha="center", va="center", color=MUTED)
    return figure


def _cell(figure: Figure, table: ProductTable, *, left: float, bottom: float, limit: int) -> None:
    """A map and its colour bar, in a cell whose lower left corner is there, in inches."""
    metrics = exact_metrics(table)
    codes = table.operand_codes()
    first, last = int(codes[0]), int(codes[-1])
    axes = _axes(figure, left + _MAP_LEFT, bottom + _MAP_BOTTOM, _MAP)
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
    bar = _axes(figure, left + _MAP_LEFT + _MAP + _BAR_GAP, bottom + _MAP_BOTTOM, _BAR)
    figure.colorbar(image, cax=bar, label=_ERROR_LABEL)


def _axes(figure: Figure, left: float, bottom: float, width: float) -> Axes:
    """Axes as high as a map, at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, _MAP / up))


def _error(table: ProductTable) -> npt.NDArray[np.int64]:
    error: npt.NDArray[np.int64] = table.values - table.exact()
    return error


def _worst(table: ProductTable) -> int:
    """Worst-case error, at least 1: a colour scale needs a width."""
    return max(int(np.abs(_error(table)).max()), 1)

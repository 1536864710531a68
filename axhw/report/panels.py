"""Figures of many panels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure


def panel_figure(
    count: int,
    *,
    across: int,
    panel_inches: tuple[float, float],
    margin_inches: tuple[float, float],
    least_width_inches: float = 0.0,
    share: bool = False,
) -> tuple[Figure, npt.NDArray[np.object_]]:
    """A figure and its grid of axes, line by line; places behind the last panel are left empty.

    Parameters
    ----------
    count : int
        Panels.
    across : int
        At most so many in a line.
    panel_inches, margin_inches : tuple of float
        Width and height of a panel, and of what is around all of them.
    least_width_inches : float
    share : bool
        Whether panels have both axes in common.
    """
    columns = min(count, across)
    lines = math.ceil(count / columns)
    width, height = (
        margin + number * panel for margin, number, panel in zip(margin_inches, (columns, lines), panel_inches)
    )
    figure = Figure(figsize=(max(least_width_inches, width), height), layout="constrained")
    grid: Any = figure.subplots(lines, columns, sharex=share, sharey=share, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, grid

"""Which multipliers a network's layers use: shares of their multiplications, and maps of filters and kernels."""

from __future__ import annotations

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from axhw.nn.graph import Graph
from axhw.nn.layers.base import WeightLayer
from axhw.report.style import MUTED, PAPER, figure_style
from axhw.search.assignment import Assignment, Ids, shares

_COLOURS = "viridis"
_COLUMNS = 4
_CELL_INCHES = 1.75
_SHARES_INCHES = 0.28
_LEGEND_INCHES = 0.24
_NAMES_A_LINE = 3


def draw_assignment(assignment: Assignment, graph: Graph) -> Figure:
    """Above, how much of each layer each design does; below, a map of each layer: filters down, input channels across.

    Parameters
    ----------
    assignment : Assignment
    graph : Graph
        Of its network.

    Raises
    ------
    AxhwError
        If it is for another network.
    """
    assignment.check(graph)
    names = [design.name for design in assignment.designs]
    # Designs come from the highest energy down: colours follow it from dark to light.
    colours = [to_hex(colour) for colour in colormaps[_COLOURS](np.linspace(0.05, 0.95, len(names)))]
    mapped = [name for name, ids in assignment.layers.items() if ids.ndim]
    lines = math.ceil(len(mapped) / _COLUMNS)
    height = 1.0 + _SHARES_INCHES * len(assignment.layers) + _CELL_INCHES * lines
    height += _LEGEND_INCHES * math.ceil(len(names) / _NAMES_A_LINE)
    with figure_style():
        figure = Figure(figsize=(7.2, height), layout="constrained")
        parts = figure.subfigures(
            2 if lines else 1,
            1,
            squeeze=False,
            height_ratios=[1 + _SHARES_INCHES * len(assignment.layers), _CELL_INCHES * lines][: 2 if lines else 1],
        )[:, 0]
        _shares(parts[0].subplots(), assignment, graph, colours)
        if lines:
            grid = parts[1].subplots(lines, min(_COLUMNS, len(mapped)), squeeze=False).ravel()
            for axes in grid[len(mapped) :]:
                axes.set_axis_off()
            for axes, name in zip(grid, mapped):
                _map(axes, name, assignment.layers[name], graph, colours)
        handles = [Patch(facecolor=colour, edgecolor=PAPER, label=name) for colour, name in zip(colours, names)]
        figure.legend(handles=handles, loc="outside upper left", ncols=_NAMES_A_LINE, fontsize=7)
    return figure


def _shares(axes: Axes, assignment: Assignment, graph: Graph, colours: list[str]) -> None:
    layers = list(assignment.layers)
    by_layer = np.array([shares(assignment.layers[name], graph[name].layer, len(colours)) for name in layers])
    left = np.zeros(len(layers))
    for design, colour in enumerate(colours):
        width = 100 * by_layer[:, design]
        axes.barh(layers, width, left=left, color=colour, edgecolor=PAPER, linewidth=0.5, height=0.75)
        left += width
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="multiplications of the layer (%)")


def _map(axes: Axes, name: str, ids: Ids, graph: Graph, colours: list[str]) -> None:
    layer = graph[name].layer
    assert isinstance(layer, WeightLayer)
    by_kernel = np.broadcast_to(ids.reshape(ids.shape + (1,) * (2 - ids.ndim)), (layer.outputs, layer.channels))
    axes.imshow(
        by_kernel,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_title(name)
    axes.set_xticks([])
    axes.set_yticks([0, layer.outputs - 1], ["1", str(layer.outputs)])
    axes.set_xlabel(f"{layer.channels} channels", color=MUTED, fontsize=7)

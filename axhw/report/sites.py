"""Sensitivity of filters and kernels as figures: heat maps, and predictions against measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from axhw.nn.operand_statistics import FloatArray
from axhw.report.style import FAINT, MUTED, design_style, figure_style

Row = Mapping[str, Any]

_MOST_MAPS = 4
_DECADES = 4
# Below that share of the largest rise the colours are linear, through 0.
_LINEAR = 0.01
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw_filters(rows: Sequence[Row], *, about: str) -> Figure:
    """The rise of the cross entropy with one filter approximate, a line for each layer and a map for each design.

    Filters lie in the order of their rise with the first design, in all maps: where the others follow another order,
    other filters are sensitive.

    Parameters
    ----------
    rows : sequence of mapping
        With ``name``, ``layer``, ``filter`` and ``cross_entropy_rise``, equal filters for each name.
    about : str
        Below the figure.
    """
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    layers = list(dict.fromkeys(str(row["layer"]) for row in rows))
    found = {(row["name"], row["layer"], row["filter"]): row["cross_entropy_rise"] for row in rows}
    orders = {
        layer: sorted(
            (row["filter"] for row in rows if (row["name"], row["layer"]) == (names[0], layer)),
            key=lambda number, layer=layer: -found[names[0], layer, number],  # type: ignore[misc]
        )
        for layer in layers
    }
    longest = max(map(len, orders.values()))
    with figure_style():
        figure = Figure(figsize=(7.6, 0.9 + (0.75 + 0.24 * len(layers)) * len(names)), layout="constrained")
        every = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        largest = max(map(abs, found.values())) or 1.0
        scale = SymLogNorm(_LINEAR * largest, vmin=-largest, vmax=largest)
        for name, axes in zip(names, every):
            image = np.full((len(layers), longest), np.nan)
            for place, layer in enumerate(layers):
                image[place, : len(orders[layer])] = [found[name, layer, number] for number in orders[layer]]
            drawn = axes.imshow(image, aspect="auto", cmap="RdBu_r", norm=scale, interpolation="none")
            axes.set_yticks(range(len(layers)), layers)
            axes.set_title(name)
            axes.set_facecolor(FAINT)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
        bar = figure.colorbar(drawn, ax=list(every), label="rise of the cross entropy (nats)", aspect=24, pad=0.01)
        bar.ax.yaxis.set_major_formatter(_PLAIN)
        every[-1].set_xlabel(f"filters of the layer, in the order of their rise with {names[0]}")
        figure.supxlabel(f"{about}; grey: no more filters", fontsize=8, color=MUTED)
    return figure


def draw_kernels(noise: Mapping[str, Sequence[Sequence[float]]], *, about: str) -> Figure:
    """Predicted noise of kernels, a map for each of some layers, the first and the last among them.

    Filters and channels lie in the order of their sums, so what is left of stripes belongs to single kernels.

    Parameters
    ----------
    noise : mapping of layer to array, shape (filters, channels)
    about : str
        Below the figure.
    """
    layers = list(noise)
    places = sorted({round(place) for place in np.linspace(0, len(layers) - 1, min(_MOST_MAPS, len(layers)))})
    maps = {layers[place]: _sorted(np.asarray(noise[layers[place]], np.float64)) for place in places}
    largest = max(float(each.max()) for each in maps.values()) or 1.0
    least = largest / 10**_DECADES
    scale = LogNorm(least, largest, clip=True)
    with figure_style():
        figure = Figure(figsize=(1.2 + 1.8 * max(2, len(maps)), 2.9), layout="constrained")
        every = figure.subplots(1, len(maps), squeeze=False)[0]
        for (layer, image), axes in zip(maps.items(), every):
            # 0 is left of any logarithm: the palest colour.
            image = np.maximum(image, least)
            drawn = axes.imshow(image, aspect="auto", cmap="Blues", norm=scale, interpolation="none")
            axes.set_title(layer)
            axes.set_xlabel(f"{image.shape[1]} input channels")
            axes.set_ylabel(f"{image.shape[0]} filters")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        bar = figure.colorbar(drawn, ax=list(every), label="predicted noise (squared logits)", aspect=18, pad=0.01)
        bar.ax.yaxis.set_major_formatter(_PLAIN)
        figure.supxlabel(f"{about}; filters and channels in the order of their sums", fontsize=8, color=MUTED)
    return figure


def draw_predictions(filters: Sequence[Row], kernels: Sequence[Row], *, about: str) -> Figure:
    """Measured against predicted noise at the logits, on the left of filters and on the right of kernels.

    Parameters
    ----------
    filters, kernels : sequence of mapping
        With ``layer``, ``predicted_noise`` and ``noise``; what is 0 has no place on a logarithmic axis.
    about : str
        Below the figure.
    """
    layers = list(dict.fromkeys(str(row["layer"]) for row in [*filters, *kernels]))
    with figure_style():
        figure = Figure(figsize=(7.6, 4.0), layout="constrained")
        every = figure.subplots(1, 2)
        for axes, rows, title in zip(every, (filters, kernels), ("one filter approximate", "one kernel approximate")):
            axes.grid()
            axes.set(xscale="log", yscale="log", xlabel="predicted noise (squared logits)")
            for number, layer in enumerate(layers):
                own = [row for row in rows if row["layer"] == layer and row["noise"] > 0 and row["predicted_noise"] > 0]
                style = design_style(number)
                axes.plot(
                    [row["predicted_noise"] for row in own],
                    [row["noise"] for row in own],
                    linestyle="none",
                    color=style.colour,
                    marker=style.marker,
                    markersize=3.5,
                    alpha=0.8,
                    label=layer,
                )
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(LogLocator())
                axis.set_major_formatter(_PLAIN)
                axis.set_minor_formatter(NullFormatter())
            _diagonal(axes)
            axes.set_title(title)
        every[0].set_ylabel("measured noise (squared logits)")
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper left", ncols=8)
        figure.supxlabel(f"{about}; on the line prediction and measurement agree", fontsize=8, color=MUTED)
    return figure


def _sorted(noise: FloatArray) -> FloatArray:
    """Filters and channels of the largest sums first."""
    ordered = noise[np.argsort(-noise.sum(axis=1), kind="stable")]
    return ordered[:, np.argsort(-noise.sum(axis=0), kind="stable")]


def _diagonal(axes: Axes) -> None:
    """Where both coordinates are equal, inside the limits of the points."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    ends = (max(left, low), min(right, high))
    axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(left, right), ylim=(low, high))

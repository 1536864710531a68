"""Figures of the study of experts on shared crossbars: sharing in gates, area efficiency and area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from axhw.report.style import INK, MUTED, design_style, figure_style

Row = Mapping[str, Any]

_DASHED: Mapping[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 0.9, "zorder": 1}
_REST = "everything else"

_FACTORS = {
    "area_factor": "area",
    "energy_factor": "energy, crossbars in random order",
    "energy_factor_stored": "the same without clocks of weights",
    "energy_factor_held": "energy, reads of a crossbar in a row",
}


def draw_factors(groups: Mapping[str, Sequence[Row]], *, about: str) -> Figure:
    """Area and energy of a crossbar against how many share a periphery, by those of one alone.

    Parameters
    ----------
    groups : mapping of str to sequence of mapping
        By the name of a panel, rows of `axhw.pim.sharing.Sharing.rows`.
    about : str
    """
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.0 + 3.1 * len(groups)), 3.9), layout="constrained")
        panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
        for axes, (name, rows) in zip(panels, groups.items()):
            axes.grid()
            sizes = [row["crossbars"] for row in rows]
            axes.plot(sizes, [row["published_factor"] for row in rows], color=INK, **_DASHED)
            for number, column in enumerate(_FACTORS):
                style = design_style(number)
                axes.plot(
                    sizes,
                    [row[column] for row in rows],
                    color=style.colour,
                    marker=style.marker,
                    markersize=5,
                    linewidth=1.1,
                )
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_locator(FixedLocator(sizes))
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.set(title=name, xlabel="crossbars that share a periphery", ylim=(0, None))
        panels[0].set_ylabel("by one crossbar alone")
        handles = [
            Line2D([], [], color=design_style(number).colour, marker=design_style(number).marker, markersize=5)
            for number in range(len(_FACTORS))
        ]
        handles.append(Line2D([], [], color=INK, **_DASHED))
        figure.legend(handles, [*_FACTORS.values(), "paper: 0.2 + 0.8 / g"], loc="outside upper left", ncols=2)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_gains(rows: Sequence[Row], *, definitions: Mapping[str, str], claimed: float, about: str) -> Figure:
    """Area efficiency by grouping and definition, against experts that share nothing.

    Parameters
    ----------
    rows : sequence of mapping
        With ``grouping`` and a column for each definition.
    definitions : mapping of str to str
        Columns, and what they are called.
    claimed : float
        By the paper.
    about : str
    """
    width = 0.84 / len(definitions)
    with figure_style():
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="y")
        axes.axhline(claimed, color=INK, **_DASHED)
        for number, column in enumerate(definitions):
            places = [place + width * (number - (len(definitions) - 1) / 2) for place in range(len(rows))]
            axes.bar(places, [row[column] for row in rows], width=width, color=design_style(number).colour)
        axes.set_ylabel("area efficiency, by no sharing")
        axes.set_xticks(range(len(rows)), [str(row["grouping"]) for row in rows])
        axes.tick_params(axis="x", length=0)
        handles: list[Patch | Line2D] = [
            Patch(color=design_style(number).colour, label=words) for number, words in enumerate(definitions.values())
        ]
        handles.append(Line2D([], [], color=INK, label=f"paper: up to {claimed:g}", **_DASHED))
        figure.legend(handles=handles, loc="outside upper left", ncols=1)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_areas(rows: Sequence[Row], *, names: Mapping[str, str], about: str) -> Figure:
    """Area of chips by part and size of the groups, a panel for each kind of cores.

    Parameters
    ----------
    rows : sequence of mapping
        With ``configuration``, ``group``, ``part`` and ``mm2``.
    names : mapping of str to str
        Configurations, and what they are called.
    about : str
    """
    # Parts that are too small to be seen are one.
    total = {key: sum(row["mm2"] for row in rows if _chip(row) == key) for key in dict.fromkeys(map(_chip, rows))}
    large = dict.fromkeys(str(row["part"]) for row in rows if row["mm2"] > 0.02 * total[_chip(row)])
    shares = {key: dict.fromkeys([*large, _REST], 0.0) for key in total}
    for row in rows:
        shares[_chip(row)][row["part"] if row["part"] in large else _REST] += row["mm2"]
    with figure_style():
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        for axes, (configuration, name) in zip(figure.subplots(1, len(names)), names.items()):
            axes.grid(axis="y")
            own = {group: parts for (kind, group), parts in shares.items() if kind == configuration}
            below = np.zeros(len(own))
            for number, part in enumerate([*large, _REST]):
                heights = np.array([parts[part] for parts in own.values()])
                axes.bar(range(len(own)), heights, bottom=below, width=0.7, color=_part_colour(number, part))
                below += heights
            axes.set_xticks(range(len(own)), [str(group) for group in own])
            axes.tick_params(axis="x", length=0)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axes.set(title=name, xlabel="experts at a periphery", ylabel="area (mm²)")
        handles = [Patch(color=_part_colour(number, part), label=part) for number, part in enumerate([*large, _REST])]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _part_colour(number: int, part: str) -> str:
    return MUTED if part == _REST else design_style(number).colour


def _chip(row: Row) -> tuple[str, int]:
    return row["configuration"], row["group"]

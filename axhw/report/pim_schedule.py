"""Figures of schedules: who works on what in each cycle, and cycles and transfers by grouping and scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from axhw.errors import AxhwError
from axhw.pim.schedule import IDLE, Schedule
from axhw.report.style import MUTED, PAPER, design_style, figure_style

Row = Mapping[str, Any]

SHOWN_CYCLES = 40
"""Cycles of a long schedule that are drawn by default."""

_COLOURS = 6  # of tokens, one after another: equal ones are far from each other
_MOST_NUMBERED = 48
_ROW_INCHES = 0.22
_MODES = {"token_order": "token order", "any_order": "any order"}


def draw_schedules(schedules: Sequence[Schedule], *, about: str, cycles: int = SHOWN_CYCLES) -> Figure:
    """Groups upwards, cycles to the right, coloured by token; one schedule above the other.

    Parameters
    ----------
    schedules : sequence of Schedule
        Of the same tokens.
    about : str
        Below the figure.
    cycles : int
        How many of the first cycles are drawn.

    Raises
    ------
    AxhwError
        Without schedules.
    """
    if not schedules:
        raise AxhwError("Expected at least one schedule to draw, found none.")
    shown = min(cycles, max(schedule.cycles for schedule in schedules))
    heights = [1.0 + _ROW_INCHES * schedule.groups for schedule in schedules]
    with figure_style():
        size = (min(11.0, 2.2 + 0.2 * max(shown, 12)), 0.4 + sum(heights))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(schedules), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axes, schedule in zip(panels, schedules):
            _draw_slots(axes, schedule, shown)
        panels[-1].set_xlabel("cycle")
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _draw_slots(axes: Axes, schedule: Schedule, shown: int) -> None:
    slots = schedule.slots[:shown].T
    colours = ListedColormap([design_style(number).colour for number in range(_COLOURS)])
    values = np.ma.masked_array(slots % _COLOURS, mask=slots == IDLE)
    axes.pcolormesh(values, cmap=colours, vmin=-0.5, vmax=_COLOURS - 0.5, edgecolors=PAPER, linewidth=0.6)
    if shown <= _MOST_NUMBERED:
        for (group, cycle), token in np.ndenumerate(slots):
            if token != IDLE:
                size = 7 if token < 100 else 5
                axes.text(cycle + 0.5, group + 0.5, str(token), ha="center", va="center", fontsize=size, color=PAPER)
    axes.set_title(
        f"{schedule.name.replace('_', ' ')}, {_MODES[schedule.mode]}: "
        f"{schedule.cycles} cycles, {schedule.transfers} transfers"
    )
    axes.set(xlim=(0, shown), ylim=(schedule.groups, 0), ylabel="group")
    axes.set_yticks(np.arange(schedule.groups) + 0.5, [str(group) for group in range(schedule.groups)])
    axes.tick_params(axis="y", length=0)


def draw_counts(rows: Sequence[Row], *, about: str) -> Figure:
    """Cycles and transfers as bars, by grouping and scheduler.

    Parameters
    ----------
    rows : sequence of mapping
        With ``grouping``, ``scheduler``, ``mode``, ``cycles`` and ``transfers``.
    about : str
        Below the figure.

    Raises
    ------
    AxhwError
        Without rows.
    """
    if not rows:
        raise AxhwError("Expected at least one schedule to draw, found none.")
    groupings = list(dict.fromkeys(str(row["grouping"]) for row in rows))
    kinds = list(dict.fromkeys((str(row["scheduler"]), str(row["mode"])) for row in rows))
    width = 0.84 / len(kinds)
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.6 + 0.9 * len(groupings)), 5.2), layout="constrained")
        for axes, column in zip(figure.subplots(2, 1, sharex=True), ("cycles", "transfers")):
            axes.grid(axis="y")
            for number, kind in enumerate(kinds):
                own = [row for row in rows if (row["scheduler"], row["mode"]) == kind]
                places = [groupings.index(row["grouping"]) + width * (number - (len(kinds) - 1) / 2) for row in own]
                axes.bar(places, [row[column] for row in own], width=width, color=_colour(number))
            axes.set_ylabel(column)
            axes.set_xticks(range(len(groupings)), groupings)
            axes.tick_params(axis="x", length=0)
        handles = [Patch(color=_colour(number), label=_kind_name(*kind)) for number, kind in enumerate(kinds)]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _colour(number: int) -> str:
    return design_style(number).colour


def _kind_name(scheduler: str, mode: str) -> str:
    return scheduler.replace("_", " ") + (f", {_MODES[mode]}" if scheduler == "ours" else "")

"""Figures of the study of models with analog experts: selectors, conditions, drift, and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from axhw.report.panels import panel_figure
from axhw.report.style import MUTED, PAPER, design_style, figure_style

Row: TypeAlias = Mapping[str, Any]

_DASHED: Mapping[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 0.9, "zorder": 1}
_BAND = 0.13
_COLUMNS = 4  # of panels
_CONDITIONS = (
    ("all", "chosen", "all modules"),
    ("all", "ideal", "all modules, ideal converters"),
    ("experts", "chosen", "experts"),
    ("experts", "ideal", "experts, ideal converters"),
)
_HOUR, _DAY = 3600.0, 86400.0


def draw_selectors(
    rows: Sequence[Row],
    *,
    selectors: Mapping[str, str],
    banded: Iterable[str],
    references: Mapping[str, float],
    about: str,
) -> Figure:
    """Perplexity against the share of digital experts, a panel for each model and magnitude, a line for each selector.

    Parameters
    ----------
    rows : sequence of mapping
        Means of one kind of noise, with ``model``, ``magnitude``, ``selector``, ``digital_pct``, ``perplexity`` and
        ``perplexity_deviation``; points of none of the selectors belong to all of them.
    selectors : mapping of str to str
        Those shown, and what they are called.
    banded : iterable of str
        Those whose standard deviation over chips is shown as a band.
    references : mapping of str to float
        Perplexity of each model with digital experts.
    about : str
        Below the figure.
    """
    panels = list(dict.fromkeys((str(row["model"]), float(row["magnitude"])) for row in rows))
    panels.sort(key=lambda panel: (list(references).index(panel[0]), panel[1]))
    shown = set(banded)
    with figure_style():
        figure, grid = panel_figure(len(panels), across=_COLUMNS, panel_inches=(3.1, 2.9), margin_inches=(1.0, 1.4))
        for axes, (model, magnitude) in zip(grid.flat, panels):
            own = [row for row in rows if (row["model"], row["magnitude"]) == (model, magnitude)]
            axes.grid()
            axes.axhline(references[model], color=MUTED, **_DASHED)
            for number, name in enumerate(selectors):
                _draw_line(axes, own, name, number, banded=name in shown, known=selectors)
            axes.set_title(f"{model}, c = {magnitude:g}" if magnitude else f"{model}, converters alone", fontsize=9)
            axes.set_xticks((0, 25, 50, 75, 100))
            axes.set_xlabel("digital experts (%)")
        for axes in grid[:, 0]:
            axes.set_ylabel("perplexity")
        handles = [Line2D([], [], **_line_style(number)) for number, _ in enumerate(selectors)]
        handles.append(Line2D([], [], color=MUTED, **_DASHED))
        figure.legend(handles, [*selectors.values(), "all digital"], loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _line_style(number: int) -> dict[str, Any]:
    """Of a selector: colours repeat, and lines with a repeated one are dotted."""
    style = design_style(number)
    repeated = any(design_style(other).colour == style.colour for other in range(number))
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": 4,
        "linewidth": 1.1,
        "linestyle": ":" if repeated else "-",
    }


def _draw_line(
    axes: Axes, rows: Sequence[Row], name: str, number: int, *, banded: bool, known: Mapping[str, str]
) -> None:
    own = sorted(
        (row for row in rows if row["selector"] == name or row["selector"] not in known),
        key=lambda row: float(row["digital_pct"]),
    )
    if not any(row["selector"] == name for row in own):
        return
    x = [row["digital_pct"] for row in own]
    y = np.array([row["perplexity"] for row in own])
    spread = np.array([row["perplexity_deviation"] for row in own])
    if banded:
        axes.fill_between(x, y - spread, y + spread, color=design_style(number).colour, alpha=_BAND, linewidth=0)
    axes.plot(x, y, **_line_style(number))


def draw_conditions(rows: Sequence[Row], *, about: str) -> Figure:
    """Rise of the perplexity against the magnitude of the noise, by what is analog and with which converters.

    Parameters
    ----------
    rows : sequence of mapping
        Means without digital experts, with ``model``, ``analog``, ``converters``, ``magnitude`` and ``rise_pct``.
    about : str
    """
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.0 + 3.0 * len(models)), 3.7), layout="constrained")
        grid = figure.subplots(1, len(models), squeeze=False)
        for axes, model in zip(grid[0], models):
            axes.grid()
            for number, (analog, converters, name) in enumerate(_CONDITIONS):
                own = sorted(
                    (row["magnitude"], row["rise_pct"])
                    for row in rows
                    if (row["model"], row["analog"], row["converters"]) == (model, analog, converters)
                )
                # Without noise and converters nothing changes.
                own = [(0.0, 0.0), *own] if converters == "ideal" else own
                style = design_style(number)
                axes.plot(
                    *zip(*own),
                    color=style.colour,
                    marker=style.marker,
                    markersize=5,
                    linewidth=1.1,
                    label=name,
                )
            axes.set_title(model)
            axes.set_xlabel("magnitude c of the pcm noise")
        grid[0, 0].set_ylabel("rise of the perplexity (%)")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_recovered(rows: Sequence[Row], *, selectors: Mapping[str, str], goal: float, about: str) -> Figure:
    """Share of the loss that digital experts take away, a bar for each selector: in each layer, and over all layers.

    Parameters
    ----------
    rows : sequence of mapping
        Means of one noise and one share, with ``model``, ``selector``, ``scope``, ``recovered_pct``, which is not None,
        and ``recovered_error``, which may be.
    selectors : mapping of str to str
    goal : float
        In %, marked.
    about : str
    """
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    names = [name for name in selectors if any(row["selector"] == name for row in rows)]
    with figure_style():
        figure = Figure(figsize=(2.6 + 2.3 * len(models), 1.4 + 0.34 * len(names)), layout="constrained")
        grid = figure.subplots(1, len(models), sharey=True, squeeze=False)
        for axes, model in zip(grid[0], models):
            axes.grid(axis="x")
            axes.axvline(goal, color=MUTED, **_DASHED)
            for row in rows:
                if row["model"] != model or row["selector"] not in names:
                    continue
                layer = row["scope"] == "layer"
                axes.barh(
                    names.index(row["selector"]) + (-0.19 if layer else 0.19),
                    row["recovered_pct"],
                    height=0.36,
                    color=design_style(0 if layer else 1).colour,
                    xerr=row["recovered_error"],
                    error_kw={"elinewidth": 0.8, "ecolor": MUTED},
                )
            axes.set_title(model)
            axes.set_xlabel("recovered (%)")
        grid[0, 0].set_yticks(range(len(names)), [selectors[name] for name in names])
        grid[0, 0].invert_yaxis()
        bars = [Patch(facecolor=design_style(number).colour) for number in (0, 1)]
        handles = [*bars, Line2D([], [], color=MUTED, **_DASHED)]
        names_shown = ["in each layer", "over all layers", f"{goal:g} %"]
        figure.legend(handles, names_shown, loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_drift(rows: Sequence[Row], *, selectors: Mapping[str, str], about: str) -> Figure:
    """Rise of the perplexity with the time since programming: hollow as it is, filled with compensation.

    Parameters
    ----------
    rows : sequence of mapping
        Means with ``model``, ``seconds`` (0 right after programming), ``compensated``, ``selector`` and ``rise_pct``.
    selectors : mapping of str to str
    about : str
    """
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    times = sorted({float(row["seconds"]) for row in rows})
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.0 + 3.0 * len(models)), 3.7), layout="constrained")
        grid = figure.subplots(1, len(models), squeeze=False)
        for axes, model in zip(grid[0], models):
            axes.grid()
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            for number, name in enumerate(selectors):
                style = design_style(number)
                for compensated in (False, True):
                    # What is read at once needs no compensation.
                    own = sorted(
                        (times.index(row["seconds"]), row["rise_pct"])
                        for row in rows
                        if (row["model"], row["selector"]) == (model, name)
                        and (row["compensated"] == compensated or not row["seconds"])
                        and row["rise_pct"] > 0
                    )
                    axes.plot(
                        *(zip(*own) if own else ((), ())),
                        color=style.colour,
                        marker=style.marker,
                        markersize=5,
                        markerfacecolor=style.colour if compensated else PAPER,
                        linewidth=1.1,
                    )
            axes.set_title(model)
            axes.set_xticks(range(len(times)), [_time(seconds) for seconds in times])
            axes.set_xlabel("read after")
        grid[0, 0].set_ylabel("rise of the perplexity (%)")
        handles = [
            Line2D([], [], color=design_style(number).colour, marker=design_style(number).marker)
            for number, _ in enumerate(selectors)
        ]
        handles += [
            Line2D([], [], color=MUTED, marker="o", markerfacecolor=PAPER),
            Line2D([], [], color=MUTED, marker="o"),
        ]
        figure.legend(handles, [*selectors.values(), "as is", "compensated"], loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_policies(rows: Sequence[Row], *, lines: Mapping[tuple[str, str], str], limit: float, about: str) -> Figure:
    """Rise of the perplexity, and digital experts, against the magnitude of the noise, a line for each policy.

    Parameters
    ----------
    rows : sequence of mapping
        Means with ``model``, ``magnitude``, ``selector``, ``policy``, ``rise_pct`` and ``digital_share_pct``.
    lines : mapping of (str, str) to str
        Selectors and policies, and what they are called.
    limit : float
        Rise in % that one of them keeps to, marked.
    about : str
    """
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    with figure_style():
        figure = Figure(figsize=(max(6.4, 1.0 + 2.9 * len(models)), 5.2), layout="constrained")
        grid = figure.subplots(2, len(models), sharex="col", squeeze=False)
        for column, model in enumerate(models):
            for axes, name in zip(grid[:, column], ("rise_pct", "digital_share_pct")):
                axes.grid()
                for number, (selector, policy) in enumerate(lines):
                    own = sorted(
                        (row["magnitude"], row[name])
                        for row in rows
                        if (row["model"], row["selector"], row["policy"]) == (model, selector, policy)
                    )
                    style = design_style(number)
                    axes.plot(
                        *(zip(*own) if own else ((), ())),
                        color=style.colour,
                        marker=style.marker,
                        markersize=5,
                        linewidth=1.1,
                        label=lines[selector, policy],
                    )
            grid[0, column].axhline(limit, color=MUTED, **_DASHED)
            grid[0, column].set_title(model)
            grid[1, column].set_xlabel("magnitude c of the pcm noise")
            grid[1, column].set_ylim(bottom=0)
        grid[0, 0].set_ylabel("rise of the perplexity (%)")
        grid[1, 0].set_ylabel("digital experts (%)")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        handles.append(Line2D([], [], color=MUTED, **_DASHED))
        figure.legend(handles, [*labels, f"limit of {limit:g} %"], loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _time(seconds: float) -> str:
    if not seconds:
        return "0"
    if seconds < _DAY:
        return f"{seconds / _HOUR:g} h"
    return f"{seconds / _DAY:g} d"

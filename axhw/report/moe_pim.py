"""Figures of the study of experts on shared crossbars: what caches are worth, cycles, the GO cache, and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from axhw.report.style import FAINT, INK, MUTED, PAPER, design_style, figure_style

Row = Mapping[str, Any]

_PAPER: Mapping[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 8,
    "color": PAPER,
    "markeredgecolor": INK,
    "zorder": 5,
}
_KIB = 1024.0


def draw_ratios(rows: Sequence[Row], *, published: tuple[int, float, float], about: str) -> Figure:
    """Time and energy of steps without caches, by those with both, against the number of new tokens.

    Parameters
    ----------
    rows : sequence of mapping
        With ``accounting``, ``new_tokens``, ``time_ratio`` and ``energy_ratio``.
    published : (int, float, float)
        New tokens, and the paper's ratios of time and energy.
    about : str
        Below the figure.
    """
    accountings = list(dict.fromkeys(str(row["accounting"]) for row in rows))
    with figure_style():
        figure = Figure(figsize=(6.4, 3.4), layout="constrained")
        for axes, name, paper in zip(figure.subplots(1, 2), ("time", "energy"), published[1:]):
            axes.grid()
            for number, accounting in enumerate(accountings):
                own = sorted(
                    (row["new_tokens"], row[f"{name}_ratio"]) for row in rows if row["accounting"] == accounting
                )
                style = design_style(number)
                axes.plot(*zip(*own), color=style.colour, marker=style.marker, markersize=5, linewidth=1.1)
            axes.plot(
                published[0],
                paper,
                linestyle="none",
                marker="D",
                markersize=8,
                color=PAPER,
                markeredgecolor=INK,
                zorder=5,
            )
            axes.set(title=name, xlabel="new tokens", ylim=(0, None))
            axes.set_xticks(sorted({row["new_tokens"] for row in rows}))
        figure.axes[0].set_ylabel("without caches / with both")
        handles = [
            Line2D([], [], color=design_style(number).colour, marker=design_style(number).marker, markersize=5)
            for number in range(len(accountings))
        ]
        handles.append(Line2D([], [], **_PAPER))
        names = [f"{name} accounting" for name in accountings]
        figure.legend(handles, [*names, "paper"], loc="outside upper left", ncols=3)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_switches(rows: Sequence[Row], *, about: str) -> Figure:
    """Ratios of time and energy as the accounting is made complete, from the top down.

    Parameters
    ----------
    rows : sequence of mapping
        With ``counted``, ``time_ratio`` and ``energy_ratio``.
    about : str
    """
    with figure_style():
        figure = Figure(figsize=(7.2, 0.9 + 0.26 * len(rows)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, name, number in zip(panels, ("time", "energy"), (0, 1)):
            values = [row[f"{name}_ratio"] for row in rows]
            axes.barh(range(len(rows)), values, height=0.66, color=design_style(number).colour)
            for place, value in enumerate(values):
                axes.annotate(
                    f"{value:.2f}", (value, place), (4, 0), textcoords="offset points", va="center", color=INK
                )
            axes.set_xlim(0, 1.2 * max(values))
            axes.set_xlabel(f"{name}, without caches / with both")
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(rows)), [str(row["counted"]) for row in rows])
        panels[0].invert_yaxis()
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_cycles(rows: Sequence[Row], *, published: Mapping[str, float], about: str) -> Figure:
    """Cycles a token of compact schedules by grouping and kind of trace, beside the published ones.

    Parameters
    ----------
    rows : sequence of mapping
        With ``kind``, ``grouping``, ``mean``, ``least`` and ``most``, cycles a token over the traces of a kind.
    published : mapping of str to float
        By grouping.
    about : str
    """
    groupings = list(dict.fromkeys(str(row["grouping"]) for row in rows))
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    width = 0.84 / (len(kinds) + 1)
    with figure_style():
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="y")

        def place(grouping: str, number: int) -> float:
            return groupings.index(grouping) + width * (number - len(kinds) / 2)

        shown = [name for name in groupings if name in published]
        axes.bar([place(name, 0) for name in shown], [published[name] for name in shown], width=width, color=MUTED)
        for number, kind in enumerate(kinds):
            own = [row for row in rows if row["kind"] == kind]
            means = [row["mean"] for row in own]
            spread = [[row["mean"] - row["least"] for row in own], [row["most"] - row["mean"] for row in own]]
            axes.bar(
                [place(row["grouping"], number + 1) for row in own],
                means,
                width=width,
                color=design_style(number).colour,
                yerr=spread if np.any(spread) else None,
                error_kw={"elinewidth": 0.8, "ecolor": INK},
            )
        axes.set_ylabel("cycles a token")
        axes.set_xticks(range(len(groupings)), groupings)
        axes.tick_params(axis="x", length=0)
        handles = [Patch(color=MUTED, label="paper: Llama-MoE on C4")]
        handles += [Patch(color=design_style(number).colour, label=kind) for number, kind in enumerate(kinds)]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


_TRAFFIC = {
    "kv_read_bytes": "keys and values read",
    "go_read_bytes": "scores and outputs read",
    "kv_written_bytes": "keys and values written",
    "go_written_bytes": "scores and outputs written",
}
_NOTHING, _GIVEN_UP, _HELD, _TAKEN, _TAKEN_GIVEN_UP = range(5)


def draw_cache(rows: Sequence[Row], *, prompt: Sequence[Sequence[int]], tokens: int, about: str) -> Figure:
    """The GO cache step by step: which experts hold which token, hits and misses, and what DRAM moves.

    Parameters
    ----------
    rows : sequence of mapping
        Of `axhw.experiments.moe_pim.timeline.step_rows`.
    prompt : sequence of sequences of int
        Tokens of the prompt that each expert held at first.
    tokens : int
        Of the prompt.
    about : str
    """
    experts, steps = len(prompt), len(rows)
    cells = np.full((experts, tokens + steps), _NOTHING)
    for expert, held in enumerate(prompt):
        cells[expert, list(held)] = _HELD
    for row in rows:
        for expert, old in zip(row["experts"], row["replaced"]):
            cells[expert, row["token"]] = _TAKEN
            if old >= 0:
                cells[expert, old] = _GIVEN_UP if old < tokens else _TAKEN_GIVEN_UP
    given, kept, taken, lost = (design_style(number).colour for number in (5, 0, 1, 4))
    with figure_style():
        figure = Figure(figsize=(10.0, 7.0), layout="constrained")
        grid = figure.subplots(3, 1, sharex=True, height_ratios=(3.2, 1, 1.4))
        first, second, third = grid
        colours = ListedColormap([PAPER, given, kept, taken, lost])
        first.pcolormesh(cells, cmap=colours, vmin=-0.5, vmax=4.5, edgecolors=FAINT, linewidth=0.4)
        for row in rows:
            for expert, old in zip(row["experts"], row["replaced"]):
                text = "" if old < 0 else str(old)
                middle = {"ha": "center", "va": "center_baseline"}
                first.text(row["token"] + 0.5, expert + 0.5, text, fontsize=5.5, color=PAPER, **middle)
        for axes in grid:
            axes.axvline(tokens, color=INK, linewidth=0.9)
        first.set(ylabel="expert", xlim=(0, tokens + steps), ylim=(experts, 0))
        first.set_yticks(np.arange(experts) + 0.5, [str(expert) for expert in range(experts)])
        first.tick_params(axis="y", length=0)
        _bars(second, rows, {"hits": kept, "misses": taken}, scale=1.0)
        second.set(ylabel="experts", ylim=(0, experts), yticks=(0, experts // 2, experts))
        chosen = [
            Patch(color=kept, label="hits: outputs used again"),
            Patch(color=taken, label="misses: experts that run"),
        ]
        second.legend(handles=chosen, loc="upper left")
        shades = dict(zip(_TRAFFIC, (design_style(2).colour, design_style(3).colour, INK, MUTED)))
        _bars(third, rows, shades, scale=_KIB)
        third.set(ylabel="DRAM (KiB)", xlabel=f"token: {tokens} of the prompt, then one a step")
        third.set_xticks(np.arange(0, tokens + steps, 4) + 0.5, [str(n) for n in range(0, tokens + steps, 4)])
        moved = [Patch(color=shades[column], label=name) for column, name in reversed(_TRAFFIC.items())]
        third.legend(handles=moved, loc="upper left")
        handles = [
            Patch(color=kept, label="token of the prompt, held to the end"),
            Patch(color=given, label="given up later"),
            Patch(color=taken, label="new token, in place of the one written"),
            Patch(color=lost, label="given up later"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _bars(axes: Axes, rows: Sequence[Row], columns: Mapping[str, str], *, scale: float) -> None:
    """Stacked, one for each step."""
    axes.grid(axis="y")
    places = [row["token"] + 0.5 for row in rows]
    below = np.zeros(len(rows))
    for column, colour in columns.items():
        heights = np.array([row[column] for row in rows]) / scale
        axes.bar(places, heights, bottom=below, width=0.8, color=colour)
        below += heights


def draw_values(rows: Sequence[Row], *, about: str) -> Figure:
    """Rise of the perplexity: of routings on exact hardware, and of other hardware in each routing.

    Parameters
    ----------
    rows : sequence of mapping
        With ``hardware``, ``route``, ``reference``, ``rise_pct`` and ``rise_trained_pct``; exact hardware first.
    about : str
    """
    exact = rows[0]["hardware"]
    routings = {row["route"]: row["rise_trained_pct"] for row in rows if row["hardware"] == exact}
    others = [row for row in rows if row["hardware"] != exact]
    routes = list(dict.fromkeys(str(row["route"]) for row in others))
    hardware = list(dict.fromkeys(str(row["hardware"]) for row in others))
    height = 0.84 / max(1, len(routes))
    with figure_style():
        tall = max(len(routings) * 0.34, len(hardware) * 0.16 * max(1, len(routes)))
        figure = Figure(figsize=(9.6, 1.7 + tall), layout="constrained")
        first, second = figure.subplots(1, 2)
        first.barh(range(len(routings)), list(routings.values()), height=0.66, color=MUTED)
        first.set_yticks(range(len(routings)), list(routings))
        first.set_title(f"{exact}, over the model as trained")
        for number, route in enumerate(routes):
            own = {row["hardware"]: row["rise_pct"] for row in others if row["route"] == route}
            places = [hardware.index(name) + height * (number - (len(routes) - 1) / 2) for name in own]
            second.barh(places, list(own.values()), height=height, color=design_style(number).colour)
        second.set_yticks(range(len(hardware)), hardware)
        second.set_title(f"over {exact} in the same routing")
        for axes in (first, second):
            axes.grid(axis="x")
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0)
            axes.set_xlabel("rise of the perplexity (%)")
        largest = max(routings.values())
        for place, value in enumerate(routings.values()):
            first.annotate(f"{value:.1f}", (max(value, 0.0), place), (4, 0), textcoords="offset points", va="center")
        first.set_xlim(right=1.15 * largest)
        handles = [Patch(color=design_style(number).colour, label=route) for number, route in enumerate(routes)]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure

"""Figures of simulated language models on crossbars: what one step waits for, and where energy goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from axhw.errors import AxhwError
from axhw.pim.operations import PS_PER_NS
from axhw.pim.simulator import Phase, Simulated
from axhw.report.style import FAINT, INK, MUTED, design_style, figure_style

_UNITS = {"crossbars and digital units": 0, "attention unit": 3, "DRAM": 1}
_US_PER_PS = 1e-3 / PS_PER_NS
_BAR_HEIGHT = 0.62

# What is in a lane, by the names of nodes without their layer.
_LANES: Mapping[str, tuple[str, ...]] = {
    "embedding": ("embedding", "position"),
    "Q, K, V": ("attention_norm", "q", "k", "v", "q_norm", "k_norm"),
    "KV cache": ("kv_read", "kv_write"),
    "attention": ("attention",),
    "O": ("o", "attention_add", "network_norm"),
    "router": ("router", "dispatch", "plan"),
    "GO cache": ("go_read", "go_write"),
    "experts": (
        "expert_up",
        "expert_gate",
        "expert_activation",
        "expert_scale",
        "expert_down",
        "combine",
        "network_add",
    ),
    "shared experts": ("shared_up", "shared_gate", "shared_activation", "shared_scale", "shared_down", "shared_add"),
    "dense network": ("dense_up", "dense_gate", "dense_activation", "dense_scale", "dense_down"),
    "head": ("final_norm", "head", "logits", "sample"),
}

# Categories of energy that are one part of a bar, and its colour, by the place of a design.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "crossbars": ("mvm",),
    "KV cache": ("kv_dram",),
    "GO cache": ("go_dram",),
    "attention": ("attention",),
    "digital units": ("add", "norm", "activation", "sample"),
    "communication": ("communication",),
    "scheduler": ("scheduler",),
    "idle power": ("passive", "dram_idle"),
}


def draw_timeline(runs: Mapping[str, Simulated], *, step: int = 0, about: str = "") -> Figure:
    """What is under way during one pass: a lane for each part of the model, a panel for each run.

    A bar lasts from the first operation of a part in a layer to its last, all tokens together.

    Parameters
    ----------
    runs : mapping of str to Simulated
        Named, such as with caches and without.
    step : int
        Which pass.
    about : str
        Below the figure.

    Raises
    ------
    AxhwError
        Without runs, and for passes that there are not.
    """
    if not runs or any(not 0 <= step < len(run.phases) for run in runs.values()):
        raise AxhwError(f"Expected runs with at least {step + 1} passes to draw, found {len(runs)} runs.")
    bars = {name: _bars(run, step) for name, run in runs.items()}
    lanes = [lane for lane in _LANES if any(lane in each for each in bars.values())]
    with figure_style():
        figure = Figure(figsize=(6.4, 0.7 + len(runs) * (0.55 + 0.2 * len(lanes))), layout="constrained")
        every = figure.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, own) in zip(every, bars.items()):
            _draw_lanes(axes, own, lanes)
            axes.set_title(f"{name}: {runs[name].phases[step].time_ns / 1e3:,.1f} µs")
        longest = max(run.phases[step].time_ns for run in runs.values()) / 1e3
        every[-1].set_xlim(0, 1.02 * longest)
        every[-1].set_xlabel("time (µs)")
        handles = [Patch(color=design_style(place).colour, label=unit) for unit, place in _UNITS.items()]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
        if about:
            figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def draw_energy(phases: Mapping[str, Phase], *, about: str = "") -> Figure:
    """Energy of phases by where it goes.

    Parameters
    ----------
    phases : mapping of str to Phase
        Named; from the top down.
    about : str
        Below the figure.

    Raises
    ------
    AxhwError
        Without phases.
    """
    if not phases:
        raise AxhwError("Expected phases to draw, found none.")
    totals = [phase.energy_nj / 1e3 for phase in phases.values()]
    shares = [
        {
            part: sum(phase.energies_nj.get(category, 0.0) for category in categories) / phase.energy_nj
            for part, categories in _PARTS.items()
        }
        for phase in phases.values()
    ]
    parts = [part for part in _PARTS if any(each[part] > 0 for each in shares)]
    with figure_style():
        figure = Figure(figsize=(6.4, 1.5 + 0.42 * len(phases)), layout="constrained")
        whole, split = figure.subplots(1, 2, sharey=True, width_ratios=(2, 3))
        whole.barh(range(len(totals)), totals, height=_BAR_HEIGHT, color=MUTED)
        for place, total in enumerate(totals):
            whole.annotate(f"{total:,.1f}", (total, place), (4, 0), textcoords="offset points", va="center", color=INK)
        whole.set_xlim(0, 1.45 * max(totals))
        whole.set_xlabel("energy (µJ)")
        whole.set_yticks(range(len(phases)), list(phases))
        for place, own in enumerate(shares):
            begin = 0.0
            for part in parts:
                split.barh(place, 100 * own[part], left=begin, height=_BAR_HEIGHT, color=_colour(part))
                begin += 100 * own[part]
        split.set_xlim(0, 100)
        split.set_xlabel("share of it (%)")
        split.invert_yaxis()
        handles = [Patch(color=_colour(part), label=part) for part in parts]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        if about:
            figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure


def _colour(part: str) -> str:
    if part == "idle power":
        return FAINT
    if part == "scheduler":
        return MUTED
    return design_style(list(_PARTS).index(part)).colour


def _bars(run: Simulated, step: int) -> dict[str, list[tuple[float, float, str]]]:
    """Begin and length in us of each bar of each lane, and the unit that it stands for."""
    program, times = run.program, run.times
    own = np.flatnonzero(program.pass_index == step)
    zero = int(times.end_ps[program.pass_index < step].max(initial=0))
    begin, end = (np.full(len(program.names), fill, np.int64) for fill in (np.iinfo(np.int64).max, -1))
    np.minimum.at(begin, program.node[own], times.start_ps[own])
    np.maximum.at(end, program.node[own], times.end_ps[own])
    lane_of = {node: lane for lane, nodes in _LANES.items() for node in nodes}
    found: dict[str, list[tuple[float, float, str]]] = {}
    for number, name in enumerate(program.names):
        plain = name.rpartition(".")[2]
        if end[number] < 0 or plain not in lane_of:
            continue
        unit = "attention unit" if plain == "attention" else "DRAM" if "_read" in plain or "_write" in plain else ""
        bar = ((begin[number] - zero) * _US_PER_PS, (end[number] - begin[number]) * _US_PER_PS)
        found.setdefault(lane_of[plain], []).append((*bar, unit or "crossbars and digital units"))
    return found


def _draw_lanes(axes: Axes, bars: Mapping[str, Sequence[tuple[float, float, str]]], lanes: Sequence[str]) -> None:
    axes.grid(axis="x")
    for place, lane in enumerate(lanes):
        for begin, length, unit in bars.get(lane, ()):
            # With a line around them, as the shortest would be too thin to see.
            colour = design_style(_UNITS[unit]).colour
            axes.barh(place, length, left=begin, height=_BAR_HEIGHT, color=colour, edgecolor=colour, linewidth=0.7)
    axes.set_yticks(range(len(lanes)), list(lanes))
    axes.set_ylim(len(lanes) - 0.5, -0.5)

"""Area efficiency of shared peripheries, and operations per second, watt and mm2, in several ways to count.

The paper (arXiv 2602.10254) claims up to 2.2 x the area efficiency of the experts' part, and 15.6 GOPS/W/mm2, and does
not define either. Its code (github.com/superstarghy/MoEwithPIM) shows how a schedule of c cycles a token is simulated:
a prompt of 32 tokens becomes one of ceil(32 c), and 1 - s + s / g of the energy of an MVM are paid in all matrices. So
all natural definitions are here side by side, none of which has a constant to tune.

Area efficiency is a gain over experts that share nothing, each with the area factor 1 - s + s / g of its crossbars:

    token_by_token   cycles of one token after the other without sharing (1 cycle a token), by those of a schedule
    same_schedule    cycles of the same scheduler without sharing, by those of the schedule
    simulated        time of 32 tokens, by that of ceil(32 c) tokens: the whole layer, the area of experts
    rate             operations a second of ceil(32 c) tokens, by those of 32 tokens; the area of experts
    chip             as simulated, with the area of all cores of the chip, of which only experts share

Density is operations by energy and area, for phases (the prompt, the steps with caches after it, both) and areas
(cores of experts; of the layer, without embedding and head; of the chip; of the chip, all of them sharing). The
operations are those of the prompt itself, 32 tokens, whatever the schedule, counted as the published code does:

    tile               filled cells x (2 - 1/256); lookups of the embedding like products
    attention          2 (D + S^2) d + 4 D + 1 - S of S tokens, D = (S^2 + S) / 2; of one query 4 S d + 3 S + 1
    digital units      1 a value, 10 of a norm, 6 of a GeLU; additions of partial sums too
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.pim.accounting import FULL_ACCOUNTING, PUBLISHED_ACCOUNTING
from axhw.pim.area import chip_area
from axhw.pim.choices import Choices
from axhw.pim.configurations import Configuration
from axhw.pim.grouping import named_grouping, parsed_name
from axhw.pim.model import LLAMA_MOE_4_16, DecoderModel
from axhw.pim.model_graph import model_graph
from axhw.pim.operations import Kind
from axhw.pim.parameters import PUBLISHED
from axhw.pim.routing import LayerRouting
from axhw.pim.schedule import Mode
from axhw.pim.simulator import Phase, Run, Simulated, simulate
from axhw.pim.workload import Workload

CLAIMED_AREA_EFFICIENCY = 2.2
CLAIMED_DENSITY = 15.6
"""In GOPS/W/mm2."""

PUBLISHED_CYCLES: Mapping[str, float] = {"U1": 0.4989, "U2": 0.7518, "S2": 0.5753, "U4": 1.2288, "S4": 1.0627}
"""Cycles a token of compact schedules on the authors' trace of C4."""

DEFINITIONS: Mapping[str, str] = {
    "token_by_token": "cycles, against one token after the other without sharing",
    "same_schedule": "cycles, against the same scheduler without sharing",
    "simulated": "simulated time of the layer, against one token after the other; area of experts",
    "rate": "simulated operations a second, against one token after the other; area of experts",
    "chip": "simulated time of the layer, against one token after the other; area of the chip",
}
"""Ways to define area efficiency."""

PHASES = ("prompt", "steps", "prompt and steps")
AREAS = ("experts", "layer", "chip", "chip, all share")
GROUPINGS = ("U1", "U2", "S2", "C2", "U4", "S4", "C4")
SCHEDULERS: tuple[tuple[str, Mode], ...] = (
    ("token_by_token", "token_order"),
    ("compact", "token_order"),
    ("rescheduled", "token_order"),
    ("ours", "token_order"),
    ("ours", "any_order"),
)

_PROMPT = 32
_NONE = "none"


def filled_operations(part: Simulated, run: Run) -> int:
    """Two for each weight of each matrix that a vector is multiplied with; lookups are none, nor is attention."""
    nodes = dict(model_graph(run.workload.model, run.accounting).nodes(data=True))
    counts = np.bincount(part.program.node, minlength=len(part.program.names))
    return sum(
        2 * nodes[name]["inputs"] * nodes[name]["outputs"] * int(count)
        for name, count in zip(part.program.names, counts)
        if nodes[name]["kind"] == Kind.PRODUCT and nodes[name]["inputs"] is not None
    )


def published_operations(part: Simulated, run: Run) -> float:
    """Operations as the published code counts them: see the module."""
    model, core = run.workload.model, run.parameters.core
    nodes = dict(model_graph(model, run.accounting).nodes(data=True))
    counts = np.bincount(part.program.node, minlength=len(part.program.names))
    of_value = {"add": 1, "norm": 10, "activation": 6 if model.smooth else 1}
    total = float(part.program.partial_sums.sum()) * core.columns
    for name, count in zip(part.program.names, counts.tolist()):
        node = nodes[name]
        if node["kind"] == Kind.PRODUCT:
            # A lookup reads one row of tiles.
            inputs = core.rows if node["inputs"] is None else node["inputs"]
            total += count * inputs * node["outputs"] * (2 - 1 / core.columns)
        elif node["category"] in of_value:
            total += count * node["width"] * of_value[node["category"]]
        elif node["category"] == "sample":
            total += count
        elif node["category"] == "attention":
            length, width = part.passes.length.astype(np.float64), model.query_width
            one = part.passes.one_query
            dots = np.where(one, length, (length * length + length) / 2)
            sums = np.where(one, length, length * length)
            total += float((2 * dots * width + 2 * sums * width + 4 * dots - length + 1).sum())
    return total


def area_efficiency_rows(
    model: DecoderModel = LLAMA_MOE_4_16, *, cycles: Mapping[str, float] = PUBLISHED_CYCLES, prompt: int = _PROMPT
) -> list[dict[str, Any]]:
    """Gain of each grouping by each of the `DEFINITIONS`, from cycles a token.

    Parameters
    ----------
    model : DecoderModel
    cycles : mapping of str to float
        Cycles a token of each grouping, all of one scheduler; "U1", which shares nothing, is one of them.
    prompt : int
        Tokens of the prompt that the cycles stand for.

    Raises
    ------
    AxhwError
        Without the cycles of "U1".
    """
    if "U1" not in cycles:
        raise AxhwError(f"Expected the cycles of U1, which shares nothing, among them, found {', '.join(cycles)}.")
    base = _scaled_prompt(model, prompt, 1.0)
    core, tiles = PUBLISHED.core, model.tiles(PUBLISHED.core)
    total, experts = sum(tiles.values()), tiles["experts"]
    rows = []
    for name, each in cycles.items():
        group = parsed_name(name)[1]
        factor = core.sharing_factor(group)
        run = _scaled_prompt(model, prompt, each, group=group)
        time = base.prefill.time_ns / run.prefill.time_ns
        rows.append(
            {
                "grouping": name,
                "group": group,
                "cycles_per_token": each,
                "area_factor": factor,
                "token_by_token": 1 / (each * factor),
                "same_schedule": cycles["U1"] / (each * factor),
                "simulated": time / factor,
                "rate": _rate(run) / _rate(base) / factor,
                "chip": time * total / (total - experts + experts * factor),
            }
        )
    return rows


def trace_efficiency_rows(
    choices: Choices,
    *,
    groupings: Sequence[str] = GROUPINGS,
    schedulers: Sequence[tuple[str, Mode]] = SCHEDULERS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Cycles, transfers and gains by cycles of schedules of a trace.

    Parameters
    ----------
    choices : Choices
        What groupings are made for, and what is scheduled.
    groupings : sequence of str
    schedulers : sequence of (str, str)
        Scheduler and mode.
    seed : int
        Of groupings and schedulers.
    """
    # Compiled code takes long to import.
    from axhw.pim.schedulers import scheduled

    def made(grouping: str, scheduler: str, mode: Mode) -> tuple[int, int]:
        loads = named_grouping(grouping, choices, rng=np.random.default_rng(seed)).loads(choices)
        found = scheduled(scheduler, loads, rng=np.random.default_rng(seed), mode=mode)
        return found.cycles, found.transfers

    alone = {each: made("U1", *each)[0] for each in schedulers}
    rows = []
    for grouping in groupings:
        group = parsed_name(grouping)[1]
        factor = PUBLISHED.core.sharing_factor(group)
        for scheduler, mode in schedulers:
            cycles, transfers = made(grouping, scheduler, mode)
            rows.append(
                {
                    "grouping": grouping,
                    "group": group,
                    "scheduler": scheduler,
                    "mode": mode,
                    "cycles": cycles,
                    "transfers": transfers,
                    "cycles_per_token": cycles / choices.tokens,
                    "area_factor": factor,
                    "token_by_token": choices.tokens / (cycles * factor),
                    "same_schedule": alone[scheduler, mode] / (cycles * factor),
                }
            )
    return rows


def density_rows(
    model: DecoderModel = LLAMA_MOE_4_16,
    *,
    cycles: Mapping[str, float] = PUBLISHED_CYCLES,
    prompt: int = _PROMPT,
    new_tokens: int = 8,
) -> list[dict[str, Any]]:
    """GOPS/W/mm2 by phase, area and grouping, in the published accounting; "none" is token by token without sharing."""
    core, tiles = PUBLISHED.core, model.tiles(PUBLISHED.core)
    total, experts = sum(tiles.values()), tiles["experts"]
    layer = total - tiles["embedding"] - tiles["head"]
    work = _scaled_prompt(model, prompt, 1.0)
    found = []
    for name, each in {_NONE: 1.0, **cycles}.items():
        group = 1 if name == _NONE else parsed_name(name)[1]
        factor = core.sharing_factor(group)
        saved = experts * (1 - factor)
        cores = dict(zip(AREAS, (experts * factor, layer - saved, total - saved, total * factor)))
        steps = simulate(
            Workload(model=model, prompt=prompt, new_tokens=new_tokens, group=group), accounting=PUBLISHED_ACCOUNTING
        )
        read = _scaled_prompt(model, prompt, each, group=group).prefill
        parts = {"prompt": [(published_operations(work.reading, work), read.time_ns, read.energy_nj)], "steps": []}
        if steps.generating is not None:
            operations = published_operations(steps.generating, steps)
            parts["steps"] = [(operations, steps.decode.time_ns, steps.decode.energy_nj)]
        parts["prompt and steps"] = parts["prompt"] + parts["steps"]
        for phase in PHASES:
            for area, count in cores.items():
                if parts[phase]:
                    found.append(_density(parts[phase], count * core.area_mm2, phase=phase, area=area, grouping=name))
    return found


def nearest_density(rows: Sequence[Mapping[str, Any]], *, claimed: float = CLAIMED_DENSITY) -> dict[str, Any]:
    """The definition, phase and area, whose best grouping comes nearest to what is claimed, and how far it is off."""
    best: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        key = (row["phase"], row["area"])
        if key not in best or row["gops_w_mm2"] > best[key]["gops_w_mm2"]:
            best[key] = row
    row = min(best.values(), key=lambda row: abs(math.log(row["gops_w_mm2"] / claimed)))
    return {**row, "off": row["gops_w_mm2"] / claimed - 1, "definitions": len(best)}


def full_density(
    model: DecoderModel,
    configuration: Configuration,
    *,
    prompt: int = _PROMPT,
    new_tokens: int = 8,
    routing: tuple[LayerRouting, ...] | None = None,
    kv_cache: bool = True,
    go_cache: bool = True,
) -> list[dict[str, Any]]:
    """GOPS/W/mm2 of each phase with everything counted: time, energy and area; operations of matrices alone.

    Parameters
    ----------
    model : DecoderModel
    configuration : Configuration
    prompt, new_tokens : int
    routing : tuple of LayerRouting, optional
        Its groups are of the configuration's size. By default drawn at random.
    kv_cache, go_cache : bool
    """
    workload = Workload(
        model=model,
        prompt=prompt,
        new_tokens=new_tokens,
        kv_cache=kv_cache,
        go_cache=go_cache,
        group=configuration.group,
        routing=routing,
    )
    run = simulate(workload, parameters=configuration.parameters, accounting=FULL_ACCOUNTING)
    mm2 = chip_area(model, configuration, prompt=prompt).total_mm2
    parts = {"prompt": [_figures(run.reading, run, run.prefill)]}
    if run.generating is not None:
        parts["steps"] = [_figures(run.generating, run, run.decode)]
        parts["prompt and steps"] = parts["prompt"] + parts["steps"]
    grouping = _NONE if configuration.group == 1 else f"groups of {configuration.group}"
    return [
        _density(figures, mm2, phase=phase, area="everything", grouping=grouping) for phase, figures in parts.items()
    ]


def _scaled_prompt(model: DecoderModel, prompt: int, cycles: float, *, group: int = 1) -> Run:
    """The prompt as the published code simulates it: as many tokens as cycles, without caches and without groups.

    A group changes nothing but the energy of an MVM: its waiting is in the cycles.
    """
    core = PUBLISHED.core
    shared = replace(PUBLISHED, core=replace(core, mvm_nj=core.mvm_nj * core.sharing_factor(group)))
    workload = Workload(model=model, prompt=math.ceil(prompt * cycles)).uncached()
    return simulate(workload, parameters=shared, accounting=PUBLISHED_ACCOUNTING)


def _rate(run: Run) -> float:
    return filled_operations(run.reading, run) / run.prefill.time_ns


def _figures(part: Simulated, run: Run, phase: Phase) -> tuple[float, float, float]:
    return filled_operations(part, run), phase.time_ns, phase.energy_nj


def _density(
    parts: Sequence[tuple[float, float, float]], mm2: float, *, phase: str, area: str, grouping: str
) -> dict[str, Any]:
    """Operations, ns and nJ of parts one after the other: operations a ns are GOPS, nJ a ns are W."""
    operations, time_ns, energy_nj = (sum(values) for values in zip(*parts))
    gops, watts = operations / time_ns, energy_nj / time_ns
    return {
        "phase": phase,
        "area": area,
        "grouping": grouping,
        "operations": operations,
        "time_ns": time_ns,
        "energy_nj": energy_nj,
        "gops": gops,
        "watts": watts,
        "mm2": mm2,
        "gops_w_mm2": gops / watts / mm2,
    }

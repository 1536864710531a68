"""The simulator: published figures, what caches are worth, each switch of the accounting, and larger models."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from axhw.errors import AxhwError
from axhw.experiments.moe_pim import published
from axhw.pim.accounting import ACCOUNTINGS, FULL_ACCOUNTING, PUBLISHED_ACCOUNTING, Accounting
from axhw.pim.model import LLAMA_MOE_4_16, find_model
from axhw.pim.parameters import PUBLISHED
from axhw.pim.simulator import Phase, simulate
from axhw.pim.workload import Workload

Row = dict[str, Any]

WORKLOAD = Workload(model=LLAMA_MOE_4_16, prompt=published.PROMPT, new_tokens=published.NEW_TOKENS)

NEITHER, BOTH = "none", "KV and GO"
CACHES: Mapping[str, tuple[bool, bool]] = {
    NEITHER: (False, False),
    "KV": (True, False),
    "GO": (False, True),
    BOTH: (True, True),
}
"""Whether there is a KV cache, and a GO cache."""

SWITCHES: Mapping[str, str] = {
    "experts_wait": "experts wait for the router",
    "combine_width": "outputs of experts are added at full width",
    "first_norm": "norm before the first attention",
    "whole_query": "attention of one query is not halved",
    "go_dram": "GO cache is read",
    "cache_writes": "caches are written",
    "dram_waits": "DRAM idles with and without caches",
    "every_step": "as many steps as new tokens",
    "choices_vary": "experts choose as they like",
    "scheduler": "the scheduler",
    "experts_share": "shared peripheries save in experts alone",
    "keys_kept": "one token alone needs both caches",
}
"""What each switch of an accounting counts, in the order in which they are turned."""

GROUP_SIZES = (1, 2, 4)


def check_rows() -> list[Row]:
    """Each published figure beside ours: ``figure``, ``unit``, ``paper``, ``ours``, ``decimals``."""
    cached = simulate(WORKLOAD, accounting=PUBLISHED_ACCOUNTING).decode
    bare = simulate(WORKLOAD.uncached(), accounting=PUBLISHED_ACCOUNTING)
    prompt, steps = bare.prefill, bare.decode
    found = [
        ("prompt", "MVMs", published.PREFILL_MVMS, prompt.mvms, 0),
        ("prompt", "ns", published.PREFILL_NS, prompt.time_ns, 1),
        ("prompt", "nJ", published.PREFILL_NJ, prompt.energy_nj, 2),
        *(
            (f"prompt, {part}", "nJ", value, prompt.energies_nj[part], 2)
            for part, value in published.PREFILL_PARTS_NJ.items()
        ),
        ("7 steps with caches", "MVMs", published.DECODE_MVMS, cached.mvms, 0),
        ("7 steps with caches", "ns", published.DECODE_NS, cached.time_ns, 2),
        ("7 steps with caches", "nJ", published.DECODE_NJ, cached.energy_nj, 2),
        ("7 steps without caches", "MVMs", published.BARE_MVMS, steps.mvms, 0),
    ]
    return [
        {"figure": figure, "unit": unit, "paper": paper, "ours": ours, "decimals": decimals}
        for figure, unit, paper, ours, decimals in found
    ]


def agrees(row: Mapping[str, Any]) -> bool:
    """Whether a row of `check_rows` is the published figure to its last digit."""
    return bool(round(row["ours"], row["decimals"]) == row["paper"])


def cache_rows(new_tokens: int, *, caches: Sequence[str] = tuple(CACHES)) -> list[Row]:
    """Steps of the published workload by accounting and caches, and what they take by those with both caches.

    Parameters
    ----------
    new_tokens : int
    caches : sequence of str
        Names of `CACHES`, that of both among them.
    """
    rows: list[Row] = []
    for accounting in ACCOUNTINGS.values():
        phases = {
            name: simulate(
                replace(WORKLOAD, new_tokens=new_tokens, kv_cache=CACHES[name][0], go_cache=CACHES[name][1]),
                accounting=accounting,
            ).decode
            for name in caches
        }
        both = phases[BOTH]
        rows += [
            {
                "new_tokens": new_tokens,
                "accounting": accounting.name,
                "caches": name,
                "steps": phase.passes,
                "mvms": phase.mvms,
                "time_ns": phase.time_ns,
                "energy_nj": phase.energy_nj,
                **_ratios(phase, both),
            }
            for name, phase in phases.items()
        ]
    return rows


def switch_rows() -> list[Row]:
    """From the published accounting to the full one, a switch a row; each keeps what those above it turned.

    Raises
    ------
    AxhwError
        If the switches of this table do not lead to full accounting.
    """
    accounting: Accounting = PUBLISHED_ACCOUNTING
    rows = [_switched("published", "", accounting)]
    for switch, words in SWITCHES.items():
        accounting = replace(accounting, **{switch: getattr(FULL_ACCOUNTING, switch)})
        rows.append(_switched(words, switch, accounting))
    if replace(accounting, name=FULL_ACCOUNTING.name) != FULL_ACCOUNTING:
        raise AxhwError("Expected switches for all that full accounting counts, found some without: add them.")
    return rows


def _switched(words: str, switch: str, accounting: Accounting) -> Row:
    run = simulate(WORKLOAD, accounting=accounting)
    bare = simulate(WORKLOAD.uncached(), accounting=accounting).decode
    return {
        "counted": words,
        "switch": switch,
        "prompt_ns": run.prefill.time_ns,
        "prompt_nj": run.prefill.energy_nj,
        "steps_ns": run.decode.time_ns,
        "steps_nj": run.decode.energy_nj,
        **_ratios(bare, run.decode),
    }


def model_rows(name: str, *, prompt: int, new_tokens: int, seed: int) -> list[Row]:
    """A model by number of experts that share a periphery, everything counted; and how fast it is simulated."""
    model = find_model(name)
    # Compiled before it is timed.
    simulate(replace(WORKLOAD, prompt=1, new_tokens=1))
    rows: list[Row] = []
    for group in GROUP_SIZES:
        workload = Workload(model=model, prompt=prompt, new_tokens=new_tokens, group=group, seed=seed)
        begun = time.process_time()
        run = simulate(workload)
        seconds = time.process_time() - begun
        rows.append(
            {
                "model": name,
                "layers": model.layers,
                "experts": f"{model.active_experts} of {model.experts}",
                "crossbars": sum(model.tiles(PUBLISHED.core).values()),
                "prompt": prompt,
                "new_tokens": new_tokens,
                "group": group,
                "prompt_ns": run.prefill.time_ns,
                "prompt_nj": run.prefill.energy_nj,
                "steps_ns": run.decode.time_ns,
                "steps_nj": run.decode.energy_nj,
                "operations": run.operations,
                "seconds": seconds,
                "operations_per_s": run.operations / seconds,
            }
        )
    return rows


def _ratios(phase: Phase, both: Phase) -> Row:
    return {"time_ratio": phase.time_ns / both.time_ns, "energy_ratio": phase.energy_nj / both.energy_nj}

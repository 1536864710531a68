"""The GO cache step by step: which experts take which token, what they give up for it, and what DRAM moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from axhw.experiments.moe_pim.simulations import WORKLOAD
from axhw.pim.cache import GoCache, expert_choices, go_bytes, go_written_bytes, kv_bytes
from axhw.pim.grouping import uniform_grouping
from axhw.pim.routing import LayerRouting
from axhw.pim.simulator import simulate
from axhw.pim.workload import Workload

Row = dict[str, Any]


def step_rows(steps: int, *, seed: int) -> list[Row]:
    """Decode steps of the published workload with both caches and everything counted; scores are drawn.

    Parameters
    ----------
    steps : int
    seed : int
        Of independent normal scores.

    Returns
    -------
    list of one dict
        ``steps``: for each its ``token``; ``experts`` that take it and so have to run (misses), and the tokens
        ``replaced`` in them, -1 where there was room; ``hits``, the experts whose outputs are used as they are; bytes
        moved, time and energy. ``prompt``: the tokens of the prompt that each expert holds before.
    """
    model, prompt = WORKLOAD.model, WORKLOAD.prompt
    capacity = -(-prompt * model.active_experts // model.experts)
    scores = np.random.default_rng(seed).standard_normal((prompt + steps, model.experts))
    routing = LayerRouting(
        chosen=expert_choices(scores, prompt=prompt, capacity=capacity), grouping=uniform_grouping(model.experts, 1)
    )
    run = simulate(Workload(model=model, prompt=prompt, new_tokens=steps, routing=(routing,)))
    cache = GoCache(scores[:prompt], capacity=capacity)
    held = [np.flatnonzero(column).tolist() for column in cache.chosen.T]
    rows: list[Row] = []
    for step, phase in enumerate(run.steps):
        token = prompt + step
        change = cache.add(scores[token])
        length, one = np.array([token + 1]), np.ones(1, np.int64)
        taken = one * len(change.experts)
        sizes = {"experts": model.experts, "width": model.hidden}
        rows.append(
            {
                "token": token,
                "experts": change.experts.tolist(),
                "replaced": change.replaced.tolist(),
                "misses": len(change.experts),
                "hits": model.experts - len(change.experts),
                "kv_read_bytes": float(kv_bytes(length, model.kv_width)[0]),
                "kv_written_bytes": float(kv_bytes(one, model.kv_width)[0]),
                "go_read_bytes": float(go_bytes(length, **sizes)[0]),
                "go_written_bytes": float(go_written_bytes(one, taken, **sizes)[0]),
                "moved_bytes": phase.moved_bytes,
                "time_ns": phase.time_ns,
                "energy_nj": phase.energy_nj,
            }
        )
    return [{"steps": rows, "prompt": held}]

"""Figures of arXiv 2602.10254, its simulator included: what ours stand beside."""

from __future__ import annotations

from collections.abc import Mapping

PROMPT, NEW_TOKENS = 32, 8
"""Of the published workload."""

PREFILL_MVMS, PREFILL_NS, PREFILL_NJ = 48_080, 244_282.5, 609_730.25
PREFILL_PARTS_NJ: Mapping[str, float] = {
    "mvm": 601_000.0,
    "passive": 5_892.09,
    "communication": 1_236.74,
    "attention": 1_168.59,
    "add": 421.76,
    "norm": 11.07,
}
"""The prompt without caches."""

DECODE_MVMS, DECODE_NS, DECODE_NJ = 24_080, 493_518.83, 473_555.43
"""The 7 steps of 8 new tokens, with KV and GO cache."""

BARE_MVMS = 376_880
"""The same steps without caches."""

TIME_RATIO, ENERGY_RATIO = 4.2, 10.1
"""Of these steps without caches, by those with both: as the paper has them."""

SIMULATED_TIME_RATIO = 4.17
"""The same, as its simulator is said to give it."""

CYCLES_PER_TOKEN: Mapping[str, float] = {"U1": 0.4989, "U2": 0.7518, "S2": 0.5753, "U4": 1.2288, "S4": 1.0627}
"""Of compact schedules by grouping, on choices of Llama-MoE-4/16 on C4."""

AREA_EFFICIENCY_GAIN = 2.2
"""Of the part with experts, by sharing: up to."""

GOPS_PER_W_MM2 = 15.6

EXAMPLE_TOKENS = ((1, 3, 5, 7), (1, 2, 3, 6), (0, 1, 4, 6), (0, 1, 2, 4), (0, 3, 4, 6), (2, 3, 4, 6))
EXAMPLE_GROUPS = ((0, 1), (2, 3), (4, 5), (6, 7))
"""The worked example: experts of six tokens, and groups."""

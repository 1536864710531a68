"""How much the loss of a model rises with analog experts: measured, one expert at a time.

All measurements of one programming share the chip, so that differences are those of the placements. Programmings come
in pairs of opposite random numbers where a mean over chips is wanted: the part of the rise that is linear in the noise
is 0 on average and larger than the rest on a single chip, and in the mean of a pair it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from axhw.analog.converters import FloatArray
from axhw.analog.evaluation import Case, Evaluator
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import ExpertSite, Placement, expert_sites
from axhw.analog.tasks import Progress

Alone: TypeAlias = Literal["analog", "digital"]


def mirrored_pairs(programming: Programming, *, seeds: Sequence[int]) -> list[Programming]:
    """The programming with each seed twice, the second time with the other sign."""
    return [replace(programming, seed=seed, mirrored=sign) for seed in seeds for sign in (False, True)]


def expert_rises(
    hybrid: HybridModel,
    evaluator: Evaluator,
    programmings: Sequence[Programming],
    *,
    alone: Alone = "analog",
    progress: Progress | None = None,
) -> FloatArray:
    """What each expert does to the loss by itself.

    Parameters
    ----------
    hybrid : HybridModel
    evaluator : Evaluator
    programmings : sequence of Programming
        The mean over these is taken.
    alone : "analog" or "digital"
        Whether the expert is the only analog one, and the rise is that against all digital ones; or it is the only
        digital one, and the rise is what all analog ones have more.
    progress : callable, optional

    Returns
    -------
    float64 array, shape (layers, experts)
        Nats a token; 0 in layers without experts.
    """
    sites = expert_sites(hybrid.config)
    everything = frozenset(sites)
    base = everything if alone == "analog" else frozenset[ExpertSite]()
    cases = [
        Case(hybrid=hybrid, placement=Placement(digital=digital), programming=programming)
        for programming in programmings
        for digital in (base, *(base ^ {site} for site in sites))
    ]
    scores = evaluator.scores(cases, progress=progress, what=f"one expert {alone} at a time")
    nats = np.array([score.nats_per_token for score in scores]).reshape(len(programmings), -1)
    changes = (nats[:, 1:] - nats[:, :1]).mean(axis=0)
    rises = np.zeros((hybrid.config.layers, hybrid.config.experts))
    rises[list(hybrid.config.expert_layers)] = changes.reshape(-1, hybrid.config.experts)
    return rises if alone == "analog" else -rises

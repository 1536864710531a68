"""Schedules: cycles and transfers by grouping and scheduler, bounds and optima, and choices of a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.experiments.moe_pim.plan import ALL_GROUPINGS, MODEL
from axhw.experiments.moe_pim.published import EXAMPLE_GROUPS, EXAMPLE_TOKENS
from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.coactivation import coactivation_grouping
from axhw.pim.grouping import Grouping, named_grouping, sorted_grouping
from axhw.pim.lattice import Lattice
from axhw.pim.model_choices import model_folder, traced_layer
from axhw.pim.optimal import count_fewest_in_order, fewest_in_any_order
from axhw.pim.schedule import Loads, Mode, Schedule, least_cycles
from axhw.pim.schedulers import OURS, SCHEDULERS, scheduled
from axhw.pim.transfer_bounds import bound_in_any_order, bound_in_order

Row = dict[str, Any]

SYNTHETIC = "synthetic"

KINDS: tuple[tuple[str, Mode], ...] = (*((name, "token_order") for name in SCHEDULERS), (OURS, "any_order"))
"""Schedulers, with the order that they keep queues in."""

TARGET_SHARE = 0.9
"""Of the transfers of the published heuristic: ours should have no more."""

# States of a lattice up to which the optimum is counted, not bounded.
_EXACT_STATES = 1 << 27
_TRAINING_PARTS = 8
_SIZES = (2, 4)


def count_rows(
    choices: Choices, *, kind: str, trace: int, seed: int, groupings: Sequence[str] = ALL_GROUPINGS
) -> list[Row]:
    """Cycles and transfers of a trace: a row for each grouping, made on the trace itself, and each scheduler.

    Parameters
    ----------
    choices : Choices
    kind : str
        `SYNTHETIC`, or the name of a model.
    trace : int
        Its seed, or its layer.
    seed : int
        Of what is random in groupings and schedulers.
    groupings : sequence of str
    """
    rows: list[Row] = []
    for name in groupings:
        loads = _loads(name, choices, seed)
        least = bound_in_any_order(loads)
        for scheduler, mode in KINDS:
            made = _checked(scheduler, mode, loads, seed)
            rows.append(
                {
                    "kind": kind,
                    "trace": trace,
                    "grouping": name,
                    "scheduler": scheduler,
                    "mode": mode,
                    "tokens": choices.tokens,
                    "cycles": made.cycles,
                    "cycles_per_token": made.cycles / choices.tokens,
                    "transfers": made.transfers,
                    "least_in_any_order": least,
                    "busy": made.busy,
                }
            )
    return rows


def bound_rows(grouping: str, *, trace: int, tokens: int, ordered: int, rounds: int, seed: int) -> list[Row]:
    """What no schedule of a synthetic trace in token order has fewer transfers than.

    Parameters
    ----------
    grouping : str
    trace : int
        Its seed.
    tokens : int
    ordered : int
        Transfers of ours.
    rounds : int
        Of the bound, where the optimum can't be counted.
    seed : int
        Of the grouping.
    """
    loads = _loads(grouping, synthetic_choices(seed=trace, tokens=tokens), seed)
    lattice = Lattice.of(loads, least_cycles(loads))
    optimal = lattice.states * lattice.cycles <= _EXACT_STATES
    least = count_fewest_in_order(loads) if optimal else bound_in_order(loads, target=ordered, rounds=rounds)
    row: Row = {
        "trace": trace,
        "grouping": grouping,
        "ours": ordered,
        "least": least,
        "by": "optimum" if optimal else "bound",
        "above": ordered / least - 1,
    }
    return [row]


def small_rows(cases: int) -> list[Row]:
    """Transfers of ours above the optimum on random traces of 3 to 7 tokens, a row for each order of queues."""
    rng = np.random.default_rng(0)
    above: dict[Mode, list[int]] = {"token_order": [], "any_order": []}
    for seed in range(cases):
        experts = int(rng.choice([4, 6, 8]))
        choices = synthetic_choices(
            seed=seed, tokens=int(rng.integers(3, 8)), experts=experts, active=int(rng.integers(1, 5))
        )
        loads = named_grouping(f"U{rng.integers(1, 3)}", choices, rng=rng).loads(choices)
        in_order, free = (_checked(OURS, mode, loads, 0).transfers for mode in above)
        above["token_order"].append(in_order - count_fewest_in_order(loads))
        # The solver is only asked where the bound leaves something open.
        proved = free == bound_in_any_order(loads)
        above["any_order"].append(0 if proved else free - fewest_in_any_order(loads).transfers)
    return [
        {
            "mode": mode,
            "cases": len(found),
            "optimal": found.count(0),
            "most_above": max(found),
            "mean_above": float(np.mean(found)),
        }
        for mode, found in above.items()
    ]


def model_choices_of(layer: int, tokens: int) -> Choices:
    """What tokens of held-out text choose in a layer of the trained model.

    Raises
    ------
    AxhwError
        If the model is not there.
    """
    folder = model_folder(MODEL)
    if folder is None:
        raise AxhwError(f"Expected the model {MODEL} that comes with axhw, found none.")
    return traced_layer(folder, layer=layer, tokens=tokens)


def grouping_rows(choices: Choices, *, kind: str, trace: int, tokens: int, seed: int) -> list[Row]:
    """Experts sorted by load (S) and of few conflicts (C), in any order, as ours schedule them.

    Groups are made on the first tokens, which are scheduled, and on those behind them.

    Parameters
    ----------
    choices : Choices
    kind : str
    trace : int
    tokens : int
        How many are scheduled.
    seed : int
    """
    new = choices.part(0, tokens)
    rows: list[Row] = []
    for held_out, known in ((False, new), (True, choices.part(tokens, choices.tokens))):
        for size in _SIZES:
            rng = np.random.default_rng(seed)
            parts = _TRAINING_PARTS if held_out else 1
            made = {
                "S": sorted_grouping(known.expert_loads, size),
                "C": coactivation_grouping(known, size, rng=rng, mode="any_order", parts=parts),
            }
            row: Row = {"kind": kind, "trace": trace, "held_out": held_out, "size": size}
            for letter, grouping in made.items():
                found = _checked(OURS, "any_order", grouping.loads(new), seed)
                row |= {f"{letter}_cycles": found.cycles, f"{letter}_transfers": found.transfers}
            rows.append(row)
    return rows


def example_rows() -> list[Row]:
    """Cycles and transfers of the published worked example."""
    return [
        {"scheduler": made.name, "mode": made.mode, "cycles": made.cycles, "transfers": made.transfers}
        for made in example_schedules()
    ]


def example_schedules() -> list[Schedule]:
    """Those of the published worked example but for token by token."""
    grouping = Grouping(name="pairs", groups=EXAMPLE_GROUPS)
    loads = grouping.loads(Choices(chosen=np.array(EXAMPLE_TOKENS), experts=8))
    return [_checked(scheduler, mode, loads, 0) for scheduler, mode in KINDS[1:]]


def trace_schedules(grouping: str, *, trace: int, tokens: int, seed: int) -> list[Schedule]:
    """Those of a synthetic trace, compact and later ones."""
    loads = _loads(grouping, synthetic_choices(seed=trace, tokens=tokens), seed)
    return [_checked(scheduler, mode, loads, seed) for scheduler, mode in KINDS[1:]]


def _loads(name: str, choices: Choices, seed: int) -> Loads:
    return named_grouping(name, choices, rng=np.random.default_rng(seed)).loads(choices)


def _checked(scheduler: str, mode: Mode, loads: Loads, seed: int) -> Schedule:
    made = scheduled(scheduler, loads, rng=np.random.default_rng(seed), mode=mode)
    made.check(loads)
    return made

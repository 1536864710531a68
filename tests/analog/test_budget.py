"""Choices within a budget, against every placement of a tiny model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.budget import Budget, choose_digital
from axhw.analog.cost import TokenCost, token_cost
from axhw.analog.digital import ArrayPool
from axhw.analog.machine import FREE, Load, Machine, MemoryCosts
from axhw.analog.placement import ExpertSite, Placement
from axhw.analog.tile_cost import TileCosts
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.moe.arrays import Array, Columns

BoolArray = npt.NDArray[np.bool_]

CONFIG = ModelConfig(
    architecture="deepseek",
    vocabulary=10,
    hidden=8,
    layers=3,
    heads=2,
    kv_heads=2,
    head_dim=4,
    context=40,
    rope_theta=1e4,
    norm_eps=1e-5,
    experts=4,
    active_experts=2,
    expert_width=6,
    normalize_top_k=False,
    dense_layers=(0,),
    dense_width=14,
)
USE = np.array([[0, 0, 0, 0], [0.9, 0.6, 0.4, 0.1], [0.2, 0.8, 0.5, 0.5]])
LOAD = Load(batch=4, keys=3)


def pool(product_fj: float, leakage_nw: float = 1e5) -> ArrayPool:
    array = Array(
        name="sa2x2",
        rows=2,
        columns=(Columns(multiplier="exact8s", count=2, product_fj=product_fj),),
        area_um2=1e6,
        leakage_nw=leakage_nw,
        period_ns=2.0,
        clock_fj=300.0,
        library_sha256="",
    )
    return ArrayPool(array=array, count=1)


MACHINE = Machine(
    arrays=pool(2000.0),
    expert_arrays=pool(1500.0),
    tiles=TileSpec(rows=4, columns=4),
    tile_costs=TileCosts(rows=4, columns=4, mvm_ns=400.0, mvm_nj=0.01, area_mm2=0.5),
    memory=MemoryCosts(name="memory", pj_per_byte=3.0, gb_per_s=0.5),
)


def placements() -> Iterator[tuple[BoolArray, TokenCost]]:
    """All of them, with their costs."""
    for chosen in itertools.product((False, True), repeat=8):
        digital = np.zeros((3, 4), np.bool_)
        digital[1:] = np.reshape(chosen, (2, 4))
        yield digital, token_cost(CONFIG, MACHINE, Placement.of_mask(digital), load=LOAD, use=USE)


ALL = tuple(placements())
ENERGIES = sorted(cost.energy_nj for _, cost in ALL)
PACES = sorted(cost.tokens_per_s for _, cost in ALL)


def within(budget: Budget, cost: TokenCost) -> bool:
    energy, pace = budget.energy_nj, budget.tokens_per_s
    return (energy is None or cost.energy_nj <= energy * (1 + 1e-9)) and (
        pace is None or cost.tokens_per_s >= pace * (1 - 1e-9)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("energy", [None, *np.quantile(ENERGIES, [0.05, 0.4, 0.8, 1.0])])
@pytest.mark.parametrize("pace", [None, *np.quantile(PACES, [0.1, 0.5, 0.8])])
def test_the_exact_choice_is_the_best_of_all_placements(seed: int, energy: float | None, pace: float | None) -> None:
    if energy is None and pace is None:
        return
    gains = np.random.default_rng(seed).uniform(0, 1, (3, 4))
    budget = Budget(energy_nj=energy, tokens_per_s=pace)
    allowed = [float(gains[digital].sum()) for digital, cost in ALL if within(budget, cost)]
    if not allowed:
        with pytest.raises(AxhwError):
            choose_digital(CONFIG, MACHINE, budget, gains=gains, load=LOAD, use=USE)
        return
    exact = choose_digital(CONFIG, MACHINE, budget, gains=gains, load=LOAD, use=USE, exact=True)
    greedy = choose_digital(CONFIG, MACHINE, budget, gains=gains, load=LOAD, use=USE)
    assert exact.gain == exact.bound == pytest.approx(max(allowed))
    assert greedy.gain <= exact.gain + 1e-9 <= greedy.bound + 2e-9
    for found in (exact, greedy):
        assert within(budget, found.cost)
        assert found.gain == pytest.approx(gains[found.placement.mask(CONFIG)].sum())


def test_a_fast_enough_model_has_its_busiest_experts_digital() -> None:
    """Tiles take 400 ns a row: an expert that 0.9 of the tokens use takes 360 ns a token."""
    machine = replace(MACHINE, arrays=replace(MACHINE.arrays, count=64), expert_arrays=None, memory=FREE)
    found = choose_digital(CONFIG, machine, Budget(tokens_per_s=1e9 / 330), gains=np.zeros((3, 4)), load=LOAD, use=USE)
    assert found.placement == Placement(digital=frozenset({ExpertSite(1, 0)}))
    assert found.cost.busy_ns["tiles"] == pytest.approx(320)


def test_experts_that_are_cheaper_digital_are_always_digital() -> None:
    dear = replace(MACHINE, tile_costs=replace(MACHINE.tile_costs, mvm_nj=10.0))
    analog = token_cost(CONFIG, dear, Placement(), load=LOAD, use=USE)
    found = choose_digital(
        CONFIG, dear, Budget(energy_nj=0.9 * analog.energy_nj), gains=np.zeros((3, 4)), load=LOAD, use=USE
    )
    assert found.placement == Placement.all_digital(CONFIG)
    assert found.cost.energy_nj < analog.energy_nj


def test_a_budget_that_cannot_be_kept_is_refused() -> None:
    gains = np.ones((3, 4))
    with pytest.raises(
        AxhwError, match=r"Expected a budget that the model keeps with all experts analog .about \d+ nJ a"
    ):
        choose_digital(CONFIG, MACHINE, Budget(energy_nj=1e-3), gains=gains, load=LOAD, use=USE)
    with pytest.raises(AxhwError, match=r"Expected a throughput that \w+ keep up with, found 100,000,000 tokens/s"):
        choose_digital(CONFIG, MACHINE, Budget(tokens_per_s=1e8), gains=gains, load=LOAD, use=USE)
    with pytest.raises(AxhwError, match=r"Expected gains of shape .3, 4. .layers, experts., found .4, 3.."):
        choose_digital(CONFIG, MACHINE, Budget(energy_nj=1e9), gains=gains.T, load=LOAD, use=USE)
    with pytest.raises(AxhwError, match="Expected a budget of energy, a throughput, or both, found neither."):
        Budget()
    with pytest.raises(AxhwError, match=r"Expected a budget above 0, found \[0.0\]."):
        Budget(energy_nj=0.0)

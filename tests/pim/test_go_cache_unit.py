"""The GO-cache unit measured, and its golden model against the cache of the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.flow import Flow
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.measure import Conditions
from axhw.pim.cache import GoCache
from axhw.pim.go_cache_unit import go_cache_cost
from axhw.store import Store
from axhw.synth import synthesis

SPEC = GoCacheSpec(experts=2, kept=2, score_bits=4, tokens=32)
CONDITIONS = Conditions(pairs=256)


def test_cost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = go_cache_cost(SPEC, flow=Flow.of(store=store, conditions=CONDITIONS), threads=1)
    assert (cost.name, cost.requests, cost.stored_bits) == ("go_cache_e2_k2_4s_t32", 256, 2 * 2 * 10)
    assert 0 < cost.chosen < 0.5
    assert 0 < cost.clock_fj < cost.request_fj
    assert min(cost.area_um2, cost.period_ns, cost.leakage_nw, cost.verified_cycles) > 0
    assert set(cost.parts) == {"store", "update", "selection"}
    assert sum(part.area_um2 for part in cost.parts.values()) == pytest.approx(cost.area_ratio * cost.area_um2)
    assert sum(part.energy_fj for part in cost.parts.values()) == pytest.approx(cost.energy_ratio * cost.request_fj)
    assert cost.parts["update"].clock_fj == 0.0

    def run_script(*arguments: object, **options: object) -> dict[str, str]:
        raise AssertionError("Yosys was called")

    monkeypatch.setattr(synthesis, "run_script", run_script)
    assert go_cache_cost(SPEC, flow=Flow.of(store=store, conditions=CONDITIONS), threads=1) == cost


def test_the_unit_chooses_as_the_simulator() -> None:
    spec = GoCacheSpec(experts=4, kept=3, score_bits=4, tokens=64)
    rng = np.random.default_rng(3)
    scores = rng.integers(*spec.score_range, (64, spec.experts), endpoint=True)
    cache, unit = GoCache(scores[:8], capacity=spec.kept), spec.store()
    experts = np.arange(spec.experts)
    for token in range(8):
        unit.ask(experts, token, scores[token])
    for token in range(8, 64):
        replacement, answers = cache.add(scores[token]), unit.ask(experts, token, scores[token])
        np.testing.assert_array_equal(np.flatnonzero(answers.chosen), replacement.experts)
        np.testing.assert_array_equal(answers.old[answers.chosen], replacement.replaced)

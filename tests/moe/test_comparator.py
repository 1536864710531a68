from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.measure import Conditions
from axhw.moe.comparator import ComparatorSpec, comparator_cost
from axhw.store import Store
from axhw.synth import synthesis
from axhw.synth.libraries import DEFAULT, load_library

CONDITIONS = Conditions(pairs=1024)


@pytest.mark.parametrize("signed", [True, False])
def test_gates_give_the_larger_code(store: Store, signed: bool) -> None:
    """The measurement refuses gates that are not the golden model over all pairs."""
    cost = comparator_cost(ComparatorSpec(signed=signed), flow=Flow.of(store=store, conditions=CONDITIONS))
    assert cost.pairs == 1024
    assert cost.library_sha256 == load_library(DEFAULT).cells.sha256
    assert min(cost.area_um2, cost.delay_ns, cost.energy_fj, cost.leakage_nw) > 0


def test_it_is_small_beside_a_multiplier(store: Store) -> None:
    multiplier = characterize(parse("exact"), flow=Flow.of(store=store, conditions=CONDITIONS)).circuit_cost
    comparator = comparator_cost(flow=Flow.of(store=store, conditions=CONDITIONS))
    assert comparator.energy_fj < multiplier.energy_fj / 3
    assert comparator.area_um2 < multiplier.area_um2 / 3


def test_the_first_of_equal_codes() -> None:
    larger, second = ComparatorSpec().reference([3, -3, 3, -128], [3, 5, 2, 127])
    assert larger.tolist() == [3, 5, 3, 127]
    assert second.tolist() == [False, True, False, True]


def test_figures_come_from_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ComparatorSpec(width=4)
    first = comparator_cost(spec, flow=Flow.of(store=store, conditions=CONDITIONS))

    def run_script(*arguments: object, **options: object) -> dict[str, str]:
        raise AssertionError("Yosys was called")

    monkeypatch.setattr(synthesis, "run_script", run_script)
    again = comparator_cost(spec, flow=Flow.of(store=store, conditions=CONDITIONS))
    assert again == first
    more = comparator_cost(spec, flow=Flow.of(store=store, conditions=dataclasses.replace(CONDITIONS, seed=2)))
    assert more.energy_fj != first.energy_fj
    assert more.energy_fj == pytest.approx(first.energy_fj, rel=0.1)


def test_another_circuit_is_found_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def smaller(self: ComparatorSpec, a: Any, b: Any) -> tuple[Any, Any]:
        larger, second = golden(self, a, b)
        return larger - (larger == 3), second

    golden: Any = ComparatorSpec.reference
    monkeypatch.setattr(ComparatorSpec, "reference", smaller)
    with pytest.raises(VerificationError, match=r"^Expected larger5s to give the larger code of every pair"):
        comparator_cost(ComparatorSpec(width=5), flow=Flow.of(store=store, conditions=CONDITIONS))


@pytest.mark.parametrize("wrong", [{"width": 3}, {"width": 11}, {"width": True}, {"width": "8"}])
def test_widths(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(AxhwError, match=r"^Expected a comparator of 4 to 10 bits, found "):
        ComparatorSpec(**wrong)

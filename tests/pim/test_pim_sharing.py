"""Sharing a periphery in gates: factors by hand, and small groups measured."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.registry import parse
from axhw.measure import Conditions
from axhw.pim.parts import Part, dominant
from axhw.pim.sharing import GroupCost, Sharing, measure_sharing, published_factor
from axhw.store import Store
from axhw.synth import synthesis

SPEC = CrossbarGroupSpec(
    multiplier=parse("roup:width=4,p=1,r=1"),
    rows=2,
    columns=1,
    depth=2,
    tag_bits=4,
    idle_bits=2,
    multiply_in="periphery",
)
CONDITIONS = Conditions(pairs=256)


def cost(crossbars: int, **figures: Any) -> GroupCost:
    parts = {
        "crossbars": Part(area_um2=20.0 * crossbars, energy_fj=10.0, clock_fj=2.0 * crossbars, leakage_nw=1.0),
        "driver": Part(area_um2=80.0, energy_fj=30.0, clock_fj=6.0, leakage_nw=2.0),
    }
    own = {
        "area_um2": 80.0 + 20.0 * crossbars,
        "read_fj": 40.0,
        "held_fj": 32.0,
        "clock_fj": 6.0 + 2.0 * crossbars,
        "leakage_nw": 1000.0,
        "period_ns": 2.0,
    }
    return GroupCost(
        **{
            "name": f"g{crossbars}",
            "crossbars": crossbars,
            "rows": 2,
            "columns": 1,
            "parts": parts,
            "area_ratio": 1.0,
            "energy_ratio": 1.0,
            "verification": "",
            **own,
            **figures,
        }
    )


def test_factors_by_hand():
    single, group = cost(1), cost(4)
    found = Sharing(single=single, groups=(single, group))
    assert [found.area_factor(each) for each in found.groups] == [1.0, 160 / 400]
    # Of four groups of one, one reads and three wait with 8 fJ of clock each; 1000 nW leak 2 fJ in 2 ns.
    assert found.energy_factor(single) == 1.0
    assert found.energy_factor(group) == pytest.approx((40 + 2) / (40 + 3 * 8 + 4 * 2))
    assert found.energy_factor(group, stored=True) == pytest.approx((40 - 8 + 2) / (40 - 2 + 3 * 6 + 4 * 2))
    assert found.energy_factor(group, held=True) == pytest.approx((32 + 2) / (32 + 3 * 8 + 4 * 2))
    assert (single.shared_area, single.shared_energy) == (0.8, 0.75)
    assert dominant(group.parts, "area_um2") == ("crossbars", 0.5)
    assert dominant(single.parts, "energy_fj") == ("driver", 0.75)
    # A periphery of 80 % of the area gives the published factors.
    assert found.area_factor(group) == pytest.approx(published_factor(4))


def test_published_factors():
    assert [published_factor(crossbars) for crossbars in (1, 2, 4, 8)] == pytest.approx([1.0, 0.6, 0.4, 0.3])


def test_small_groups_in_gates(store: Store) -> None:
    found = measure_sharing(SPEC, crossbars=(1, 2), flow=Flow.of(store=store, conditions=CONDITIONS), threads=1)
    one, two = found.rows()
    assert found.single is found.groups[0]
    assert (one["crossbars"], one["area_factor"], one["energy_factor"], one["published_factor"]) == (1, 1.0, 1.0, 1.0)
    assert 1 / 2 < two["area_factor"] < 1
    assert two["energy_factor_stored"] < two["energy_factor"] < 1
    assert two["verification"].startswith("exhaustive through every cell")
    for group in found.groups:
        parts = group.parts
        assert set(parts) == {*dataclasses.replace(SPEC, crossbars=group.crossbars).parts, "selection"}
        assert sum(part.area_um2 for part in parts.values()) == pytest.approx(group.area_ratio * group.area_um2)
        assert sum(part.energy_fj for part in parts.values()) == pytest.approx(group.energy_ratio * group.read_fj)
        assert sum(part.clock_fj for part in parts.values()) == pytest.approx(group.clock_fj, rel=0.1)
        assert 0.8 < group.area_ratio < 1.2
        assert 0.8 < group.energy_ratio < 1.2
    # One crossbar has no other to change with; among several changes cost more than reads.
    assert found.groups[0].held_fj == pytest.approx(found.groups[0].read_fj)
    assert found.groups[1].held_fj < found.groups[1].read_fj
    # What is shared stays as large, and the crossbars double.
    shares = [group.parts["crossbars"].area_um2 for group in found.groups]
    assert shares[1] == pytest.approx(2 * shares[0], rel=0.02)
    assert found.groups[1].parts["driver"].area_um2 == found.groups[0].parts["driver"].area_um2
    # Crossbars are little but weights where the multipliers are shared.
    assert found.single.shared_area > 0.85
    assert found.single.parts["multipliers"].clock_fj == 0.0


def test_figures_come_from_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure_sharing(SPEC, crossbars=(1,), flow=Flow.of(store=store, conditions=CONDITIONS), threads=1)

    def run_script(*arguments: object, **options: object) -> dict[str, str]:
        raise AssertionError("Yosys was called")

    monkeypatch.setattr(synthesis, "run_script", run_script)
    assert measure_sharing(SPEC, crossbars=(1,), flow=Flow.of(store=store, conditions=CONDITIONS), threads=1) == first


def test_no_groups() -> None:
    with pytest.raises(
        AxhwError, match=r"^Expected at least one number of crossbars that share a periphery, found none"
    ):
        measure_sharing(SPEC, crossbars=())

"""Committed figures of units in gates: what comes from them by hand, and small ones measured again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from axhw.analog.technology import MEASURED, SCALED_TO_14_NM
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.hdl.registry import parse
from axhw.measure import Conditions
from axhw.pim.gate_units import (
    GO_CACHE,
    GO_CACHE_BITS,
    GROUPS,
    LANE,
    SCHEDULERS,
    digital_group,
    go_cache_bits,
    go_cache_unit,
    scheduler_unit,
)
from axhw.pim.sharing import measure_sharing
from axhw.store import Store

ROOT = Path(__file__).parents[2]


def test_schedulers_are_what_the_flow_measures(store: Store) -> None:
    spec = CrossbarGroupSpec(multiplier=parse("exact:width=4"), rows=1, columns=1, multiply_in="periphery")
    found = measure_sharing(
        spec, crossbars=(1,), flow=Flow.of(store=store, conditions=Conditions(pairs=256)), threads=1
    ).single
    part, unit = found.parts["scheduler"], SCHEDULERS[1]
    assert part.area_um2 == pytest.approx(unit.area_um2, rel=1e-4)
    assert part.leakage_nw == pytest.approx(unit.leakage_nw, rel=1e-3)
    assert found.period_ns == pytest.approx(unit.period_ns, rel=1e-3)
    # Of fewer reads than the committed figure.
    assert part.energy_fj == pytest.approx(unit.operation_fj, rel=0.03)


def test_schedulers_between_and_beyond_the_measured_ones() -> None:
    for group, unit in SCHEDULERS.items():
        assert scheduler_unit(group).area_um2 == unit.area_um2
        # One straight line through all of them.
        assert unit.area_um2 == pytest.approx(5915 + 494.8 * group, rel=2e-3)
    assert scheduler_unit(6).area_um2 == pytest.approx((7888.9 + 9871.9) / 2)
    assert scheduler_unit(16).leakage_nw == pytest.approx(110.40 + 2 * (110.40 - 89.47))
    with pytest.raises(AxhwError, match=r"^Expected at least 1 crossbar at a shared periphery, found 0"):
        scheduler_unit(0)


def test_digital_groups_are_those_of_the_guide() -> None:
    guide = (ROOT / "docs" / "elements.md").read_text(encoding="utf-8")
    rows = guide.partition("| periphery | 1")[2].partition("\n\n")[0]
    lines = re.findall(r"\| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| [\d.]+ % \|", rows)
    assert len(lines) == len(GROUPS)
    for unit, (area, period, _, held) in zip(GROUPS.values(), lines):
        assert unit.area_um2 == float(area.replace(",", ""))
        assert unit.period_ns == float(period)
        assert unit.operation_fj == pytest.approx(1e3 * float(held), rel=1e-3)
    with pytest.raises(AxhwError, match=r"^Expected a group of 1, 2, 4, 8 digital crossbars, which were measured"):
        digital_group(3)


def test_lane_is_that_of_the_report() -> None:
    report = (ROOT / "reports" / "element-share.md").read_text(encoding="utf-8")
    fields = next(line for line in report.splitlines() if line.startswith("exact8s_mac64")).split()
    assert [float(field) for field in fields[1:5]] == [
        LANE.area_um2,
        LANE.period_ns,
        LANE.operation_fj,
        LANE.leakage_nw,
    ]


def test_go_cache_by_stored_bits() -> None:
    spec = GoCacheSpec(experts=16, kept=8, tokens=1024)
    assert (spec.name, spec.stored_bits) == (GO_CACHE.name, GO_CACHE_BITS)
    for experts, kept, tokens in ((4, 4, 256), (16, 4, 1024), (5, 3, 100)):
        bits = GoCacheSpec(experts=experts, kept=kept, tokens=tokens).stored_bits
        assert go_cache_bits(experts=experts, kept=kept, tokens=tokens) == bits
    assert go_cache_unit(experts=16, kept=8) == GO_CACHE
    half = go_cache_unit(experts=16, kept=4)
    # As measured by itself: 104,916 um2, 89.5 pJ.
    assert half.area_um2 == pytest.approx(104_916, rel=0.02)
    assert half.operation_fj == pytest.approx(89_521, rel=0.02)
    with pytest.raises(AxhwError, match=r"^Expected at least 1 expert, kept token and token"):
        go_cache_unit(experts=16, kept=0)


def test_scaling() -> None:
    assert LANE.area_mm2(MEASURED) == pytest.approx(6268e-6)
    assert LANE.area_mm2(SCALED_TO_14_NM) == pytest.approx(6268e-6 * 0.027)
    assert LANE.operation_ns(SCALED_TO_14_NM) == pytest.approx(3.98 * SCALED_TO_14_NM.delay)
    assert LANE.operation_nj(MEASURED) == pytest.approx(6.738e-3)
    assert LANE.leakage_w == pytest.approx(79.1e-9)

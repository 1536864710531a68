"""Hardware by name, and the area of chips: sums by hand."""

from __future__ import annotations

import pytest

from axhw.analog.technology import MEASURED, SCALED_TO_14_NM
from axhw.errors import AxhwError
from axhw.pim.accounting import FULL_ACCOUNTING, PUBLISHED_ACCOUNTING
from axhw.pim.area import addition_lanes, attention_lanes, chip_area, kept_tokens
from axhw.pim.configurations import CONFIGURATIONS, configured, control, digital_core, with_units
from axhw.pim.gate_units import GO_CACHE, GROUPS, SCHEDULERS
from axhw.pim.model import LLAMA_MOE_4_16, OLMOE
from axhw.pim.parameters import PUBLISHED, Dram
from axhw.pim.simulator import simulate
from axhw.pim.workload import Workload


@pytest.mark.parametrize(("group", "factor"), [(1, 1.0), (2, 0.6), (4, 0.4), (8, 0.3)])
def test_cores_as_published(group: int, factor: float) -> None:
    chip = configured("published", model=LLAMA_MOE_4_16, scaling=SCALED_TO_14_NM, group=group)
    area = chip_area(LLAMA_MOE_4_16, chip)
    assert area.moe_mm2 == pytest.approx(1536 * 0.634 * factor)
    parts = {row["part"]: row for row in area.rows()}
    assert {name: parts[f"cores: {name}"]["count"] for name in ("embedding", "attention", "router", "head")} == {
        "embedding": 2000,
        "attention": 1024,
        "router": 16,
        "head": 2000,
    }
    # Only experts share.
    assert parts["cores: head"]["mm2"] == pytest.approx(2000 * 0.634)
    assert parts["schedulers"]["count"] == 1536 // group
    assert parts["schedulers"]["unit_mm2"] == pytest.approx(SCHEDULERS[group].area_um2 * 0.027e-6)
    assert parts["GO-cache units"]["mm2"] == pytest.approx(GO_CACHE.area_um2 * 0.027e-6)
    # 4 vectors of 4096 values for each of 32 tokens.
    assert parts["activation buffer"]["mm2"] == pytest.approx(32 * 4 * 4096 * 8 * 0.064e-6)
    assert [row["part"] for row in area.rows() if row["published"]] == ["cores: experts"]
    assert area.total_mm2 == pytest.approx(sum(row["mm2"] for row in area.rows()))


def test_lanes_keep_up_with_the_published_units() -> None:
    # 32 additions a ns and 0.53 ns a lane; 2 d / (a d + b d^2) = 32 products a ns at a width of 4096.
    period = 3.98 * SCALED_TO_14_NM.delay
    assert (
        (addition_lanes(PUBLISHED, SCALED_TO_14_NM) - 1) / period
        < 32
        <= addition_lanes(PUBLISHED, SCALED_TO_14_NM) / period
    )
    assert addition_lanes(PUBLISHED, MEASURED) == 128
    assert attention_lanes(PUBLISHED, 4096, MEASURED) == 128
    # The published formula has less parallel attention the wider it is.
    assert attention_lanes(PUBLISHED, 256, MEASURED) > 10 * attention_lanes(PUBLISHED, 4096, MEASURED)


def test_where_tokens_choose_there_is_no_go_cache() -> None:
    area = chip_area(OLMOE, configured("control", model=OLMOE, scaling=SCALED_TO_14_NM, group=2))
    assert "GO-cache units" not in {part.part for part in area.parts}
    scheduler, leakage_w = control(OLMOE, group=2, kept=8, scaling=MEASURED)
    unit = SCHEDULERS[2]
    tiles = OLMOE.network_tiles(PUBLISHED.core, OLMOE.expert_width)
    assert scheduler.ns_per_choice == unit.period_ns
    assert scheduler.nj_per_choice == pytest.approx(tiles * unit.operation_fj * 1e-6)
    assert leakage_w == pytest.approx(OLMOE.tiles(PUBLISHED.core)["experts"] / 2 * unit.leakage_nw * 1e-9)


def test_control_pays_for_choices_and_requests() -> None:
    scheduler, _ = control(LLAMA_MOE_4_16, group=1, kept=8, scaling=MEASURED)
    # Every token asks 16 experts, and 4 of them are chosen on the average.
    assert scheduler.ns_per_choice == pytest.approx(SCHEDULERS[1].period_ns + 4 * GO_CACHE.period_ns)
    assert scheduler.nj_per_choice == pytest.approx(
        (96 * SCHEDULERS[1].operation_fj + 4 * GO_CACHE.operation_fj) * 1e-6
    )
    workload = Workload(model=LLAMA_MOE_4_16, prompt=8, new_tokens=1)
    chip = configured("control", model=LLAMA_MOE_4_16, scaling=SCALED_TO_14_NM)
    plain = simulate(workload, accounting=FULL_ACCOUNTING)
    counted = simulate(workload, parameters=chip.parameters, accounting=FULL_ACCOUNTING)
    assert counted.prefill.energies_nj["scheduler"] > 0
    assert plain.prefill.energies_nj["scheduler"] == 0
    # The published accounting has no scheduler: only its leakage is there.
    bare = simulate(workload, parameters=chip.parameters, accounting=PUBLISHED_ACCOUNTING)
    assert bare.prefill.time_ns == simulate(workload, accounting=PUBLISHED_ACCOUNTING).prefill.time_ns


@pytest.mark.parametrize("group", [1, 2, 4, 8])
def test_digital_cores(group: int) -> None:
    unit = GROUPS[group]
    core = digital_core(group, scaling=MEASURED)
    # 64 x 64 groups; 4 cycles and a tree of 64 sums.
    assert core.area_mm2 == pytest.approx(4096 * unit.area_um2 * 1e-6 / group)
    assert core.mvm_nj == pytest.approx(4096 * unit.operation_fj * 1e-6)
    assert core.mvm_ns == pytest.approx(10 * unit.period_ns)
    chip = configured("gates", model=LLAMA_MOE_4_16, scaling=MEASURED, group=group)
    area = {part.part: part for part in chip_area(LLAMA_MOE_4_16, chip).parts}
    assert "schedulers" not in area
    assert area["cores: experts"].unit_mm2 == pytest.approx(core.area_mm2)
    assert area["cores: head"].unit_mm2 == pytest.approx(4096 * GROUPS[1].area_um2 * 1e-6)
    groups = 4096 * (1536 / group * unit.leakage_nw + 5040 * GROUPS[1].leakage_nw) * 1e-9
    assert chip.parameters.passive_w == pytest.approx(PUBLISHED.passive_w + groups + GO_CACHE.leakage_w)


def test_units_and_memory() -> None:
    wide = with_units(PUBLISHED, 10, 8)
    assert wide.passive_w == pytest.approx(2 * PUBLISHED.passive_w)
    chip = configured(
        "published", model=OLMOE, scaling=SCALED_TO_14_NM, units=(10, 8), dram=Dram(gb_per_s=44.8)
    ).parameters
    assert (chip.digital_units, chip.attention_units, chip.dram.gb_per_s) == (10, 8, 44.8)
    assert chip.scheduler == PUBLISHED.scheduler
    assert kept_tokens(LLAMA_MOE_4_16, 32) == 8
    assert kept_tokens(LLAMA_MOE_4_16, 33) == 9


def test_unknown_hardware() -> None:
    assert CONFIGURATIONS == ("published", "control", "gates")
    with pytest.raises(AxhwError, match=r"^Expected parameters out of published, control, gates, found 'own'"):
        configured("own", model=OLMOE, scaling=MEASURED)
    with pytest.raises(AxhwError, match=r"^Expected a group of 1, 2, 4, 8 digital crossbars"):
        configured("gates", model=OLMOE, scaling=MEASURED, group=16)

"""Area efficiency and density in all definitions: against the reference and by hand."""

from __future__ import annotations

import pytest

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.errors import AxhwError
from axhw.pim.accounting import PUBLISHED_ACCOUNTING
from axhw.pim.area import chip_area
from axhw.pim.choices import synthetic_choices
from axhw.pim.configurations import configured
from axhw.pim.efficiency import (
    CLAIMED_AREA_EFFICIENCY,
    CLAIMED_DENSITY,
    DEFINITIONS,
    PUBLISHED_CYCLES,
    area_efficiency_rows,
    density_rows,
    filled_operations,
    full_density,
    nearest_density,
    published_operations,
    trace_efficiency_rows,
)
from axhw.pim.model import LLAMA_MOE_4_16, OLMOE
from axhw.pim.simulator import simulate
from axhw.pim.workload import Workload


def test_published_cycles_of_each_definition() -> None:
    rows = {row["grouping"]: row for row in area_efficiency_rows()}
    assert list(rows) == list(PUBLISHED_CYCLES)
    # By hand: 1 / (0.6 x 0.5753), 0.4989 / (0.6 x 0.5753), 1 / (0.4 x 1.0627).
    assert rows["S2"]["token_by_token"] == pytest.approx(2.897, abs=1e-3)
    assert rows["S2"]["same_schedule"] == pytest.approx(1.445, abs=1e-3)
    assert rows["S4"]["token_by_token"] == pytest.approx(2.352, abs=1e-3)
    assert rows["U1"]["same_schedule"] == 1.0
    # S4 by simulated time, U4 by simulated operations and U2 by cycles give what is claimed.
    assert round(rows["S4"]["simulated"], 1) == CLAIMED_AREA_EFFICIENCY
    assert round(rows["U4"]["rate"], 1) == CLAIMED_AREA_EFFICIENCY
    assert round(rows["U2"]["token_by_token"], 1) == CLAIMED_AREA_EFFICIENCY
    # The whole chip: 1536 of 6576 cores share.
    assert rows["S2"]["chip"] == pytest.approx(rows["S2"]["simulated"] * 0.6 * 6576 / (5040 + 1536 * 0.6))
    best = {name: max(row[name] for row in rows.values()) for name in DEFINITIONS}
    assert {name for name, gain in best.items() if gain < CLAIMED_AREA_EFFICIENCY} == {"same_schedule"}


def test_cycles_of_the_synthetic_trace() -> None:
    rows = trace_efficiency_rows(
        synthetic_choices(seed=0, tokens=512),
        groupings=("U1", "S2", "S4", "C4"),
        schedulers=(("token_by_token", "token_order"), ("compact", "token_order"), ("ours", "any_order")),
    )
    found = {(row["grouping"], row["scheduler"]): row for row in rows}
    assert [found[name, "compact"]["cycles"] for name in ("U1", "S2", "S4")] == [250, 277, 543]
    assert found["S2", "compact"]["token_by_token"] == pytest.approx(512 / (277 * 0.6))
    assert found["S2", "compact"]["same_schedule"] == pytest.approx(250 / (277 * 0.6))
    assert found["S4", "token_by_token"]["same_schedule"] == pytest.approx(512 / (987 * 0.4))
    # Ours is as long, and sends less.
    assert found["S2", "ours"]["cycles"] == 277
    assert found["S2", "ours"]["transfers"] < found["S2", "compact"]["transfers"]
    assert found["C4", "ours"]["same_schedule"] > found["S4", "ours"]["same_schedule"]


def test_operations_by_hand() -> None:
    run = simulate(Workload(model=LLAMA_MOE_4_16, prompt=4).uncached(), accounting=PUBLISHED_ACCOUNTING)
    # Q, K, V, O; router; 4 experts of 2 matrices for each token; the head once.
    matrices = 4 * (4 * 4096 * 4096 + 4096 * 16 + 4 * 2 * 4096 * 688) + 4096 * 32_000
    assert filled_operations(run.reading, run) == 2 * matrices
    lookups = 4 * 256 * 4096
    attention = 2 * (10 + 16) * 4096 + 4 * 10 + 1 - 4
    # Sums of 16 rows of tiles in 64 + 3 x 4 columns of tiles and the router's, of 3 rows in 16 x 4, and of the head.
    sums = 256 * (4 * (15 * (64 + 1 + 12) + 2 * 64) + 15 * 125)
    # Positions, the two residual streams, experts to each other, the norms, ReLU of experts, and sampling.
    digital = 4 * (3 * 4096 + 3 * 688 + 4 * 688) + 10 * (4 + 1) * 4096 + 1
    assert published_operations(run.reading, run) == pytest.approx(
        (matrices + lookups) * (2 - 1 / 256) + attention + sums + digital, rel=1e-12
    )


def test_density_as_published() -> None:
    rows = density_rows()
    assert len(rows) == 3 * 4 * 6
    by_hand = next(row for row in rows if (row["phase"], row["area"], row["grouping"]) == ("prompt", "experts", "none"))
    assert by_hand["time_ns"] == 244_282.5
    assert by_hand["energy_nj"] == pytest.approx(609_730.25, abs=0.01)
    assert by_hand["mm2"] == pytest.approx(1536 * 0.634)
    assert by_hand["gops_w_mm2"] == pytest.approx(by_hand["operations"] / 609_730.25 / (1536 * 0.634), rel=1e-6)
    nearest = nearest_density(rows)
    assert (nearest["phase"], nearest["area"], nearest["grouping"]) == ("prompt and steps", "layer", "S4")
    assert nearest["definitions"] == 12
    assert nearest["gops_w_mm2"] == pytest.approx(15.52, abs=0.005)
    assert abs(nearest["off"]) < 0.01
    assert nearest["off"] == pytest.approx(nearest["gops_w_mm2"] / CLAIMED_DENSITY - 1)


def test_density_with_everything_counted() -> None:
    chip = configured("control", model=LLAMA_MOE_4_16, scaling=SCALED_TO_14_NM, group=4)
    prompt, steps, both = full_density(LLAMA_MOE_4_16, chip)
    assert both["operations"] == prompt["operations"] + steps["operations"]
    assert both["mm2"] == pytest.approx(chip_area(LLAMA_MOE_4_16, chip).total_mm2)
    assert both["gops_w_mm2"] == pytest.approx(both["operations"] / both["energy_nj"] / both["mm2"])
    # A chip has an embedding and a head too, whose 4000 cores hardly ever work.
    assert both["gops_w_mm2"] < 0.2 * CLAIMED_DENSITY


def test_density_without_steps() -> None:
    assert {row["phase"] for row in density_rows(new_tokens=0)} == {"prompt", "prompt and steps"}
    chip = configured("published", model=OLMOE, scaling=SCALED_TO_14_NM)
    assert [row["phase"] for row in full_density(OLMOE.with_layers(1), chip, prompt=2, new_tokens=0)] == ["prompt"]


def test_gains_need_cycles_without_sharing() -> None:
    with pytest.raises(AxhwError, match=r"^Expected the cycles of U1, which shares nothing, among them, found S2"):
        area_efficiency_rows(cycles={"S2": 0.5753})

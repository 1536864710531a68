"""Rows of the study of experts on shared crossbars: against published figures, bounds, and each other."""

from __future__ import annotations

import pytest

from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.areas import CONTROL, area_rows, full_rows, gain_rows, trace_gain_rows
from axhw.experiments.moe_pim.schedules import (
    SYNTHETIC,
    bound_rows,
    count_rows,
    example_rows,
    grouping_rows,
    small_rows,
)
from axhw.experiments.moe_pim.simulations import (
    BOTH,
    NEITHER,
    SWITCHES,
    agrees,
    cache_rows,
    check_rows,
    model_rows,
    switch_rows,
)
from axhw.experiments.moe_pim.timeline import step_rows
from axhw.pim.choices import synthetic_choices


def test_published_figures() -> None:
    rows = check_rows()
    assert len(rows) == 13
    assert all(map(agrees, rows))
    assert not agrees({**rows[1], "ours": rows[1]["ours"] + 0.1})


def test_switches_lead_to_full_accounting() -> None:
    rows = switch_rows()
    assert [row["switch"] for row in rows] == ["", *SWITCHES]
    caches = {
        (row["accounting"], row["caches"]): row for row in cache_rows(published.NEW_TOKENS, caches=(NEITHER, BOTH))
    }
    assert len(caches) == 4
    for row, accounting in ((rows[0], "published"), (rows[-1], "full")):
        bare = caches[accounting, NEITHER]
        for ratio in ("time_ratio", "energy_ratio"):
            assert row[ratio] == pytest.approx(bare[ratio])
    assert rows[0]["energy_ratio"] == pytest.approx(10.10, abs=0.005)


def test_sharing_saves_energy_of_larger_models() -> None:
    rows = model_rows("olmoe", prompt=1, new_tokens=1, seed=0)
    assert [row["group"] for row in rows] == [1, 2, 4]
    energies = [row["steps_nj"] for row in rows]
    assert energies == sorted(energies, reverse=True)
    assert all(row["operations_per_s"] > 0 for row in rows)


def test_steps_of_the_cache_are_those_of_the_simulator() -> None:
    (found,) = step_rows(6, seed=3)
    held = [set(tokens) for tokens in found["prompt"]]
    assert {len(tokens) for tokens in held} == {8}
    for token, row in enumerate(found["steps"], published.PROMPT):
        assert row["token"] == token
        assert row["hits"] + row["misses"] == 16
        for expert, old in zip(row["experts"], row["replaced"]):
            held[expert].remove(old)
            held[expert].add(token)
        parts = ("kv_read_bytes", "kv_written_bytes", "go_read_bytes", "go_written_bytes")
        assert sum(row[name] for name in parts) == row["moved_bytes"]


def test_reference_trace() -> None:
    choices = synthetic_choices(seed=0, tokens=512)
    rows = count_rows(choices, kind=SYNTHETIC, trace=0, seed=0, groupings=("U1", "S4"))
    by_name = {(row["grouping"], row["scheduler"], row["mode"]): row for row in rows}
    for grouping, cycles, compact, heuristic in (("U1", 250, 1990, 1145), ("S4", 543, 2003, 1751)):
        for scheduler, transfers in (("compact", compact), ("rescheduled", heuristic)):
            row = by_name[grouping, scheduler, "token_order"]
            assert (row["cycles"], row["transfers"]) == (cycles, transfers)
        free = by_name[grouping, "ours", "any_order"]
        assert free["transfers"] == free["least_in_any_order"]
    ours = by_name["S4", "ours", "token_order"]["transfers"]
    (bound,) = bound_rows("S4", trace=0, tokens=512, ordered=ours, rounds=10, seed=0)
    assert bound["by"] == "optimum"
    assert bound["least"] <= ours


def test_small_cases_and_the_example() -> None:
    assert [row["optimal"] for row in small_rows(4)] == [4, 4]
    counts = {(row["scheduler"], row["mode"]): (row["cycles"], row["transfers"]) for row in example_rows()}
    assert counts == {
        ("compact", "token_order"): (7, 16),
        ("rescheduled", "token_order"): (7, 13),
        ("ours", "token_order"): (7, 12),
        ("ours", "any_order"): (7, 10),
    }


def test_groupings_on_other_tokens() -> None:
    rows = grouping_rows(synthetic_choices(seed=0, tokens=96), kind=SYNTHETIC, trace=0, tokens=32, seed=0)
    assert [(row["held_out"], row["size"]) for row in rows] == [(False, 2), (False, 4), (True, 2), (True, 4)]
    assert all(row["C_cycles"] <= row["S_cycles"] for row in rows[:2])


def test_chips() -> None:
    rows = full_rows((1, 4))
    alone, shared = (
        next(row for row in rows if (row["configuration"], row["group"], row["phase"]) == (CONTROL, group, "prompt"))
        for group in (1, 4)
    )
    assert alone["chip_gain"] == alone["experts_gain"] == 1.0
    assert 1 < shared["chip_gain"] < shared["experts_gain"] == pytest.approx(2.5, rel=0.05)
    parts = [row for row in area_rows((4,)) if row["configuration"] == CONTROL]
    assert sum(row["mm2"] for row in parts) == pytest.approx(shared["chip_mm2"])
    gains = {row["grouping"]: row for row in gain_rows()}
    assert gains["S4"]["token_by_token"] == pytest.approx(1 / (1.0627 * 0.4))
    cycles = [
        {"kind": SYNTHETIC, "scheduler": "compact", "grouping": name, "cycles_per_token": value}
        for name, value in (("U1", 0.4), ("U1", 0.6), ("S4", 1.0))
    ]
    traced = {row["grouping"]: row for row in trace_gain_rows(cycles)}
    assert traced["S4"]["token_by_token"] == pytest.approx(2.5)
    assert traced["S4"]["same_schedule"] == pytest.approx(1.25)

"""Claims about experts on shared crossbars: met or not as the rows have it."""

from __future__ import annotations

from typing import Any

import pytest

from axhw.experiments.claims import Claim
from axhw.experiments.moe_pim import hardware_claims, schedule_claims, simulator_claims, value_claims
from axhw.experiments.moe_pim.claims import claims
from axhw.experiments.moe_pim.measured import Measured

BOTH_MODES = ("token_order", "any_order")


def by_text(measured: Measured, text: str) -> Claim:
    (claim,) = [claim for claim in claims(measured)[0] if claim.claim == text]
    return claim


def step(accounting: str, time_ratio: float, energy_ratio: float, new_tokens: int = 8) -> dict[str, Any]:
    ratios = {"time_ratio": time_ratio, "energy_ratio": energy_ratio}
    return {"accounting": accounting, "caches": "none", "new_tokens": new_tokens, "steps": 7, **ratios}


def count(
    grouping: str, scheduler: str, transfers: int, *, mode: str = "token_order", cycles: int = 100, trace: int = 0
) -> dict[str, Any]:
    return {
        "kind": "synthetic",
        "trace": trace,
        "grouping": grouping,
        "scheduler": scheduler,
        "mode": mode,
        "tokens": 512,
        "cycles": cycles,
        "cycles_per_token": cycles / 512,
        "transfers": transfers,
        "least_in_any_order": 60,
    }


def schedules(grouping: str, ordered: int, free: int, *, cycles: int = 100) -> list[dict[str, Any]]:
    """A published heuristic with 100 transfers beside ours."""
    return [
        count(grouping, "compact", 150, cycles=cycles),
        count(grouping, "rescheduled", 100, cycles=cycles),
        count(grouping, "ours", ordered, cycles=cycles),
        count(grouping, "ours", free, mode="any_order", cycles=cycles),
    ]


def test_nothing_measured() -> None:
    found, missing = claims(Measured())
    assert not found
    lacks = {row["claim"]: row["lacks"] for row in missing}
    assert lacks[simulator_claims.TIME] == "8 new tokens with published accounting"
    assert lacks[schedule_claims.TOKEN_ORDER] == "synthetic traces"
    assert lacks[hardware_claims.SHARED_AREA] == "groups of crossbars in gates"


@pytest.mark.parametrize(("ours", "met"), [(1.0, True), (1.04, True), (1.06, False)])
def test_figures(ours: float, met: bool) -> None:
    row = {"figure": "prompt", "unit": "ns", "paper": 1.0, "ours": ours, "decimals": 1}
    claim = by_text(Measured(checks=[row]), simulator_claims.FIGURES)
    assert claim.met is met
    assert claim.ours.startswith(f"{int(met)} of 1 figures are equal")


@pytest.mark.parametrize(("ratio", "met"), [(4.16, True), (4.14, False), (4.26, False)])
def test_published_ratios_are_those_of_the_paper(ratio: float, met: bool) -> None:
    measured = Measured(caches=[step("published", ratio, 10.1), step("published", 6.5, 14.0, new_tokens=64)])
    assert by_text(measured, simulator_claims.TIME).met is met
    assert by_text(measured, simulator_claims.ENERGY).met
    assert by_text(measured, simulator_claims.TIME).ours == f"{ratio:.3f} times, 6.50 times for 64 new tokens"


@pytest.mark.parametrize(("ratio", "met"), [(3.9, False), (4.16, True), (5.0, True)])
def test_full_ratios_are_no_less(ratio: float, met: bool) -> None:
    assert by_text(Measured(caches=[step("full", ratio, 9.9)]), simulator_claims.FULL_TIME).met is met
    assert not by_text(Measured(caches=[step("full", ratio, 9.9)]), simulator_claims.FULL_ENERGY).met


def test_sorted_groups() -> None:
    rows = [count(name, "compact", 1, cycles=cycles) for name, cycles in zip(("U2", "S2", "U4"), (200, 150, 300))]
    rows.append(count("S4", "compact", 1, cycles=299))
    assert by_text(Measured(counts=rows), schedule_claims.SORTED).met
    model = [{**row, "kind": "small"} for row in rows]
    assert by_text(Measured(counts=[*rows, *model]), schedule_claims.SORTED).met
    model[-1]["cycles_per_token"] = model[-2]["cycles_per_token"]
    claim = by_text(Measured(counts=[*rows, *model]), schedule_claims.SORTED)
    assert not claim.met
    assert "small: U2 0.3906, S2 0.2930; U4 0.5859, S4 0.5859" in claim.ours


@pytest.mark.parametrize(("transfers", "met"), [(60, True), (61, False)])
def test_groups_of_few_conflicts(transfers: int, met: bool) -> None:
    rows = [count(f"{letter}{size}", "ours", 60, mode="any_order") for letter in "SC" for size in (2, 4)]
    rows[-1]["transfers"] = transfers
    assert by_text(Measured(counts=rows), schedule_claims.COACTIVE).met is met


def test_transfers() -> None:
    measured = Measured(counts=schedules("U1", 90, 60))
    for text in (schedule_claims.RESCHEDULED, schedule_claims.ANY_ORDER, schedule_claims.TOKEN_ORDER):
        assert by_text(measured, text).met
    longer = schedules("U1", 90, 60)
    longer[-1]["cycles"] += 1
    assert not by_text(Measured(counts=longer), schedule_claims.ANY_ORDER).met
    assert not by_text(Measured(counts=schedules("U1", 90, 91)), schedule_claims.ANY_ORDER).met
    # Other groupings have no published figures to be compared with.
    assert by_text(
        Measured(counts=[*schedules("U1", 90, 60), *schedules("C4", 99, 99)]), schedule_claims.TOKEN_ORDER
    ).met


@pytest.mark.parametrize(("least", "met"), [(None, False), (90, False), (91, True)])
def test_less_is_not_saved_only_where_it_cannot(least: int | None, met: bool) -> None:
    bounds = [] if least is None else [{"grouping": "U4", "trace": 0, "least": least, "above": 0.02}]
    claim = by_text(Measured(counts=schedules("U4", 93, 60), bounds=bounds), schedule_claims.TOKEN_ORDER)
    assert claim.met is met
    assert ("no schedule saves more on U4, trace 0: 9.00 %" in claim.ours) is met
    assert ("1 without proof" in claim.ours) is not met


def test_optima() -> None:
    small = [{"mode": mode, "cases": 5, "optimal": 5} for mode in BOTH_MODES]
    counts = schedules("U1", 90, 60)
    assert by_text(Measured(small_cases=small, counts=counts), schedule_claims.OPTIMAL).met
    assert not by_text(Measured(small_cases=small, counts=schedules("U1", 90, 61)), schedule_claims.OPTIMAL).met
    small[0]["optimal"] = 4
    assert not by_text(Measured(small_cases=small, counts=counts), schedule_claims.OPTIMAL).met


def test_example() -> None:
    rows = [{"scheduler": "rescheduled", "mode": "token_order", "cycles": 7, "transfers": 13}]
    rows += [
        {"scheduler": "ours", "mode": mode, "cycles": 7, "transfers": transfers}
        for mode, transfers in zip(BOTH_MODES, (12, 10))
    ]
    claim = by_text(Measured(example=rows), schedule_claims.EXAMPLE)
    assert claim.met
    assert claim.paper == "7 and 13 by its heuristic"
    rows[1]["transfers"] = 13
    assert not by_text(Measured(example=rows), schedule_claims.EXAMPLE).met


@pytest.mark.parametrize(("factor", "met"), [(0.6, True), (0.65, True), (0.67, False), (0.53, False)])
def test_shared_peripheries(factor: float, met: bool) -> None:
    row = {"rows": 2, "columns": 2, "multiplier": "exact", "multiply_in": "cells", "published_factor": 0.6}
    figures = {"crossbars": 2, "area_factor": factor, "energy_factor": factor, "energy_factor_held": 0.6}
    alone = {**row, "published_factor": 1.0} | dict.fromkeys(figures, 1.0) | {"crossbars": 1}
    measured = Measured(groups=[alone, {**row, **figures}], gates="a library")
    for text in (hardware_claims.SHARED_AREA, hardware_claims.SHARED_ENERGY):
        claim = by_text(measured, text)
        assert claim.met is met
        assert (
            f"2 x 2, exact in cells: {'area' if text == hardware_claims.SHARED_AREA else 'random order'}" in claim.ours
        )


@pytest.mark.parametrize(("rate", "met"), [(1e6, True), (9e5, False)])
def test_speed(rate: float, met: bool) -> None:
    rows = [{"model": "olmoe", "operations_per_s": 5e6}, {"model": "mixtral", "operations_per_s": rate}]
    assert by_text(Measured(models=rows), simulator_claims.SPEED).met is met


def gain(grouping: str, token_by_token: float, same_schedule: float) -> dict[str, Any]:
    return {"grouping": grouping, "token_by_token": token_by_token, "same_schedule": same_schedule}


def test_area_efficiency() -> None:
    measured = Measured(gains=[gain("U1", 2.0, 1.0), gain("S2", 2.9, 1.4)], trace_gains=[gain("C2", 3.0, 1.5)])
    claim = by_text(measured, hardware_claims.AREA)
    assert claim.met
    assert claim.ours == "U1 2.00, S2 2.90; on synthetic traces: C2 3.00"
    assert not by_text(measured, hardware_claims.AREA_ALONE).met
    # Ours does not count for the published cycles.
    own = Measured(gains=[gain("U1", 2.0, 1.0)], trace_gains=[gain("C2", 3.0, 2.5)])
    assert not by_text(own, hardware_claims.AREA).met


@pytest.mark.parametrize(("figure", "met"), [(16.0, True), (14.0, False)])
def test_densities(figure: float, met: bool) -> None:
    densities = [
        {"phase": phase, "area": "layer", "grouping": "S4", "gops_w_mm2": value}
        for phase, value in (("prompt", 40.0), ("steps", figure))
    ]
    chips = [
        {"configuration": name, "group": 4, "phase": phase, "gops_w_mm2": value, "chip_gain": 2.3, "experts_gain": 2.5}
        for name, value in (("control", figure), ("gates", 100.0))
        for phase in ("prompt", "prompt and steps")
    ]
    measured = Measured(densities=densities, chips=chips)
    assert by_text(measured, hardware_claims.DENSITY).met is met
    assert by_text(measured, hardware_claims.DENSITY_FULL).met is met
    assert by_text(measured, hardware_claims.AREA_FULL).met
    chips[0]["chip_gain"] = 2.1
    claim = by_text(measured, hardware_claims.AREA_FULL)
    assert not claim.met
    assert claim.ours == "g = 4: 2.10 for the chip, 2.50 for the experts' part"


def test_values_are_equal() -> None:
    rows = [
        {"model": "small", "tokens": 64, "multiplier": name, "equal": name != "float32", "difference": 1e-5}
        for name in ("float32", "int8", "mul8s_1L2L", "analog")
    ]
    claim = by_text(Measured(schedule_values=rows), value_claims.EQUAL)
    assert claim.met, "float32 does not count"
    assert "2 of 2 in int8" in claim.ours
    assert "at most 1e-05" in claim.ours
    rows[2]["equal"] = False
    assert not by_text(Measured(schedule_values=rows), value_claims.EQUAL).met


def value(multiplier: str, rise: float, *, size: str = "", routing: str = "expert_choice") -> dict[str, Any]:
    names = {"model": "small", "hardware": multiplier, "multiplier": multiplier, "routing": routing, "size": size}
    return {**names, "prompt": 32, "new": 8, "score_bits": None, "rise_pct": rise}


def test_caches() -> None:
    rows = [value("float32", 60.0, size="fixed"), value("float32", 0.2, size="growing")]
    claim = by_text(Measured(values=rows), value_claims.PUBLISHED_CACHE)
    assert not claim.met
    assert claim.ours == "small: 32 + 8 bytes +60.00 %"
    assert by_text(Measured(values=rows), value_claims.GROWING_CACHE).met
    worse = [*rows, value("float32", 1.1, size="growing")]
    assert not by_text(Measured(values=worse), value_claims.GROWING_CACHE).met


@pytest.mark.parametrize(("cached", "met"), [(1.2, True), (1.6, False)])
def test_inexact_hardware(cached: float, met: bool) -> None:
    rows = [value("int8", 0.5, routing="token_choice"), value("int8", cached, size="growing")]
    claim = by_text(Measured(values=rows), value_claims.INEXACT)
    assert claim.met is met
    assert claim.ours.endswith(f"int8 +0.50 and {cached:+.2f} %")

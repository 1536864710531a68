from __future__ import annotations

import math

import pytest

from axhw.analog.cost import ModuleCost, TokenCost
from axhw.analog.front import Front, energy_front, front_of_rows
from axhw.errors import AxhwError


def cost(energy_nj: float) -> TokenCost:
    module = ModuleCost(module="head", macs=1.0, compute_nj=energy_nj)
    return TokenCost(modules=(module,), busy_ns={"arrays": 2.0}, latency_ns=3.0, arrays_mm2=1.0, leakage_nw=0.0)


ENERGIES = {("none", 0.0): 10, ("exact8s", 50.0): 40, ("exact8s", 100.0): 100, ("rough", 50.0): 30}
NATS = {
    ("none", 0.0): (1.2, 1.4),
    ("exact8s", 50.0): (1.10, 1.12),
    ("exact8s", 100.0): (1.0,),
    ("rough", 50.0): (1.11,),
}


def rows(points: dict[tuple[str, float], tuple[float, ...]]) -> list[dict[str, float | str | int]]:
    return [
        {"multiplier": name, "digital_pct": pct, "nats_per_token": nats, "accuracy": 0.5 + seed / 10, "seed": seed}
        for (name, pct), losses in points.items()
        for seed, nats in enumerate(losses)
    ]


def measured_front() -> Front:
    costs = [
        cost(ENERGIES[point] + 2 * seed - len(losses) + 1)
        for point, losses in NATS.items()
        for seed in range(len(losses))
    ]
    return front_of_rows(rows(NATS), costs, reference_nats=1.0, reference_nj=100.0)


def test_points_that_no_other_beats() -> None:
    """Of two seeds, one takes 1 nJ less than the mean and one 1 nJ more."""
    front = measured_front()
    by_point = {(row["multiplier"], row["digital_pct"]): row for row in front.rows}
    assert len(by_point) == 4
    # 1.11 twice: the rough multiplier takes less energy for the same loss.
    assert [row["multiplier"] for row in front.front] == ["none", "rough", "exact8s"]
    assert not by_point["exact8s", 50.0]["on_front"]
    analog = by_point["none", 0.0]
    assert (analog["seeds"], analog["nats_per_token"], analog["accuracy"]) == (2, pytest.approx(1.3), 0.55)
    assert analog["perplexity"] == pytest.approx(math.exp(1.3))
    assert analog["perplexity_deviation"] == pytest.approx((math.exp(1.4) - math.exp(1.2)) / math.sqrt(2))
    assert analog["rise_pct"] == pytest.approx(100 * (math.exp(0.3) - 1))
    assert (analog["energy_nj"], analog["energy_pct"]) == (10, 10)
    assert by_point["exact8s", 100.0]["perplexity_deviation"] == 0


def test_costs_by_point() -> None:
    costs = {point: cost(energy) for point, energy in ENERGIES.items()}
    by_point = energy_front(rows(NATS), costs, reference_nats=1.0, reference_nj=100.0)
    assert [row["on_front"] for row in by_point.rows] == [row["on_front"] for row in measured_front().rows]
    assert [row["energy_nj"] for row in by_point.rows] == list(ENERGIES.values())


def test_hypervolume_by_hand() -> None:
    """Only points that rise by less than 20 %, and take less energy than the reference, count."""
    front = measured_front()
    rise = math.exp(0.11) - 1
    assert front.hypervolume(worst_rise=0.2) == pytest.approx((1 - rise / 0.2) * 0.7)
    assert front.hypervolume(["exact8s"], worst_rise=0.2) == pytest.approx((1 - rise / 0.2) * 0.6)
    assert front.hypervolume(["none"], worst_rise=0.2) == 0
    # From 20 % of the energy up, of which 30 % is an eighth.
    assert front.hypervolume(worst_rise=0.2, least_energy=0.2) == pytest.approx((1 - rise / 0.2) * 7 / 8)
    # Less energy than that doesn't count.
    assert front.hypervolume(worst_rise=0.2, least_energy=0.5) == pytest.approx(1 - rise / 0.2)


def test_what_cannot_be_compared_is_refused() -> None:
    measured = rows(NATS)[:1]
    with pytest.raises(AxhwError, match="Expected a cost for each measured row, found 0 for 1 rows."):
        front_of_rows(measured, [], reference_nats=1, reference_nj=1)
    with pytest.raises(AxhwError, match="Expected a cost for none with 0 % of the experts digital, found none."):
        energy_front(measured, {("none", 50.0): cost(1)}, reference_nats=1, reference_nj=1)
    costs = {("none", 0.0): cost(1)}
    with pytest.raises(AxhwError, match="Expected measured points with multiplier, .*, found one without accuracy."):
        energy_front([{**measured[0], "accuracy": None}], costs, reference_nats=1, reference_nj=1)
    with pytest.raises(AxhwError, match="Expected finite losses to draw a front of, found nan."):
        energy_front([{**measured[0], "nats_per_token": math.nan}], costs, reference_nats=1, reference_nj=1)

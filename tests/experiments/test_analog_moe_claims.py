"""Whether claims are met or lack rows, from rows made up for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from axhw.experiments.analog_moe.claims import (
    ADAPTS,
    APPROXIMATE,
    AT_MOST,
    BEATS,
    BUDGETS,
    CONVERTERS,
    DENSE,
    HALF,
    HALF_OF_LARGE,
    THIRD,
    THROUGHPUT,
    Measured,
    claims,
)
from axhw.experiments.analog_moe.costs import ALL, ARITHMETIC, SYSTEM
from axhw.experiments.analog_moe.plan import MAXNN, ORACLE, OUR_CHIP, OURS, RIVALS
from axhw.experiments.analog_moe.points import ANY, means
from axhw.experiments.analog_moe.policies import ADAPTED, BUDGET
from axhw.experiments.claims import Claim


def mean(rise_pct: float, magnitude: float = 2.5, **other: Any) -> dict[str, Any]:
    """A row of means."""
    row = {
        "model": "small",
        "analog": "experts",
        "converters": "chosen",
        "noise": "pcm" if magnitude else "none",
        "magnitude": magnitude,
        "seconds": 0.0,
        "compensated": False,
        "selector": ANY,
        "scope": "layer",
        "digital_pct": 0.0,
        "multiplier": "float32",
        "policy": "fixed",
        "rise_pct": rise_pct,
        "rise_nats": math.log1p(rise_pct / 100),
        "nats_per_token": 1.4 + math.log1p(rise_pct / 100),
        "recovered_pct": None,
        "recovered_error": None,
    }
    return row | other


def chosen(selector: str, rise_pct: float, magnitude: float = 2.5, **other: Any) -> dict[str, Any]:
    """One with the paper's share of digital experts."""
    return mean(rise_pct, magnitude, **{"selector": selector, "digital_pct": 25.0, **other})


def cost(model: str, view: str, *tokens_per_s: float) -> list[dict[str, Any]]:
    """Rows of costs: all digital, 25 % digital, all analog."""
    return [
        {
            "model": model,
            "view": view,
            "analog": "experts",
            "digital_pct": share,
            "multiplier": "exact",
            "tokens_per_s": rate,
        }
        for share, rate in zip((100.0, 25.0, 0.0), tokens_per_s)
    ]


def found(
    rows: Sequence[dict[str, Any]],
    *,
    costs: Sequence[dict[str, Any]] = (),
    volumes: Sequence[dict[str, Any]] = (),
    policies: Sequence[dict[str, Any]] = (),
) -> Measured:
    return Measured(means=rows, costs=costs, volumes=volumes, policies=policies, about="text")


def by_text(measured: Measured, text: str) -> Claim:
    (claim,) = [claim for claim in claims(measured)[0] if claim.claim == text]
    return claim


def lacks(measured: Measured) -> dict[str, str]:
    return {row["claim"]: row["lacks"] for row in claims(measured)[1]}


def test_every_claim_is_there_or_missing() -> None:
    assert claims(found([]))[0] == []
    assert len(lacks(found([]))) == 11
    some = found([mean(0.1, 0.0), mean(0.5, 0.0, analog="all")])
    rows, missing = claims(some)
    assert {row.claim for row in rows} == {CONVERTERS, AT_MOST}
    assert len(missing) == 9
    assert lacks(some)[THIRD] == "small with magnitude 2.5, selector maxnn, digital_pct 25.0"
    assert lacks(some)[THROUGHPUT] == "costs"
    assert lacks(some)[APPROXIMATE] == "fronts on several seeds"


@pytest.mark.parametrize(
    ("experts", "everything", "less", "at_most"),
    [(0.4, 2.0, True, True), (0.4, 0.3, False, True), (1.1, 2.0, True, False)],
)
def test_converters(experts: float, everything: float, less: bool, at_most: bool) -> None:
    measured = found([mean(experts, 0.0), mean(everything, 0.0, analog="all")])
    claim = by_text(measured, CONVERTERS)
    assert claim.met is less
    assert f"small {experts:+.2f} and {everything:+.2f} %" in claim.ours
    assert by_text(measured, AT_MOST).met is at_most


def test_converters_on_every_model() -> None:
    good = [mean(0.4, 0.0), mean(2.0, 0.0, analog="all")]
    bad = [mean(3.0, 0.0, model="other"), mean(2.0, 0.0, analog="all", model="other")]
    assert not by_text(found([*good, *bad]), CONVERTERS).met
    assert by_text(found([*good, *bad[:1]]), CONVERTERS).met, "models without the rows don't count"
    assert lacks(found(bad[:1]))[CONVERTERS] == "other with magnitude 0.0, analog all"


@pytest.mark.parametrize(("experts", "some", "met"), [(2.0, 1.5, True), (3.9, 1.5, False)])
def test_dense_modules(experts: float, some: float, met: bool) -> None:
    rows = [mean(4.0, 1.5, analog="all"), mean(experts, 1.5), chosen(MAXNN, some, 1.5)]
    assert by_text(found(rows), DENSE).met is met


def test_maxnn_beats_the_others() -> None:
    rows = [chosen(name, 0.9, magnitude) for name in RIVALS for magnitude in (1.0, 2.5)]
    best = [chosen(MAXNN, 0.8, 1.0), chosen(MAXNN, 0.8, 2.5)]
    assert by_text(found([*rows, *best]), BEATS).met
    worse = [chosen(MAXNN, 0.8, 1.0), chosen(MAXNN, 0.95, 2.5)]
    claim = by_text(found([*rows, *worse]), BEATS)
    assert not claim.met
    assert claim.ours == "best at 1 of 2: small loses to activation frequency at 2.5"
    assert "magnitude 1.0, selector random" in lacks(found([*rows[:-2], *best]))[BEATS]


@pytest.mark.parametrize(("share", "met"), [(40.0, True), (33.0, False), (70.0, True)])
def test_a_third_is_recovered(share: float, met: bool) -> None:
    claim = by_text(found([chosen(MAXNN, 0.5, recovered_pct=share, recovered_error=2.0)]), THIRD)
    assert claim.met is met
    assert claim.ours == f"small {share:.0f} ± 2 %"
    assert lacks(found([chosen(MAXNN, 0.5)]))[THIRD] == "a loss of small to recover"


def test_half_is_recovered_by_no_oracle() -> None:
    rows = [chosen(MAXNN, 0.5, recovered_pct=40.0), chosen(ORACLE, 0.5, recovered_pct=90.0, scope="global")]
    assert not by_text(found(rows), HALF).met
    ours = chosen(OURS, 0.5, recovered_pct=49.0, scope="global")
    assert not by_text(found([*rows, ours]), HALF).met
    chip = chosen(OUR_CHIP, 0.5, recovered_pct=51.0, scope="global")
    claim = by_text(found([*rows, ours, chip]), HALF)
    assert claim.met
    assert claim.ours.startswith("probed on the chip (ours), all layers, at least 51 %; small: MaxNNScore")
    assert "probed on the chip (ours), all layers: 51 %" in claim.ours


def test_half_is_recovered_by_one_selector_on_every_model() -> None:
    def rows(model: str, maxnn: float, chip: float) -> list[dict[str, Any]]:
        shares = {MAXNN: maxnn, OUR_CHIP: chip}
        return [chosen(name, 0.5, recovered_pct=pct, scope="global", model=model) for name, pct in shares.items()]

    assert not by_text(found([*rows("one", 60, 40), *rows("two", 40, 60)]), HALF).met
    claim = by_text(found([*rows("one", 60, 51), *rows("two", 40, 60)]), HALF)
    assert claim.met
    assert claim.ours.startswith("probed on the chip (ours), all layers, at least 51 %")
    assert not by_text(found([*rows("one", 60, 51), *rows("two", 40, 60)[:1]]), HALF).met, "not measured on the other"
    several = replace(found([*rows("one", 60, 40), *rows("two", 40, 60)]), large=["two"])
    assert not by_text(several, HALF).met
    assert by_text(several, HALF_OF_LARGE).met, "small ones don't count here"
    assert not by_text(replace(several, large=["one", "two"]), HALF_OF_LARGE).met
    assert lacks(replace(several, large=[]))[HALF_OF_LARGE] == "a model of 10,000,000 weights or more"


def test_throughput() -> None:
    rows = [mean(0.1, 0.0)]
    good = cost("small", SYSTEM.name, 10, 20, 30)
    assert by_text(found(rows, costs=good), THROUGHPUT).met
    claim = by_text(found(rows, costs=[*good, *cost("OLMoE 7B", "DRAM", 10, 30, 30)]), THROUGHPUT)
    assert not claim.met
    assert "OLMoE 7B 10, 30, 30" in claim.ours


def volume(multiplier: str, share: float, gain: float | None, error: float | None, **other: Any) -> dict[str, Any]:
    """A row of what a multiplier's points dominate."""
    row = {"model": "small", "view": ARITHMETIC.name, "multiplier": multiplier, "hypervolume": share}
    return row | {"gain": gain, "gain_error": error} | other


@pytest.mark.parametrize(("gain", "met"), [(-0.01, False), (0.019, False), (0.021, True)])
def test_approximate_experts(gain: float, met: bool) -> None:
    rows = [
        volume("exact", 0.4, 0.0, 0.0),
        volume("rough", 0.3, -0.1, 0.001),
        volume("good", 0.4 + gain, gain, 0.01),
        # More than any alone, which it is for whatever multipliers.
        volume(ALL, 0.5, None, None),
    ]
    system = [row | {"view": SYSTEM.name, "gain": -0.2} for row in rows]
    claim = by_text(found([mean(0.1, 0.0)], volumes=[*rows, *system]), APPROXIMATE)
    assert claim.met is met
    assert f"with good ({100 * gain:+.1f} ± 1.0 %), 50.0 % with all" in claim.ours
    single = [row | {"gain_error": None} for row in rows]
    assert lacks(found([mean(0.1, 0.0)], volumes=single))[APPROXIMATE] == "fronts on several seeds"


@pytest.mark.parametrize(("budgeted", "met"), [(0.6, True), (0.85, False)])
def test_budgets(budgeted: float, met: bool) -> None:
    rows = [chosen(MAXNN, 0.8), chosen(OURS, 0.7)]
    policy = chosen(OURS, budgeted, policy=BUDGET)
    converters = chosen(OURS, 5.0, 0.0, policy=BUDGET)
    claim = by_text(found([*rows, policy], policies=[policy, converters]), BUDGETS)
    assert claim.met is met
    assert claim.ours.startswith(f"better than MaxNNScore at {int(met)} of 1 models and magnitudes")
    assert "selector maxnn" in lacks(found([policy], policies=[policy]))[BUDGETS]


@pytest.mark.parametrize(("rise", "met"), [(0.5, True), (0.51, False)])
def test_adapted_sets(rise: float, met: bool) -> None:
    rows = [chosen(OURS, 0.1, 0.0, policy=ADAPTED, limit_pct=0.5), chosen(OURS, rise, policy=ADAPTED, limit_pct=0.5)]
    assert by_text(found([mean(0.1, 0.0)], policies=rows), ADAPTS).met is met


def chip(nats: float, seed: int, mirrored: bool, **other: Any) -> dict[str, Any]:
    """A row of a chip."""
    row = mean(0.0) | {"seed": seed, "mirrored": mirrored, "digital_experts": 0, "nats_per_token": nats}
    return row | {"accuracy": 0.6} | other


def test_means_are_those_of_pairs() -> None:
    reference = {"small": {"nats_per_token": 1.0}}
    before = [chip(1.1 + shift, seed, sign) for seed, shift in ((0, 0.02), (1, -0.02)) for sign in (False, True)]
    picked = {"selector": MAXNN, "digital_pct": 25.0, "digital_experts": 4}
    after = [
        chip(1.06 + shift, seed, sign, **picked) for seed, shift in ((0, 0.04), (1, -0.02)) for sign in (False, True)
    ]
    analog, some = means([*before, *after], reference)
    assert analog["rise_nats"] == pytest.approx(0.1)
    assert analog["recovered_pct"] is None
    assert some["chips"] == 4
    assert some["recovered_pct"] == pytest.approx(30)
    # Seeds recover 20 and 40 %.
    assert some["recovered_error"] == pytest.approx(10)
    assert some["rise_pct"] == pytest.approx(100 * math.expm1(0.07))
    (alone,) = means(after, reference)
    assert alone["recovered_pct"] is None, "nothing to compare with"

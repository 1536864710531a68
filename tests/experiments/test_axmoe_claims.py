"""Whether claims are met or lack cells, from rows made up for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from axhw.experiments.axmoe.assignments import gains
from axhw.experiments.axmoe.cells import retrained_column, start_column
from axhw.experiments.axmoe.claims import (
    BEATS,
    BEATS_AS_IS,
    BIAS,
    COLLAPSE,
    DENSE_RESILIENT,
    PER_EXPERT,
    SOFT,
    TRANSFORMERS,
    claims,
)
from axhw.experiments.axmoe.measured import Measured, final_accuracy, recovered
from axhw.experiments.axmoe.retraining_claims import BETTER_RECIPE, CHEAPER_RECIPE, recovery_text
from axhw.experiments.claims import Claim
from axhw.moe.cells import RECIPES
from axhw.moe.normalized_cost import published_ratio
from axhw.nn.zoo.moe import dense_name, topology

CIRCUITS = ("mul8s_1KV6", "mul8s_1KVA", "mul8s_1L2L")
EXACT = 0.80
TIMES = {"dense": 1.0, "hard": 1.003, "soft": 2.5, "cluster": 1.003}


def cell(network: str, circuit: str, lost: float, **other: Any) -> dict[str, Any]:
    """A row of a network that loses so many points as it is."""
    row = {
        "network": network,
        "base": dense_name(network),
        "topology": topology(network),
        "circuit": circuit,
        "images": 10_000,
        "seed": 0,
        "int8_accuracy": EXACT,
        "accuracy": EXACT - lost / 100,
        "bias_accuracy": EXACT - lost / 100,
        "affine_accuracy": EXACT - lost / 100,
        **dict.fromkeys(map(retrained_column, RECIPES)),
        **dict.fromkeys(map(start_column, RECIPES), EXACT),
        "published_cost": TIMES[topology(network)] * published_ratio(circuit),
    }
    return row | other


def network(name: str, *lost: float, **other: Any) -> list[dict[str, Any]]:
    """Its cells, points lost by approximate circuit in the order of `CIRCUITS`."""
    return [cell(name, circuit, points, **other) for circuit, points in zip(CIRCUITS, (0.0, *lost))]


def found(cells: Sequence[dict[str, Any]], *points: dict[str, Any], recovering: tuple[str, ...] = ()) -> Measured:
    return Measured(cells=cells, gains=gains(points), recovering=recovering, circuits=CIRCUITS, about="data")


def by_text(measured: Measured, text: str) -> Claim:
    (claim,) = [claim for claim in claims(measured)[0] if claim.claim == text]
    return claim


def lacks(measured: Measured) -> dict[str, str]:
    return {row["claim"]: row["lacks"] for row in claims(measured)[1]}


DENSE = network("resnet20", 5, 20)


def test_every_claim_is_there_or_missing() -> None:
    everything = found([*DENSE, *network("resnet20_hard4", 30, 60)], recovering=("resnet20",))
    rows, missing = claims(everything)
    texts = [row.claim for row in rows] + [row["claim"] for row in missing]
    assert len(texts) == len(set(texts)) == 12
    assert claims(found([]))[0] == []
    assert lacks(found([]))[TRANSFORMERS] == "a transformer with and without experts"


@pytest.mark.parametrize(("other", "met"), [((30, 60), True), ((5.1, 20), True), ((5, 20), False), ((0, 24), False)])
def test_dense_is_most_resilient(other: tuple[float, float], met: bool) -> None:
    claim = by_text(found([*DENSE, *network("resnet20_cluster4", *other)]), DENSE_RESILIENT)
    assert claim.met is met
    assert "resnet20: dense 12.5, cluster" in claim.ours


@pytest.mark.parametrize(
    ("hard", "cluster", "met"),
    [((50, 70), (41, 20), True), ((50, 70), (39, 70), True), ((50, 70), (39, 30), False), ((39, 39), (50, 50), False)],
)
def test_collapse(hard: tuple[float, float], cluster: tuple[float, float], met: bool) -> None:
    """Dense never collapses: it is above 40 % with every circuit."""
    cells = [*network("resnet20", 5, 39), *network("resnet20_hard4", *hard), *network("resnet20_cluster4", *cluster)]
    assert by_text(found(cells), COLLAPSE).met is met
    assert COLLAPSE in lacks(found(DENSE))


def test_transformers_degrade_alike() -> None:
    dense = network("vit_tiny", 5, 20)
    assert by_text(found([*dense, *network("vit_tiny_hard4_r25", 8, 17)]), TRANSFORMERS).met
    claim = by_text(found([*dense, *network("vit_tiny_hard4_r25", 8.1, 20)]), TRANSFORMERS)
    assert not claim.met
    assert "3.1 points apart (1KVA)" in claim.ours


def retrained(name: str, lost: Sequence[float], **other: Any) -> list[dict[str, Any]]:
    cells = network(name, 50, 50)
    for row, points in zip(cells[1:], lost):
        row |= {"distilled_accuracy": EXACT - points / 100, **other}
    return cells


def test_recovery() -> None:
    recovering = ("resnet20", "resnet20_hard4")
    text = recovery_text("distilled", recovering)
    assert text.startswith("resnet20 and resnet20_hard4 recover to within 1 point with every circuit up to 1L2L")
    good = retrained("resnet20", (-0.5, 1.0))
    assert by_text(found([*good, *retrained("resnet20_hard4", (0, 0.9))], recovering=recovering), text).met
    measured = found([*good, *retrained("resnet20_hard4", (0, 1.1))], recovering=recovering)
    assert not by_text(measured, text).met
    assert "resnet20_hard4: at most 1.10 points lost (1L2L)" in by_text(measured, text).ours
    assert lacks(measured)[recovery_text("study", recovering)] == "resnet20 retrained for mul8s_1KVA (recipe study)"
    assert (
        lacks(found(good, recovering=recovering))[text] == "resnet20_hard4 retrained for mul8s_1KVA (recipe distilled)"
    )


def test_recovery_is_the_mean_over_seeds_up_to_the_last_circuit() -> None:
    text = recovery_text("distilled", ("resnet20",))
    seeds = [
        cell("resnet20", "mul8s_1L2L", 50, seed=seed, distilled_accuracy=EXACT - lost / 100)
        for seed, lost in enumerate((0, 1.9))
    ]
    first = cell("resnet20", "mul8s_1KVA", 9, distilled_accuracy=EXACT)
    coarser = cell("resnet20", "mul8s_1L2N", 50, distilled_accuracy=0.1)
    measured = Measured(
        cells=[first, *seeds, coarser], gains=[], recovering=("resnet20",), circuits=(*CIRCUITS, "mul8s_1L2N"), about=""
    )
    assert by_text(measured, text).met


def test_experts_beat_dense_at_equal_cost() -> None:
    dense = retrained("resnet20", (2, 5))
    assert not by_text(found([*dense, *retrained("resnet20_hard4", (2, 5))]), BEATS).met
    # Of 10,000 images each, the difference has a standard error of 0.61 points.
    assert not by_text(found([*dense, *retrained("resnet20_hard4", (2, 3.9))]), BEATS).met
    # The larger of two differences, with the exact ones of three, is beyond 2.1 errors by chance in 5 % of cases.
    assert not by_text(found([*dense, *retrained("resnet20_hard4", (2, 3.74))]), BEATS).met
    better = by_text(found([*dense, *retrained("resnet20_hard4", (2, 3.6))]), BEATS)
    assert better.met
    assert "standard error of the difference 0.61 points" in better.ours
    costly = retrained("resnet20_soft4", (1, 1))
    assert not by_text(found([*dense, *costly]), BEATS).met, "Dense is exact at that cost"
    assert BEATS in lacks(found(costly))


def test_dense_is_compared_with_circuits_that_it_has() -> None:
    """Dense lacks 1KVA, retrained: that it would lose to with 1L2L is no gain of experts at equal cost."""
    dense = retrained("resnet20", (2, 5))
    dense[1]["distilled_accuracy"] = None
    assert not by_text(found([*dense, *retrained("resnet20_hard4", (0, 5))]), BEATS).met


def test_the_clearest_gain_counts() -> None:
    """A larger gain of less accurate networks is less certain, and takes nothing from a clear one."""
    sure = [*retrained("resnet20", (2, 5)), *retrained("resnet20_hard4", (2, 3))]
    unsure = [
        *retrained("resnet8", (30, 30), int8_accuracy=0.5, distilled_start_accuracy=0.5),
        *retrained("resnet8_hard4", (27.9, 30), int8_accuracy=0.5, distilled_start_accuracy=0.5),
    ]
    for cells in (sure, [*sure, *unsure]):
        claim = by_text(found(cells), BEATS)
        assert claim.met
        assert "resnet20_hard4 with 1L2L" in claim.ours


def test_experts_beat_dense_as_they_are() -> None:
    assert by_text(found([*DENSE, *network("resnet20_hard4", 9, 18)]), BEATS_AS_IS).met
    assert not by_text(found([*DENSE, *network("resnet20_hard4", 4.5, 19.5)]), BEATS_AS_IS).met
    # Dense with 1KVA costs less than Soft with 1L2L.
    assert not by_text(found([*DENSE, *network("resnet20_soft4", 5, 5)]), BEATS_AS_IS).met


def test_topologies_are_compared_with_the_circuits_they_share() -> None:
    """Hard lacks the circuit that Dense loses most with."""
    hard = [row for row in network("resnet20_hard4", 6, 60) if row["circuit"] != "mul8s_1L2L"]
    claim = by_text(found([*DENSE, *hard]), DENSE_RESILIENT)
    assert "resnet20: dense 5.0, hard 6.0" in claim.ours
    assert claim.met


def test_cells_without_compensation_say_nothing_of_bias() -> None:
    told = [row | {"bias_accuracy": None, "affine_accuracy": None} for row in network("vgg11_bn", 5, 20)]
    assert BIAS in lacks(found(told))


def test_soft_is_best_and_costs_more() -> None:
    dense = network("resnet20", 2, 5)
    better = network("resnet20_soft4", 2, 5, int8_accuracy=EXACT + 0.01)
    assert by_text(found([*dense, *better]), SOFT).met
    assert not by_text(found([*network("resnet20", 2, 5, int8_accuracy=EXACT + 0.02), *better]), SOFT).met
    assert not by_text(found([*dense, *(row | {"published_cost": 3.5} for row in better)]), SOFT).met


def point(sharing: str, saved: float, loss: float, test: float | None = None) -> dict[str, Any]:
    return {
        "network": "resnet20_hard4",
        "compensation": "none",
        "sharing": sharing,
        "energy_saved_pct": saved,
        "validation_loss_pct": loss,
        "test_loss_pct": loss if test is None else test,
    }


ONE = (point("network", 0, 0), point("network", 40, 0.8), point("network", 60, 5))


@pytest.mark.parametrize(
    ("finer", "met"),
    [
        (point("expert", 46, 0.8), True),
        (point("expert", 45.9, 0.8), False),
        (point("expert", 50, 0.9), False),
        (point("expert", 46, 0.8, test=1.0), True),
        (point("expert", 46, 0.8, test=1.1), False),
    ],
)
def test_a_multiplier_for_each_expert(finer: dict[str, Any], met: bool) -> None:
    """Against 60 % of the energy at a loss of 0.8 points."""
    claim = by_text(found(DENSE, *ONE, point("layer", 42, 0.8), finer), PER_EXPERT)
    assert claim.met is met
    assert "with one for all experts of a layer 3.3 % less" in claim.ours


def test_gains_are_at_the_accuracy_of_one_for_all() -> None:
    rows = gains([*ONE, point("layer", 42, 0.8), point("expert", 70, 0.9), point("expert", 50, 0.1)])
    assert [row["at_most_loss_pct"] for row in rows] == [1, 2, 4, 8]
    assert [row["network_energy_pct"] for row in rows] == [60, 60, 60, 40]
    assert [row["expert_energy_pct"] for row in rows] == [50, 50, 50, 30]
    assert rows[0]["less_by_expert_pct"] == pytest.approx(100 / 6)
    assert rows[3]["layer_energy_pct"] == 58, "no point by layer was run that is as good as one for all"


def test_bias() -> None:
    half = [cell("resnet20", "mul8s_1KVA", 10, bias_accuracy=EXACT - 0.05)]
    assert by_text(found(half), BIAS).met
    less = [cell("resnet20_hard4", "mul8s_1L2L", 10, bias_accuracy=EXACT - 0.06)]
    assert not by_text(found([*half, *less]), BIAS).met
    assert by_text(found([*half, *less]), BIAS).ours.endswith("by circuit 1KVA 50 %, 1L2L 40 %")
    assert BIAS in lacks(found([cell("resnet20", "mul8s_1KVA", 1.9)]))
    assert recovered(half[0], "affine_accuracy") == 0


@pytest.mark.parametrize(
    ("lost", "met"),
    [
        # By the study's recipe and by ours, cell by cell: 5 of 5 coins show heads in 1 of 32 cases, 4 in 1 of 16.
        ([(1.0, 0.5)] * 5, True),
        ([(1.0, 0.5)] * 4, False),
        ([(1.0, 0.5)] * 5 + [(0.5, 0.5)] * 3, True),
        ([(1.0, 0.5)] * 5 + [(0.5, 0.6)], False),
        ([(0.5, 0.5)] * 9, False),
    ],
)
def test_a_recipe_of_ours_is_better_where_it_clearly_loses_less(lost: list[tuple[float, float]], met: bool) -> None:
    cells = [
        cell(f"vgg{number}_bn", "mul8s_1L2L", 30, study_accuracy=EXACT - a / 100, distilled_accuracy=EXACT - b / 100)
        for number, (a, b) in enumerate(lost)
    ]
    # Another training of the network, and the exact circuit, are no cells of both.
    other = {"study_accuracy": EXACT, "distilled_accuracy": 0.1}
    cells.append(cell("resnet20", "mul8s_1L2L", 30, **other, distilled_start_accuracy=0.1))
    cells.append(cell("resnet20", "mul8s_1KV6", 0, **other))
    claim = by_text(found(cells), BETTER_RECIPE)
    assert claim.met is met
    mean = sum(b for _, b in lost) / len(lost)
    assert claim.ours.startswith(f"{mean:.2f} points lost in the mean of {len(lost)} cells")
    better = sum(b < a for a, b in lost)
    assert f"better in {better} of {sum(a != b for a, b in lost)} that differ" in claim.ours
    assert lacks(found(cells[-2:]))[BETTER_RECIPE].endswith("and ours from one start")


@pytest.mark.parametrize(
    ("more", "most", "met"),
    [
        # The 95 % quantile of Student's t with 3 degrees of freedom is 2.353.
        ((-0.2, 0.2, 0.0, 0.0), 0.5 * 2.353 * math.sqrt(0.08 / 3), True),
        ((-0.1, 0.3, 0.1, 0.1), 0.1 + 0.5 * 2.353 * math.sqrt(0.08 / 3), False),
        ((0.25, 0.25), 0.25, True),
        ((0.26, 0.26), 0.26, False),
    ],
)
def test_a_recipe_of_fewer_epochs_is_as_good_within_a_margin(more: tuple[float, ...], most: float, met: bool) -> None:
    cells = [
        cell(
            f"vgg{number}_bn",
            "mul8s_1L2L",
            30,
            study_accuracy=EXACT - 0.01,
            distilled_accuracy=EXACT - 0.01 - each / 100,
        )
        for number, each in enumerate(more)
    ]
    claim = by_text(found(cells), CHEAPER_RECIPE)
    assert claim.met is met
    mean = sum(more) / len(more)
    assert claim.ours == (
        f"{mean:+.2f} points lost beside the study's in the mean of {len(more)} cells, at most {most:+.2f}"
    )
    assert CHEAPER_RECIPE in lacks(found(cells[:1])), "one cell tells nothing of the spread"


def test_final_accuracy() -> None:
    assert final_accuracy(cell("resnet20", "mul8s_1KV6", 0)) == EXACT
    assert final_accuracy(cell("resnet20", "mul8s_1L2L", 3)) is None
    both = cell("resnet20", "mul8s_1L2L", 3, study_accuracy=0.7, distilled_accuracy=0.72)
    assert final_accuracy(both) == 0.72
    assert final_accuracy(both | {"distilled_start_accuracy": EXACT + 0.01}) == 0.7, "that is another training"

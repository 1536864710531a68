"""Whether claims are met, from rows made up for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from axhw.experiments.claims import Claim
from axhw.experiments.max_dnn.claims import claims
from axhw.experiments.max_dnn.fronts import best, joint, savings

LAYERS = 7


def point(saved: float, loss: float, **other: Any) -> dict[str, Any]:
    """A row of a front; test losses are those of the search unless they are given."""
    level = other.pop("level", "kernel")
    row = {
        "network": "resnet8",
        "palette": "roup",
        "compensation": "none",
        "level": level,
        "finest": level,
        "energy_saved_pct": saved,
        "validation_loss_pct": loss,
        "test_loss_pct": loss,
        **other,
    }
    return row | {"test_accuracy": 0.84 - row["test_loss_pct"] / 100}


def sensitivity(alone: list[float], up_to: list[float]) -> list[dict[str, Any]]:
    """Rows of a network of accuracy 0.84 that loses so many points."""
    return [
        {
            "class": name,
            "name": "roup8s_p2_r3",
            "dataset": "data",
            "images": 1000,
            "int8_accuracy": 0.84,
            "accuracy_alone": 0.84 - one / 100,
            "accuracy_up_to": 0.84 - many / 100,
        }
        for name in "LMH"
        for one, many in zip(alone, up_to)
    ]


FLAT = sensitivity([1.0] * LAYERS, [10.0 * number for number in range(1, LAYERS + 1)])
AS_PUBLISHED = sensitivity([25, 30, 22, 8, 8, 9, 7], [25, 40, 50, 60, 62, 63, 64])


def found(points: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[Claim]:
    return claims(points, rows, model="resnet8", deeper="resnet20", about="data")


def by_words(all_claims: list[Claim], words: str) -> Claim:
    (claim,) = [claim for claim in all_claims if words in claim.claim]
    return claim


PUBLISHED = point(25, 3, level="layer", palette="published")


@pytest.mark.parametrize(
    ("points", "met"),
    [
        ([point(54, 3.9)], True),
        ([point(53.9, 0)], False),
        ([point(60, 3.5, test_loss_pct=4.1)], False),
        ([point(60, 3.5, test_loss_pct=4.1), point(55, 2, test_loss_pct=2.5)], True),
        ([point(60, 3, palette="published", level="layer")], False),
    ],
)
def test_saving(points: list[dict[str, Any]], met: bool) -> None:
    assert by_words(found([*points, PUBLISHED], FLAT), "Up to 54 %").met is met


def test_twice_the_saving_at_better_accuracy() -> None:
    words = "twice as much"
    assert by_words(found([point(50, 2), PUBLISHED], FLAT), words).met
    assert by_words(found([point(50, 2), PUBLISHED], FLAT), words).ours.startswith("2.00 times")
    assert not by_words(found([point(49, 2), PUBLISHED], FLAT), words).met
    assert not by_words(found([point(60, 2, test_loss_pct=3.5), PUBLISHED], FLAT), words).met


def test_the_joint_front_and_who_forms_it() -> None:
    finer = [point(10.0 + number, number / 2) for number in range(1, 10)]
    beaten = point(5, 7, level="layer")
    only_in_name = point(90, 7.9, finest="layer")
    assert joint([*finer, beaten], most_loss_pct=8) == finer
    assert by_words(found([*finer, beaten], FLAT), "formed almost only").met
    assert by_words(found([*finer, only_in_name], FLAT), "formed almost only").met, "9 of 10"
    assert not by_words(found([*finer[1:], only_in_name], FLAT), "formed almost only").met


def searches(nsga2: float, *, level: str = "filter", others: tuple[str, ...] = ("random", "greedy")) -> list[Any]:
    """Hypervolumes, those of other searches 0.5 and 0.6."""
    common = {"network": "resnet8", "palette": "roup", "compensation": "none", "level": level, "evaluations": 40}
    volumes = {"nsga2": nsga2, **dict(zip(others, (0.5, 0.6)))}
    return [{**common, "strategy": name, "hypervolume": volume} for name, volume in volumes.items()]


def test_searches_at_equal_evaluations() -> None:
    def claim(*rows: dict[str, Any]) -> Claim:
        every = claims([point(1, 1)], FLAT, rows, model="resnet8", deeper=None, about="data")
        return by_words(every, "larger hypervolume")

    assert claim(*searches(0.61)).met
    assert claim(*searches(0.61)).ours == "by filter 0.610, random 0.500, greedy 0.600"
    assert not claim(*searches(0.6)).met
    assert not claim(*searches(0.61), *searches(0.55, level="kernel")).met
    alone = searches(0.1, level="kernel", others=())
    assert claim(*searches(0.61), *alone).met, "levels without other searches do not count"
    assert not [each for each in found([point(1, 1)], FLAT) if "hypervolume" in each.claim]


def test_layers() -> None:
    as_published = found([point(1, 1)], AS_PUBLISHED)
    flat = found([point(1, 1)], FLAT)
    for words in ("layers 1 to 3", "layers 4 to 7", "past layer 4"):
        assert by_words(as_published, words).met
        assert not by_words(flat, words).met


def test_alwann_on_the_deeper_network() -> None:
    other: Mapping[str, Any] = {"network": "resnet20", "palette": "published", "level": "layer"}
    assert by_words(found([point(1, 1), point(31, 0.5, **other)], FLAT), "ALWANN").met
    assert not by_words(found([point(1, 1), point(31, 0.5, test_loss_pct=0.7, **other)], FLAT), "ALWANN").met
    assert not by_words(found([point(1, 1), point(29, 0.1, **other)], FLAT), "ALWANN").met


def test_largest_savings_are_chosen_on_validation_images() -> None:
    points = [point(30, 0.5, test_loss_pct=9), point(50, 3)]
    rows = savings(points)
    assert [row["energy_saved_pct"] for row in rows] == [30, 30, 50, 50]
    assert rows[0]["test_loss_pct"] == 9
    assert best(points, 0.1) is None

"""Recipes, schedules and the pace at which they are followed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from axhw.errors import AxhwError
from axhw.nn.zoo.names import GRAPHS
from axhw.train import pace as pace_module
from axhw.train.pace import Pace
from axhw.train.recipe import Plan, Recipe, plan_for


def test_rate_rises_then_falls_along_a_half_cosine() -> None:
    recipe = Recipe(epochs=12, learning_rate=0.4, warmup_epochs=2)
    assert recipe.rate(0) == 0
    assert recipe.rate(1) == pytest.approx(0.2)
    assert recipe.rate(2) == pytest.approx(0.4)
    assert recipe.rate(7) == pytest.approx(0.2)
    assert recipe.rate(4.5) == pytest.approx(0.2 * (1 + math.cos(math.pi / 4)))
    assert recipe.rate(12) == pytest.approx(0)
    assert Recipe(epochs=1, warmup_epochs=0).rate(0) == 0.1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"epochs": 0}, "Expected at least 1 epoch and 1 image a batch, found 0 and 128."),
        ({"batch": 0}, "Expected at least 1 epoch and 1 image a batch, found 1 and 0."),
        ({"learning_rate": math.nan}, "Expected a finite learning rate above 0, found nan."),
        ({"momentum": 1.0}, "Expected momentum from 0 to below 1, found 1.0."),
        ({"label_smoothing": -0.1}, "Expected label smoothing from 0 to below 1, found -0.1."),
        ({"distillation": 1.5}, "Expected distillation from 0 to 1, found 1.5."),
        ({"temperature": 0.0}, "Expected a finite temperature above 0, found 0.0."),
        ({"weight_decay": -1.0}, "Expected weight decay of at least 0, found -1.0."),
        ({"warmup_epochs": math.inf}, "Expected warmup epochs of at least 0, found inf."),
        ({"largest_gradient": 0.0}, "Expected a largest gradient above 0, found 0.0."),
        ({"range_epochs": -1}, "Expected at least 0 epochs with moving ranges, found -1."),
    ],
)
def test_impossible_recipes_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Recipe(**{"epochs": 1, **bad})


def test_every_network_has_a_plan() -> None:
    for name in GRAPHS:
        plan = plan_for(name)
        assert plan.quantized.learning_rate < plan.real.learning_rate
        assert plan.quantized.largest_gradient is not None
    with pytest.raises(AxhwError, match="Expected at least 1 calibration image, found 0."):
        Plan(real=Recipe(epochs=1), quantized=Recipe(epochs=1), calibration_images=0)


def test_without_a_limit_every_epoch_is_one_of_the_schedule() -> None:
    pace = Pace(epochs=3, seconds=None, position=1.5)
    steps = []
    while not pace.finished:
        steps.append(pace.stretch())
        pace.position += steps[-1]
    assert steps == [1.0, 0.5]


@pytest.mark.parametrize(("seconds", "most_epochs"), [(1000.0, 20), (50.0, 11), (3.0, 3)])
def test_a_limit_is_kept_by_longer_strides(seconds: float, most_epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now[0])
    pace = Pace(epochs=20, seconds=seconds)
    epochs = 0
    while not pace.finished:
        pace.position += pace.stretch()
        now[0] += 5.0
        epochs += 1
    assert pace.position == pytest.approx(20)
    assert epochs <= most_epochs
    assert epochs == 20 or now[0] <= seconds + 10

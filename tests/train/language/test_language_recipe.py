"""Recipes, presets and options: their schedule, their sizes, and what they refuse. None of it needs PyTorch."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.lm.layout import tensor_shapes
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint
from axhw.train.language.options import Options, add_arguments
from axhw.train.language.presets import PRESETS, preset
from axhw.train.language.recipe import Recipe

SHIPPED_BYTES = 1_450_000


def parsed(*arguments: str) -> Options:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = ["--model", "olmoe_bytes_small", "--text", "mix", "--out", "o", *arguments]
    return Options.parsed(parser.parse_args(given), device="cpu")


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(rounds=12, learning_rate=0.5, warmup_rounds=2)
    assert [recipe.rate(position) for position in (0, 1, 2)] == [0, 0.25, 0.5]
    assert recipe.rate(7) == pytest.approx(0.25)
    assert recipe.rate(12) == recipe.rate(13) == 0
    assert Recipe(rounds=1, learning_rate=0.5).rate(0.5) == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": 0}, "Expected at least 1 for rounds, found 0."),
        ({"length": 0}, "Expected at least 1 for length, found 0."),
        ({"learning_rate": 0.0}, "Expected a finite learning rate above 0, found 0.0."),
        ({"largest_gradient": float("inf")}, "Expected a finite largest gradient above 0, found inf."),
        ({"expert_dropout": 1.0}, "Expected expert dropout from 0 to below 1, found 1.0."),
        ({"router_z": -1.0}, "Expected router z of at least 0, found -1.0."),
    ],
)
def test_numbers_that_no_training_can_have(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Recipe(**({"rounds": 3} | changes))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_of_the_size_they_are_for(name: str) -> None:
    config = preset(name).config
    numbers = sum(int(np.prod(shape)) for shape in tensor_shapes(config).values())
    assert config.experts >= 16
    assert (1.1e6 < numbers < 1.4e6) if name.endswith("small") else (18e6 < numbers < 21e6)
    assert (config.shared_width > 0) == name.startswith("deepseek")


@pytest.mark.parametrize("name", [name for name in PRESETS if name.endswith("small")])
def test_small_presets_can_be_shipped(name: str, tmp_path: Path) -> None:
    config = preset(name).config
    write_checkpoint(tmp_path, config, random_tensors(config, np.random.default_rng(0)), dtype="int8")
    log = 250 * preset(name).recipe.rounds
    assert log + sum(path.stat().st_size for path in tmp_path.iterdir()) < SHIPPED_BYTES


def test_options_change_the_recipe_of_the_preset() -> None:
    options = parsed("--rounds", "7", "--dropout", "0", "--time-limit", "3", "--data-folder", "d", "--seed", "4")
    expected = preset("olmoe_bytes_small").recipe
    assert (options.recipe.rounds, options.recipe.dropout, options.recipe.steps) == (7, 0.0, expected.steps)
    assert (options.time_limit_seconds, options.data_folder, options.seed) == (3.0, Path("d"), 4)
    assert options.config == preset("olmoe_bytes_small").config


def test_experts_may_choose() -> None:
    config = parsed("--routing", "expert_choice").config
    assert config == replace(preset("olmoe_bytes_small").config, routing="expert_choice")


def test_bad_options_get_a_sentence() -> None:
    with pytest.raises(AxhwError, match="Expected a model out of olmoe_bytes, .*, found 'gpt'."):
        preset("gpt")
    with pytest.raises(AxhwError, match="Expected a seed of at least 0, found -1."):
        parsed("--seed", "-1")
    with pytest.raises(AxhwError, match="Expected a time limit above 0 seconds, found 0.0."):
        parsed("--time-limit", "0")
    with pytest.raises(AxhwError, match="Expected a length of at most 512 bytes, the model's context, found 513."):
        parsed("--length", "513")

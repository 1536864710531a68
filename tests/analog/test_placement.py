"""Which experts a placement names, and which a choice by scores takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.analog.placement import (
    ExpertSite,
    Placement,
    expert_sites,
    place,
    ranked,
    read_placement,
    write_placement,
)
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig

MakeConfig = Callable[..., ModelConfig]

SCORES = np.array([[9.0, 9, 9, 9], [1, 4, 2, 3], [8, 5, 7, 6]])
"""The first layer is dense."""


def sites(*pairs: tuple[int, int]) -> frozenset[ExpertSite]:
    return frozenset(ExpertSite(layer, expert) for layer, expert in pairs)


def test_the_highest_of_each_layer(moe_config: MakeConfig) -> None:
    found = place(SCORES, moe_config(), share=0.5)
    assert found.digital == sites((1, 1), (1, 3), (2, 0), (2, 2))


def test_the_highest_of_all_layers(moe_config: MakeConfig) -> None:
    found = place(SCORES, moe_config(), share=0.5, scope="global")
    assert found.digital == sites((2, 0), (2, 1), (2, 2), (2, 3))


@pytest.mark.parametrize(("share", "number"), [(0.0, 0), (0.12, 0), (0.125, 1), (0.3, 1), (0.375, 2), (1.0, 4)])
def test_halves_are_rounded_up(moe_config: MakeConfig, share: float, number: int) -> None:
    assert len(place(SCORES, moe_config(), share=share).digital) == 2 * number


def test_of_equal_scores_the_first_ones(moe_config: MakeConfig) -> None:
    config = moe_config()
    equal = np.ones((3, 4))
    assert place(equal, config, share=0.25).digital == sites((1, 0), (2, 0))
    assert place(equal, config, share=0.5, scope="global").digital == sites((1, 0), (1, 1), (1, 2), (1, 3))
    assert ranked(equal, config) == list(expert_sites(config))


@given(share=st.floats(0, 1), seed=st.integers(0, 100))
def test_no_analog_expert_scores_more_than_a_digital_one(moe_config: MakeConfig, share: float, seed: int) -> None:
    config = moe_config(experts=5)
    scores = np.random.default_rng(seed).integers(0, 4, (3, 5)).astype(np.float64)
    for scope in ("layer", "global"):
        found = place(scores, config, share=share, scope=scope)
        mask = found.mask(config)
        assert Placement.of_mask(mask) == found
        assert not mask[0].any()
        for group in ([1], [2]) if scope == "layer" else ([1, 2],):
            digital, analog = scores[group][mask[group]], scores[group][~mask[group]]
            assert len(digital) == int(share * 5 * len(group) + 0.5)
            if len(digital) and len(analog):
                assert digital.min() >= analog.max()


def test_more_digital_experts_contain_fewer(moe_config: MakeConfig) -> None:
    chosen = [place(SCORES, moe_config(), share=share, scope="global").digital for share in (0.1, 0.4, 0.6, 1.0)]
    assert all(few < many for few, many in pairwise(chosen))


def test_what_scores_and_shares_may_be(moe_config: MakeConfig) -> None:
    config = moe_config()
    with pytest.raises(AxhwError, match=r"Expected scores of shape \(3, 4\), found \(2, 4\)."):
        place(SCORES[1:], config, share=0.5)
    with pytest.raises(AxhwError, match=r"Expected a part of the experts from 0 to 1, found 25."):
        place(SCORES, config, share=25)
    with pytest.raises(AxhwError, match=r"Expected digital experts by layer or global, found 'model'."):
        place(SCORES, config, share=0.5, scope="model")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match=r"Expected a score for every expert, found NaN."):
        place(np.where(SCORES == 4, np.nan, SCORES), config, share=0.5)
    assert place(np.where(SCORES == 9, np.nan, SCORES), config, share=1.0) == Placement.all_digital(config)


def test_a_placement_is_read_as_it_was_written(moe_config: MakeConfig, tmp_path: Path) -> None:
    placement = place(SCORES, moe_config(), share=0.5)
    write_placement(tmp_path / "p.json", placement, about={"selector": "maxnn"})
    assert read_placement(tmp_path / "p.json") == placement
    assert json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))["selector"] == "maxnn"
    assert placement.share(moe_config()) == 0.5


def test_what_is_no_placement(moe_config: MakeConfig, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    with pytest.raises(AxhwError, match=r"Expected a placement at .*p.json: No such file or directory."):
        read_placement(file)
    file.write_text("layers", encoding="utf-8")
    with pytest.raises(AxhwError, match=r"Expected JSON in .*p.json, found something else"):
        read_placement(file)
    wrong: object
    for wrong in ({"digital": [[1, 2, 3]]}, {"digital": [[1, True]]}, {"digital": 3}, [], {}):
        file.write_text(json.dumps(wrong), encoding="utf-8")
        with pytest.raises(AxhwError, match=r'Expected pairs of layer and expert as "digital" in .*p.json, found'):
            read_placement(file)
    wrong_layer = Placement(digital=sites((0, 1), (1, 1)))
    with pytest.raises(
        AxhwError, match=r"Expected experts 0 to 3 of the layers 1 to 2, found expert 1 of layer 0 in the placement."
    ):
        wrong_layer.mask(moe_config())

"""Whether experts differ by more than chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from axhw.experiments.axmoe.experts import cochran_q, expert_layers, heterogeneity
from axhw.nn.zoo.names import build_graph

FLOATS = st.floats(-20, 20)
ERRORS = st.floats(0.1, 5)
IMAGES = 1000


def rows(layer: str, losses: list[float], errors: list[float]) -> list[dict[str, Any]]:
    return [
        {"layer": layer, "expert": expert, "loss_pct": loss, "standard_error_pct": error, "images": IMAGES}
        for expert, (loss, error) in enumerate(zip(losses, errors))
    ]


def test_q_by_hand() -> None:
    """Two experts: the squared difference over the sum of squared errors."""
    assert cochran_q(np.array([1.0, 4.0]), np.array([1.0, 2.0])) == pytest.approx(9 / 5)


@given(st.lists(st.tuples(FLOATS, ERRORS), min_size=2, max_size=6), FLOATS)
def test_q_does_not_depend_on_the_common_loss(experts: list[tuple[float, float]], shift: float) -> None:
    losses, errors = (np.array(column) for column in zip(*experts))
    q = cochran_q(losses, errors)
    assert q >= 0
    assert cochran_q(losses + shift, errors) == pytest.approx(q, abs=1e-6)
    assert cochran_q(np.full_like(losses, shift), errors) == pytest.approx(0, abs=1e-9)


def test_heterogeneity_over_layers() -> None:
    found = heterogeneity(
        [
            *rows("conv1", [0.0, 8.0], [1.0, 1.0]),
            *rows("conv2", [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]),
            *(row | {"images": 0, "loss_pct": None} for row in rows("conv3", [0.0, 0.0], [0.0, 0.0])),
        ]
    )
    assert (found["layers"], found["layers_differing"], found["freedom"]) == (2, 1, 3)
    assert found["q"] == pytest.approx(32)
    assert found["p"] == pytest.approx(chi2.sf(32, 3))
    assert found["spread_pct"] == pytest.approx(np.mean([8 / np.sqrt(2), 0]))
    (alone, _) = rows("conv1", [0.0, 0.0], [0.0, 0.0])
    nothing = heterogeneity([alone])
    assert (nothing["p"], nothing["spread_pct"], nothing["layers"]) == (None, None, 0)


def test_experts_that_harm_no_image_count() -> None:
    """Their errors are those of half an image of 1,000: 0.05 points."""
    found = heterogeneity(rows("conv1", [0.0, 20.0], [0.0, 1.0]))
    assert (found["layers"], found["layers_differing"]) == (1, 1)
    assert found["q"] == pytest.approx(20**2 / (1 + 0.05**2))
    assert found["mean_standard_error_pct"] == pytest.approx((0.05 + 1) / 2)


def test_chance_alone_is_seldom_called_a_difference() -> None:
    rng = np.random.default_rng(0)
    found = [
        heterogeneity(rows("conv", rng.normal(2, errors).tolist(), errors.tolist()))["p"]
        for errors in rng.uniform(0.5, 2, (400, 4))
    ]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09


def test_layers_of_experts() -> None:
    graph = build_graph("vit_tiny_hard4_r25", input_shape=(3, 32, 32), classes=10)
    found = expert_layers(graph)
    assert len(found) == 12
    assert found["block12_fc2_gate", 3] == ("block12_fc1_expert3", "block12_fc2_expert3")
    assert expert_layers(build_graph("resnet8", input_shape=(3, 32, 32), classes=10)) == {}

"""Use of experts, against the routing of each token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.routing_use import ExpertUse
from axhw.lm.model import LanguageModel

ByteArray = npt.NDArray[np.uint8]


def test_use_is_that_of_the_tokens(moe_model: LanguageModel, some_bytes: Callable[[int, int], ByteArray]) -> None:
    text = some_bytes(5, 3 * 16 + 1)
    use = ExpertUse.on(moe_model, text, window=16)
    rows, sums, squares = np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((3, 4))

    def count(layer: int, logits: object, chosen: npt.NDArray[np.intp], weights: npt.NDArray[np.float32]) -> None:
        for token_experts, token_weights in zip(chosen, weights):
            for expert, weight in zip(token_experts, token_weights):
                rows[layer, expert] += 1
                sums[layer, expert] += weight
                squares[layer, expert] += weight**2

    moe_model.logits(text[:-1].reshape(3, 16), observer=count)
    assert use.tokens == 48
    np.testing.assert_array_equal(use.rows, rows)
    np.testing.assert_array_equal(use.frequency, rows / 48)
    np.testing.assert_allclose(use.mean_weight, sums / 48)
    np.testing.assert_allclose(use.mean_square, squares / 48)
    assert use.frequency.sum(axis=1) == pytest.approx([0, 2, 2])

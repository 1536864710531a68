"""Scores of experts: by hand, and what must not or must change them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.evaluation import Case
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import place
from axhw.analog.probes import shared_rises
from axhw.analog.programming_noise import Pcm
from axhw.analog.selectors import SELECTORS, Selection, in_proportion, largest_neuron_norm, reliability, selector
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.layout import matrix_name, tensor_shapes
from axhw.lm.matrices import MatrixKey, Part
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.save import write_checkpoint

ByteArray = npt.NDArray[np.uint8]
SomeBytes = Callable[[int, int], ByteArray]
OnTiles = Callable[..., HybridModel]
Tensors = dict[str, npt.NDArray[np.float32]]

NOISY = Programming(noise=Pcm(magnitude=2.0), seed=3)
ORDER = (2, 0, 3, 1)
PARTS: tuple[Part, ...] = ("gate", "up", "down")


def tensors_of(model: LanguageModel) -> Tensors:
    return {name: model.checkpoint.tensor(name) for name in tensor_shapes(model.config)}


def name_of(config: ModelConfig, part: Part, expert: int, layer: int = 1) -> str:
    return matrix_name(config, MatrixKey(layer=layer, module="expert", part=part, expert=expert))


def router_of(config: ModelConfig, layer: int) -> str:
    return matrix_name(config, MatrixKey(layer=layer, module="router", part="router"))


@pytest.fixture(scope="module")
def text(some_bytes: SomeBytes) -> ByteArray:
    return some_bytes(31, 8 * 16 + 1)


@pytest.fixture
def selection_of(on_tiles: OnTiles, text: ByteArray, tmp_path: Path) -> Callable[[ModelConfig, Tensors], Selection]:
    """What selectors look at, for a model with certain tensors."""

    def make(config: ModelConfig, tensors: Tensors) -> Selection:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write_checkpoint(folder, config, tensors)
        return Selection(on_tiles(load_model(folder, keep=True)), text, window=16, seeds=1, jobs=1)

    return make


def test_largest_neuron_norm_by_hand() -> None:
    # Norms of the rows: 5, 13 and 2.
    assert largest_neuron_norm(np.array([[3, 4], [-5, 12], [0, 2]], np.float32)) == 13


def test_maxnn_is_the_product_of_three_norms(
    moe_model: LanguageModel, selection_of: Callable[[ModelConfig, Tensors], Selection]
) -> None:
    config, tensors = moe_model.config, tensors_of(moe_model)
    for part, largest in zip(PARTS, (2.0, 3.0, 5.0)):
        weight = np.zeros_like(tensors[name_of(config, part, 2)])
        weight[1, :4], weight[3, :4] = 0.5 * largest, 0.4 * largest
        tensors[name_of(config, part, 2)] = weight
    scores = SELECTORS["maxnn"].scores(selection_of(config, tensors), NOISY)
    assert scores[1, 2] == pytest.approx(30)
    assert not scores[0].any()


def test_a_larger_neuron_scores_more(
    moe_model: LanguageModel, selection_of: Callable[[ModelConfig, Tensors], Selection]
) -> None:
    config, tensors = moe_model.config, tensors_of(moe_model)
    before = SELECTORS["maxnn"].scores(selection_of(config, tensors), NOISY)
    up = tensors[name_of(config, "up", 1)]
    largest = np.linalg.norm(up, axis=1).argmax()
    up[largest] *= 1.5
    after = SELECTORS["maxnn"].scores(selection_of(config, tensors), NOISY)
    assert after[1, 1] == pytest.approx(1.5 * before[1, 1])
    others = np.ones((3, 4), np.bool_)
    others[1, 1] = False
    np.testing.assert_array_equal(after[others], before[others])


@pytest.mark.parametrize("name", [name for name in SELECTORS if name not in ("random", "chip", "chip_oracle")])
def test_scores_go_with_the_experts(
    moe_model: LanguageModel,
    selection_of: Callable[[ModelConfig, Tensors], Selection],
    name: str,
) -> None:
    """Experts in another order, and their rows in the router with them: the same model."""
    config, tensors = moe_model.config, tensors_of(moe_model)
    programming = Programming() if SELECTORS[name].by_noise else NOISY
    before = SELECTORS[name].scores(selection_of(config, tensors), programming)
    other = dict(tensors)
    for place_, expert in enumerate(ORDER):
        for part in PARTS:
            other[name_of(config, part, place_)] = tensors[name_of(config, part, expert)]
    other[router_of(config, 1)] = tensors[router_of(config, 1)][list(ORDER)]
    after = SELECTORS[name].scores(selection_of(config, other), programming)
    assert before.shape == (3, 4)
    np.testing.assert_allclose(after[1], before[1][list(ORDER)], rtol=1e-4, atol=2e-7)
    np.testing.assert_allclose(after[2], before[2], rtol=1e-4, atol=2e-7)
    assert len(np.unique(before[1:])) > 4


def test_scores_of_the_router_and_of_the_use(
    moe_model: LanguageModel, selection_of: Callable[[ModelConfig, Tensors], Selection]
) -> None:
    selection = selection_of(moe_model.config, tensors_of(moe_model))
    router = moe_model.weight(MatrixKey(layer=2, module="router", part="router"))
    scores = {name: SELECTORS[name].scores(selection, NOISY) for name in ("router", "frequency", "weight")}
    np.testing.assert_allclose(scores["router"][2], np.sqrt((router.astype(np.float64) ** 2).sum(axis=1)))
    assert scores["frequency"].sum(axis=1) == pytest.approx([0, 2, 2])
    assert (scores["weight"] < scores["frequency"])[1:].all()


def test_only_chips_depend_on_the_seed(
    moe_model: LanguageModel, selection_of: Callable[[ModelConfig, Tensors], Selection]
) -> None:
    selection = selection_of(moe_model.config, tensors_of(moe_model))
    other = Programming(noise=Pcm(magnitude=2.0), seed=8)
    louder = Programming(noise=Pcm(magnitude=2.5), seed=3)
    for name, each in SELECTORS.items():
        first, same, seed, noise = (each.scores(selection, one) for one in (NOISY, NOISY, other, louder))
        np.testing.assert_array_equal(first, same)
        assert np.array_equal(first, seed) != each.by_seed, name
        if not each.by_noise:
            np.testing.assert_array_equal(first, noise)
        elif name != "random":
            assert not np.array_equal(first, noise), name


def test_random_orders_differ_in_all_places(
    moe_model: LanguageModel, selection_of: Callable[[ModelConfig, Tensors], Selection]
) -> None:
    selection = selection_of(moe_model.config, tensors_of(moe_model))
    first = [SELECTORS["random"].scores(selection, Programming(seed=seed))[1:].argmax() for seed in range(60)]
    assert set(first) == set(range(8))


def test_measured_chips_save_more_than_others(
    moe_model: LanguageModel,
    selection_of: Callable[[ModelConfig, Tensors], Selection],
) -> None:
    """On the text that it is measured on, the oracle of a chip takes the experts that are worst on it."""
    selection = selection_of(moe_model.config, tensors_of(moe_model))
    config, hybrid = moe_model.config, selection.hybrid
    chip = Programming(noise=Pcm(magnitude=0.5), seed=12)
    scores = SELECTORS["chip_oracle"].scores(selection, chip)
    best, worst = (place(sign * scores, config, share=0.5, scope="global") for sign in (1, -1))
    found = selection.evaluator.scores(
        [Case(hybrid=hybrid, placement=placement, programming=chip) for placement in (best, worst)]
    )
    assert found[0].nats_per_token < found[1].nats_per_token


def test_layers_keep_their_rises() -> None:
    scores = in_proportion(np.array([[1.0, 3.0], [0.0, 0.0], [2.0, 2.0]]), np.array([8.0, 5.0, 0.0]))
    np.testing.assert_array_equal(scores, [[2, 6], [0, 0], [0, 0]])


def test_reliability_by_hand() -> None:
    same, opposite = np.array([1.0, -2.0, 1.0]), np.array([-1.0, 0.0, 1.0])
    assert reliability(np.array([[same, same]])) == 1
    # Errors that cancel in the mean are told from none, and cannot be less than that.
    assert reliability(np.array([[same + opposite, same - opposite]])) == pytest.approx(4 / 6)
    assert reliability(np.array([[opposite, -opposite]])) == 0
    # Two parts on one chip may share its errors; parts of other chips say nothing of the same text.
    assert reliability(np.array([[same, same], [-same, -same]])) == 0
    assert reliability(np.array([[same], [same]])) == 0
    assert reliability(np.zeros((2, 2, 3))) == 0


@pytest.mark.parametrize(("chips", "signal"), [(1, 0.5), (3, 1.0)])
def test_reliability_is_the_factor_of_least_error(chips: int, signal: float) -> None:
    """Of quantities with a known variance, measured with errors of chips, of texts, and of both."""
    rng = np.random.default_rng(7)
    parts, many = 4, 40_000
    wanted = rng.normal(0, signal, many)
    errors = rng.normal(0, 1, (chips, parts, many))
    if chips > 1:
        errors += rng.normal(0, 0.6, (chips, 1, many)) + rng.normal(0, 0.4, (1, parts, many))
    measured = wanted + errors
    mean = measured.mean(axis=(0, 1))
    best = float(mean @ wanted / (mean @ mean))
    assert reliability(measured) == pytest.approx(best, abs=0.02)


def test_probed_scores_lie_between_what_is_predicted_and_measured(
    moe_model: LanguageModel, selection_of: Callable[[ModelConfig, Tensors], Selection]
) -> None:
    selection = selection_of(moe_model.config, tensors_of(moe_model))
    chips, cut = selection.other_chips(NOISY), selection.evaluator.interleaved(4)
    assert len(cut.batches) == 4
    measured = shared_rises(selection.hybrid, cut, chips).mean(axis=(0, 1))
    predicted = in_proportion(SELECTORS["power"].scores(selection, NOISY), np.maximum(measured.sum(axis=1), 0))
    scores = SELECTORS["probed"].scores(selection, NOISY)
    low, high = np.minimum(measured, predicted), np.maximum(measured, predicted)
    assert ((scores >= low - 1e-12) & (scores <= high + 1e-12)).all()


def test_what_selectors_need(moe_model: LanguageModel, on_tiles: OnTiles, text: ByteArray) -> None:
    with pytest.raises(AxhwError, match=r"Expected a selector out of maxnn, frequency, .*, found 'best'."):
        selector("best")
    with pytest.raises(AxhwError, match=r"Expected at least 1 seed to measure with, found 0."):
        Selection(on_tiles(moe_model), text, window=16, seeds=0)
    with pytest.raises(AxhwError, match=r"Expected a window of at least 1 token and a text longer than it"):
        Selection(on_tiles(moe_model), text[:9], window=16)

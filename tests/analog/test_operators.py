"""Models whose experts are analog or digital: limits in which they equal digital ones, and what chips share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.drift import PcmDrift, PcmReadNoise
from axhw.analog.operators import DENSE, EXPERT, HybridModel, Programming, expert_matrices
from axhw.analog.placement import ExpertSite, Placement, expert_sites
from axhw.analog.programming_noise import Additive, Pcm
from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.lm.config import ModelConfig
from axhw.lm.integer import IntegerMatrix
from axhw.lm.layout import all_matrices
from axhw.lm.matrices import MatrixKey
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint
from axhw.sim.product_table import golden_table

ByteArray = npt.NDArray[np.uint8]
SomeBytes = Callable[[int, int], ByteArray]
OnTiles = Callable[..., HybridModel]

NOISY = Programming(noise=Pcm(magnitude=2.0), seed=4)
UP = MatrixKey(layer=1, module="expert", part="up", expert=2)


@pytest.fixture
def tokens(some_bytes: SomeBytes) -> npt.NDArray[np.uint8]:
    return some_bytes(9, 3 * 16).reshape(3, 16)


@pytest.fixture
def digital(moe_model: LanguageModel) -> Placement:
    return Placement.all_digital(moe_model.config)


def test_all_digital_is_the_model_itself(
    moe_model: LanguageModel, on_tiles: OnTiles, tokens: ByteArray, digital: Placement
) -> None:
    placed = on_tiles(moe_model).place(digital, NOISY)
    np.testing.assert_array_equal(placed.logits(tokens), moe_model.logits(tokens))


@pytest.mark.parametrize("dense", [False, True])
def test_all_analog_without_noise_and_converters_is_the_model_within_float32(
    moe_model: LanguageModel, on_tiles: OnTiles, tokens: ByteArray, dense: bool
) -> None:
    placed = on_tiles(moe_model, ideal=True, dense=dense, rows=5).place(Placement())
    exact = moe_model.logits(tokens)
    np.testing.assert_allclose(placed.logits(tokens), exact, atol=3e-5 * np.abs(exact).max())


def test_converters_and_noise_change_it(moe_model: LanguageModel, on_tiles: OnTiles, tokens: ByteArray) -> None:
    exact = moe_model.logits(tokens)
    for hybrid, programming in ((on_tiles(moe_model), Programming()), (on_tiles(moe_model, ideal=True), NOISY)):
        assert np.abs(hybrid.place(Placement(), programming).logits(tokens) - exact).max() > 1e-3


def test_only_analog_experts_change_it(
    moe_model: LanguageModel, on_tiles: OnTiles, tokens: ByteArray, digital: Placement
) -> None:
    chosen = []
    moe_model.logits(tokens, observer=lambda layer, logits, experts, weights: chosen.append(experts))
    last = chosen[-1]
    analog = Placement(digital=digital.digital - {ExpertSite(2, 1)})
    changed = on_tiles(moe_model).place(analog, NOISY).logits(tokens) != moe_model.logits(tokens)
    np.testing.assert_array_equal(changed.any(axis=-1).ravel(), (last == 1).any(axis=1))


def test_an_expert_is_programmed_alike_in_every_placement(
    moe_model: LanguageModel, on_tiles: OnTiles, digital: Placement
) -> None:
    hybrid = on_tiles(moe_model)
    alone = Placement(digital=digital.digital - {ExpertSite(1, 2)})
    operators = [hybrid.place(placement, NOISY).operator(UP) for placement in (Placement(), alone)]
    operators.append(hybrid.chip(NOISY).matrix(UP))
    weights = [operator.weight for operator in operators]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])


def test_chips_and_matrices_differ(moe_model: LanguageModel, on_tiles: OnTiles) -> None:
    hybrid = on_tiles(moe_model, dense=True)

    def deviations(key: MatrixKey, programming: Programming) -> npt.NDArray[np.float32]:
        matrix = hybrid.chip(programming).matrix(key)
        levels = np.abs(matrix.mapped.targets)
        assert programming.noise is not None
        found: npt.NDArray[np.float32] = (matrix.programmed[0] - matrix.mapped.targets) / (
            programming.noise.magnitude * programming.noise.sigma(levels)
        )
        return found.ravel()[:100]

    first = deviations(UP, NOISY)
    others = [
        replace(UP, layer=2),
        replace(UP, expert=1),
        replace(UP, part="gate"),
        replace(UP, module="shared_expert", expert=None),
    ]
    for other in (*(deviations(key, NOISY) for key in others), deviations(UP, replace(NOISY, seed=5))):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.4
    for same in (Pcm(magnitude=0.7), Additive(magnitude=2.0)):
        np.testing.assert_allclose(deviations(UP, replace(NOISY, noise=same)), first, atol=1e-4)
    np.testing.assert_allclose(deviations(UP, replace(NOISY, mirrored=True)), -first, atol=1e-4)


def test_programmings_that_cannot_differ_are_one() -> None:
    assert Programming(noise=Pcm(magnitude=0.0), seed=3).canonical == Programming(noise=Pcm(magnitude=0.0))
    assert Programming(seed=3, mirrored=True).canonical == Programming()
    assert NOISY.canonical is NOISY
    drifting = Programming(seed=3, drift=PcmDrift(), seconds=0.0)
    assert drifting.canonical is drifting


def test_time_is_that_of_the_matrix(moe_model: LanguageModel, on_tiles: OnTiles) -> None:
    hybrid = on_tiles(moe_model)
    late = Programming(noise=Pcm(), seed=1, drift=PcmDrift(), read_noise=PcmReadNoise(), seconds=1e6, compensated=True)
    matrix = hybrid.chip(late).matrix(UP)
    early = hybrid.chip(Programming(noise=Pcm(), seed=1)).matrix(UP)
    np.testing.assert_array_equal(matrix.programmed, early.programmed)
    assert np.linalg.norm(matrix.conductances) < 0.9 * np.linalg.norm(early.conductances)
    assert matrix.gains is not None
    assert matrix.gains.min() > 1
    again = hybrid.chip(late).matrix(UP)
    np.testing.assert_array_equal(matrix.conductances, again.conductances)


def test_digital_experts_with_a_table(
    moe_model: LanguageModel, on_tiles: OnTiles, tokens: ByteArray, digital: Placement
) -> None:
    table = golden_table(parse("roup:p=1,r=4"))
    hybrid = on_tiles(moe_model)
    approximate = hybrid.with_table(table)
    keys = [key for key in all_matrices(moe_model.config) if key.module == "expert"]
    by_hand = moe_model.with_operators({key: IntegerMatrix(moe_model.weight(key), table=table) for key in keys})
    np.testing.assert_array_equal(approximate.place(digital).logits(tokens), by_hand.logits(tokens))
    assert approximate.mapped(UP) is hybrid.mapped(UP)
    some = Placement(digital=frozenset([ExpertSite(1, 2)]))
    assert isinstance(approximate.place(some).operator(UP), IntegerMatrix)
    assert not isinstance(hybrid.place(some).operator(UP), IntegerMatrix)
    np.testing.assert_array_equal(hybrid.place(digital).logits(tokens), moe_model.logits(tokens))


def test_everything_but_experts_may_be_analog(
    moe_model: LanguageModel, on_tiles: OnTiles, tokens: ByteArray, digital: Placement
) -> None:
    hybrid = on_tiles(moe_model, dense=True)
    modules = {key.module for key in hybrid.dense_keys}
    assert modules == {"attention", "router", "shared_expert", "dense", "head"}
    assert {EXPERT, *modules} == DENSE | {EXPERT}
    placed = hybrid.place(digital, NOISY)
    assert np.abs(placed.logits(tokens) - moe_model.logits(tokens)).max() > 1e-3
    for site in expert_sites(moe_model.config):
        for key in expert_matrices(site):
            assert placed.operator(key) is moe_model.operator(key)


def test_what_a_hybrid_model_needs(
    moe_model: LanguageModel,
    moe_folder: Callable[..., Path],
    moe_config: Callable[..., ModelConfig],
    on_tiles: OnTiles,
    tmp_path: Path,
) -> None:
    calibration = on_tiles(moe_model).calibration
    with pytest.raises(AxhwError, match=r"Expected a calibration for all analog modules, found none for attention."):
        HybridModel(moe_model, calibration, dense=["attention"])
    with pytest.raises(AxhwError, match=r"Expected a model that keeps its operators, found one that does not"):
        HybridModel(load_model(moe_folder()), calibration)
    dense = moe_config(dense_layers=(0, 1, 2))
    write_checkpoint(tmp_path, dense, random_tensors(dense, np.random.default_rng(0)))
    with pytest.raises(AxhwError, match=r"Expected a model with experts, found none in any of its layers."):
        HybridModel(load_model(tmp_path, keep=True), calibration)
    with pytest.raises(AxhwError, match=r"found expert 4 of layer 1 in the placement."):
        on_tiles(moe_model).place(Placement(digital=frozenset([ExpertSite(1, 4)])))


def test_what_a_programming_may_be() -> None:
    with pytest.raises(AxhwError, match=r"Expected a seed of at least 0, found -1."):
        Programming(seed=-1)
    with pytest.raises(AxhwError, match=r"Expected a time in seconds after programming for drift and read noise"):
        Programming(drift=PcmDrift())
    with pytest.raises(AxhwError, match=r"Expected a time of at least 0 s after programming, found -1.0 s."):
        Programming(seconds=-1.0)

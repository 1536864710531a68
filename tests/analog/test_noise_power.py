"""Predicted noise of experts against noise that was drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.calibration import InputStatistics
from axhw.analog.cells import BitSlicing
from axhw.analog.evaluation import Evaluator
from axhw.analog.mapping import MappedWeight
from axhw.analog.matrix import AnalogMatrix
from axhw.analog.noise_power import ExpertNoise, MatrixNoise, noise_power
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import ExpertSite, Placement
from axhw.analog.programming_noise import Additive, Pcm, ProgrammingNoise
from axhw.analog.tiles import TileSpec
from axhw.lm.blocks import gated_feed_forward
from axhw.lm.model import LanguageModel

ByteArray = npt.NDArray[np.uint8]
SomeBytes = Callable[[int, int], ByteArray]
OnTiles = Callable[..., HybridModel]

CHIPS = 300


@pytest.mark.parametrize("slicing", [None, BitSlicing(weight_bits=8, cell_bits=3)])
def test_variance_of_weights_and_products(slicing: BitSlicing | None) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.3, (6, 20)).astype(np.float32)
    rows = rng.normal(0, 1, (5, 20)).astype(np.float32)
    tiles = TileSpec(rows=8, slicing=slicing, dac_bits=None, adc_bits=None)
    mapped, noise = MappedWeight.of(weight, tiles=tiles), Pcm(magnitude=2.0)
    predicted = MatrixNoise.of(weight, mapped, noise)
    drawn = [AnalogMatrix.program(mapped, noise, rng=rng) for _ in range(2000)]
    variance = np.var([matrix.weight for matrix in drawn], axis=0)
    # A variance of 2000 draws is within 16 % of the true one with 5 standard errors.
    np.testing.assert_allclose(predicted.variance, variance, rtol=0.16)
    outputs = np.var([matrix(rows) for matrix in drawn], axis=0)
    np.testing.assert_allclose(predicted.of_outputs(rows), outputs, rtol=0.16)
    power = predicted.power(rows, np.zeros_like(rows))
    np.testing.assert_allclose(power, predicted.of_outputs(rows).sum(axis=1), rtol=1e-5)


def test_converters_round_evenly() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 0.3, (40, 64)).astype(np.float32)
    rows = rng.normal(0, 1, (400, 64)).astype(np.float32)
    tiles = TileSpec(rows=16, dac_bits=7, adc_bits=7, output_range=3.0)
    mapped = MappedWeight.of(weight, tiles=tiles, ranges=InputStatistics.of(rows, tiles=tiles).ranges(k=5.0))
    predicted = MatrixNoise.of(weight, mapped, None)
    assert not predicted.variance.any()
    errors = AnalogMatrix.program(mapped)(rows) - rows @ weight.T
    assert (errors**2).mean() == pytest.approx(predicted.outputs_constant.mean(), rel=0.05)


@pytest.mark.parametrize(
    ("ideal", "noise"), [(True, Pcm(magnitude=1.0)), (False, Additive(magnitude=0.3)), (False, None)]
)
def test_power_of_an_expert(
    moe_model: LanguageModel,
    on_tiles: OnTiles,
    some_bytes: SomeBytes,
    ideal: bool,
    noise: ProgrammingNoise | None,
) -> None:
    # Ranges so wide that nothing saturates.
    hybrid, site = on_tiles(moe_model, ideal=ideal, k=20.0, output_range=16.0), ExpertSite(1, 2)
    rows: list[npt.NDArray[np.float32]] = []
    moe_model.observed(
        lambda key, seen: rows.append(seen) if (key.layer, key.module) == (1, "router") else None
    ).logits(some_bytes(3, 160).reshape(-1, 16))
    keys = [key for key in hybrid.calibration.statistics if (key.layer, key.expert) == (site.layer, site.expert)]
    exact = gated_feed_forward(rows[0], *(moe_model.operator(key) for key in keys))
    errors = [
        gated_feed_forward(rows[0], *(chip.matrix(key) for key in keys)) - exact
        for chip in (hybrid.chip(Programming(noise=noise, seed=seed)) for seed in range(CHIPS if noise else 1))
    ]
    measured = np.mean(np.square(errors).sum(axis=2), axis=0)
    predicted = ExpertNoise.of(hybrid, site, noise).power(rows[0])
    assert predicted.mean() == pytest.approx(measured.mean(), rel=0.1)
    if ideal:
        assert np.corrcoef(np.log(predicted), np.log(measured))[0, 1] > 0.95


def test_power_in_the_stream(moe_model: LanguageModel, on_tiles: OnTiles, some_bytes: SomeBytes) -> None:
    """Of the last layer, where nothing comes after it."""
    hybrid, text = on_tiles(moe_model, ideal=True), some_bytes(4, 20 * 16 + 1)
    noise = Pcm(magnitude=1.0)
    predicted = noise_power(hybrid, Evaluator(text, window=16, jobs=2, batch_tokens=64), noise)
    assert not predicted[0].any(), "a dense layer has no experts"

    def stream(model: LanguageModel) -> npt.NDArray[np.float32]:
        x = model.embed(text[:-1].reshape(-1, 16))
        for layer in range(3):
            x = model.layer(layer, x)
        return x

    exact = stream(moe_model)
    digital = Placement.all_digital(moe_model.config).digital
    for expert in (0, 3):
        placement = Placement(digital=digital - {ExpertSite(2, expert)})
        errors = [
            stream(hybrid.place(placement, Programming(noise=noise, seed=seed))) - exact for seed in range(CHIPS // 3)
        ]
        measured = np.mean(np.square(errors).sum(axis=-1) / np.square(exact).sum(axis=-1))
        assert predicted[2, expert] == pytest.approx(measured, rel=0.15)


def test_power_grows_with_the_square_of_the_magnitude(
    moe_model: LanguageModel, on_tiles: OnTiles, some_bytes: SomeBytes
) -> None:
    hybrid, evaluator = on_tiles(moe_model, ideal=True), Evaluator(some_bytes(4, 33), window=16)
    small, large = (noise_power(hybrid, evaluator, Pcm(magnitude=c)) for c in (0.01, 0.02))
    np.testing.assert_allclose(large[1:], 4 * small[1:], rtol=1e-2)
    assert not noise_power(hybrid, evaluator, None).any()

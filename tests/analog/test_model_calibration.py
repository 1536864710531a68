"""Ranges of the converters of a model's matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.calibration import InputStatistics
from axhw.analog.matrix import AnalogMatrix
from axhw.analog.model_calibration import _ROWS, K_GRID, OUTPUT_RANGE_GRID, Kind, _Observer, calibrate
from axhw.analog.routing_use import ExpertUse
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.lm.layout import all_matrices, matrix_name, tensor_shapes
from axhw.lm.matrices import MatrixKey
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.save import write_checkpoint

ByteArray = npt.NDArray[np.uint8]
SomeBytes = Callable[[int, int], ByteArray]

TILES = TileSpec(rows=12)
UP = MatrixKey(layer=1, module="expert", part="up", expert=2)


def inputs_of(model: LanguageModel, text: ByteArray, key: MatrixKey) -> npt.NDArray[np.float32]:
    found = []
    model.observed(lambda each, rows: found.append(rows) if each == key else None).logits(text[:-1].reshape(-1, 16))
    return np.concatenate(found)


def test_given_ranges_are_k_deviations(moe_model: LanguageModel, some_bytes: SomeBytes) -> None:
    text = some_bytes(3, 10 * 16 + 1)
    calibration = calibrate(moe_model, text, window=16, tiles=TILES, k=7.0, output_range=5.0)
    mapped = calibration.mapped(UP, moe_model.weight(UP))
    seen = inputs_of(moe_model, text, UP)
    assert mapped.ranges is not None
    np.testing.assert_allclose(mapped.ranges.beta, [7 * seen[:, :12].std(), 7 * seen[:, 12:].std()], rtol=1e-5)
    assert mapped.tiles.output_range == 5.0
    assert [row["error"] for row in calibration.rows()] == [None] * 3


def test_chosen_ranges_have_the_least_error(moe_model: LanguageModel, some_bytes: SomeBytes) -> None:
    text = some_bytes(3, 4 * 16 + 1)
    calibration = calibrate(moe_model, text, window=16, tiles=TILES)
    assert set(calibration.ranges) == {Kind("expert", part) for part in ("gate", "up", "down")}
    keys = [key for key in all_matrices(moe_model.config) if key.module == "expert" and key.part == "up"]
    seen = {key: inputs_of(moe_model, text, key) for key in keys}

    def error(k: float, tiles: TileSpec) -> float:
        total = power = 0.0
        for key, rows in seen.items():
            tried = replace(
                calibration,
                tiles=tiles,
                ranges={Kind("expert", "up"): replace(chosen, k=k, output_range=tiles.output_range)},
            )
            exact = rows @ moe_model.weight(key).T
            found = AnalogMatrix.program(tried.mapped(key, moe_model.weight(key)))(rows)
            total += float(((found - exact) ** 2).sum())
            power += float((exact**2).sum())
        return total / power

    chosen = calibration.ranges[Kind("expert", "up")]
    ideal = replace(TILES, adc_bits=None)
    assert chosen.k == min(K_GRID, key=lambda k: error(k, ideal))
    errors = {each: error(chosen.k, replace(TILES, output_range=each)) for each in OUTPUT_RANGE_GRID}
    assert chosen.output_range == min(errors, key=lambda each: errors[each])
    assert chosen.error == pytest.approx(errors[chosen.output_range], rel=1e-5)
    assert errors[chosen.output_range] < error(18, replace(TILES, output_range=14))


def test_no_position_is_seen_more_than_others(moe_model: LanguageModel, some_bytes: SomeBytes) -> None:
    """K is chosen on some rows of a text: not on every so-manyth one, which would be the same few of each window."""
    observer = _Observer(TILES, frozenset(["head"]))
    head = MatrixKey(layer=None, module="head", part="head")
    positions = np.tile(np.arange(16, dtype=np.float32), 4 * _ROWS // 16)
    rows = np.stack([positions, np.arange(len(positions), dtype=np.float32)], axis=1)
    for batch in np.array_split(rows, 5):
        observer(head, np.repeat(batch, 12, axis=1))
    chosen = observer.samples[head]
    assert chosen.shape == (_ROWS, 24)
    counts = np.bincount(chosen[:, 0].astype(int), minlength=16)
    # 32 of each are expected, with a deviation of 5.
    assert counts.min() >= 16
    assert counts.max() <= 50
    places = chosen[:, -1]
    assert (np.diff(places) > 0).all()
    quarters = np.bincount((places // _ROWS).astype(int), minlength=4)
    assert quarters.min() >= 90, "all batches have their part"
    repeated = _Observer(TILES, frozenset(["head"]))
    for batch in np.array_split(rows, 5):
        repeated(head, np.repeat(batch, 12, axis=1))
    np.testing.assert_array_equal(repeated.samples[head], chosen)


def test_one_may_be_given(moe_model: LanguageModel, some_bytes: SomeBytes) -> None:
    text = some_bytes(3, 4 * 16 + 1)
    by_k = calibrate(moe_model, text, window=16, tiles=TILES, k=18.0).ranges
    assert {each.k for each in by_k.values()} == {18.0}
    assert {each.output_range for each in by_k.values()} < set(OUTPUT_RANGE_GRID)
    by_range = calibrate(moe_model, text, window=16, tiles=TILES, output_range=3.3).ranges
    assert {each.output_range for each in by_range.values()} == {3.3}


def test_an_expert_that_no_token_took_has_the_statistics_of_the_others(
    moe_model: LanguageModel, some_bytes: SomeBytes, tmp_path: Path
) -> None:
    config = moe_model.config
    tensors = {name: moe_model.checkpoint.tensor(name) for name in tensor_shapes(config)}
    router = tensors[matrix_name(config, MatrixKey(layer=1, module="router", part="router"))]
    # Either 0 or 1 by the sign of an activation, and then 2, which comes before 3.
    router[:] = 0
    router[:2, 0] = [1, -1]
    write_checkpoint(tmp_path, config, tensors)
    model = load_model(tmp_path, keep=True)
    text = some_bytes(3, 4 * 16 + 1)
    assert (ExpertUse.on(model, text, window=16).rows[1] > 0).tolist() == [True, True, True, False]
    found = calibrate(model, text, window=16, tiles=TILES).statistics
    keys = [MatrixKey(layer=1, module="expert", part="down", expert=expert) for expert in range(4)]
    together = InputStatistics.none(8, tiles=TILES)
    for key in keys[:3]:
        together += found[key]
    np.testing.assert_array_equal(found[keys[3]].counts, together.counts)
    np.testing.assert_allclose(found[keys[3]].deviations, together.deviations)


def test_ideal_converters_need_no_ranges(moe_model: LanguageModel, some_bytes: SomeBytes) -> None:
    ideal = TileSpec(dac_bits=None, adc_bits=None)
    calibration = calibrate(moe_model, some_bytes(3, 33), window=16, tiles=ideal)
    assert calibration.rows() == []
    assert calibration.mapped(UP, moe_model.weight(UP)).ranges is None
    with pytest.raises(AxhwError, match=r"Expected a matrix out of the calibrated modules \['expert'\], found"):
        calibration.mapped(MatrixKey(layer=1, module="attention", part="q"), moe_model.weight(UP))

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.lm.config import ModelConfig
from axhw.lm.integer import IntegerMatrix, encode, input_steps, integer
from axhw.lm.layout import all_matrices
from axhw.lm.matrices import HEAD
from axhw.lm.model import LanguageModel, load_model
from axhw.sim.product_table import ProductTable

TOKENS = np.random.default_rng(4).integers(0, 29, (4, 30))
RNG = np.random.default_rng(8)
WEIGHT = RNG.normal(0, 1, (9, 37)).astype(np.float32)
ROWS = RNG.normal(0, 3, (21, 37)).astype(np.float32)


def table_of(text: str) -> ProductTable:
    spec = parse(text, signed=True, width=8)
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    return ProductTable(values=values, width=8, signed=True, name=spec.name, source={})


def lopsided() -> npt.NDArray[np.int32]:
    """Products of a and b that are not those of b and a, nor 0 where one is 0."""
    a, b = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")
    return (a * b + 3 * a - 7 * (b % 5) + 1).astype(np.int32)


def quantized(
    values: npt.NDArray[np.float32], axis: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Codes and steps by definition."""
    step = np.abs(values).max(axis=axis, keepdims=True).astype(np.float64) / 127
    return np.rint(values / step).astype(np.int64), step


@pytest.mark.parametrize(("step", "axis"), [("token", 1), ("call", None)])
def test_exact_products_are_those_of_integers(step: str, axis: int | None) -> None:
    a, a_step = quantized(ROWS, axis)
    b, b_step = quantized(WEIGHT, 1)
    found = IntegerMatrix(WEIGHT, step=step)(ROWS)  # type: ignore[arg-type]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (a @ b.T) * a_step * b_step.T, rtol=1e-6)


@pytest.mark.parametrize("table", ["roup:p=1,r=4", "lopsided"])
def test_approximate_products_are_looked_up(table: str) -> None:
    chosen = lopsided() if table == "lopsided" else table_of(table)
    values = chosen if isinstance(chosen, np.ndarray) else chosen.values
    a, a_step = quantized(ROWS, 1)
    b, b_step = quantized(WEIGHT, 1)
    sums = np.zeros((len(a), len(b)))
    for row, output in np.ndindex(sums.shape):
        sums[row, output] = sum(int(values[x + 128, w + 128]) for x, w in zip(a[row], b[output]))
    assert np.any(sums != a @ b.T)
    operator = IntegerMatrix(WEIGHT, table=chosen)
    np.testing.assert_array_equal(operator.codes, b)
    np.testing.assert_allclose(operator(ROWS), sums * a_step * b_step.T, rtol=1e-6)


def test_a_fixed_step_saturates() -> None:
    operator = IntegerMatrix(np.float32([[127.0, 0.0]]), step=0.5)
    np.testing.assert_allclose(
        operator(np.float32([[10.0, 1.0], [70.0, 0.0], [-70.0, 0.0], [0.24, 9.0]])).ravel(),
        [
            1270.0,
            127 * 63.5,
            -127 * 63.5,
            0.0,
        ],
    )


def test_ties_go_to_even_codes() -> None:
    assert encode(np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 1000]), np.float32([1.0])).tolist() == [0, 2, 2, 0, -2, 127]


def test_rows_and_outputs_of_nothing() -> None:
    weight = np.float32([[0, 0], [1, 2]])
    rows = np.float32([[0, 0], [4, 4]])
    np.testing.assert_allclose(IntegerMatrix(weight)(rows), [[0, 0], [0, 12]], rtol=1e-2)
    assert IntegerMatrix(weight, step="call")(rows[:0]).shape == (0, 2)


def test_weights_that_were_int8_keep_their_codes() -> None:
    codes = RNG.integers(-127, 128, (40, 64))
    codes[:, 0] = 127
    steps = RNG.uniform(0.001, 0.1, (40, 1)).astype(np.float32)
    np.testing.assert_array_equal(IntegerMatrix(codes.astype(np.float32) * steps).codes, codes)


def test_what_is_refused() -> None:
    with pytest.raises(AxhwError, match="step of activations as token, call, or a number above 0, found 'row'"):
        IntegerMatrix(WEIGHT, step="row")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="or a number above 0, found 0"):
        IntegerMatrix(WEIGHT, step=0)
    with pytest.raises(AxhwError, match="Expected finite weights to quantise"):
        IntegerMatrix(WEIGHT * np.float32(np.inf))
    spec = parse("exact", signed=False, width=8)
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    unsigned = ProductTable(values=values, width=8, signed=False, name="unsigned", source={})
    with pytest.raises(AxhwError, match="Expected uint8 codes for the table unsigned"):
        IntegerMatrix(WEIGHT, table=unsigned)


@pytest.fixture
def model(small_config: Callable[..., ModelConfig], saved: Callable[[ModelConfig], LanguageModel]) -> LanguageModel:
    return saved(small_config("qwen2_moe"))


def test_a_model_in_integers_is_near(model: LanguageModel) -> None:
    expected = model.logits(TOKENS)
    spread = expected.std()
    for step in ("token", "call"):
        make = integer(step=step)  # type: ignore[arg-type]
        # Not the routers, where a small error is another expert.
        operators = {key: make(key, model.weight(key)) for key in all_matrices(model.config) if key.part != "router"}
        found = model.with_operators(operators).logits(TOKENS)
        assert 0 < np.abs(found - expected).mean() < 0.1 * spread


def test_steps_from_texts(model: LanguageModel) -> None:
    few = TOKENS[:1, :2]
    seen = {}
    model.observed(lambda key, rows: seen.update({key: np.abs(rows).max() / 127})).logits(few)
    steps = input_steps(model, few)
    for key in all_matrices(model.config):
        others = [step for other, step in seen.items() if (other.layer, other.part) == (key.layer, key.part)]
        expected = seen.get(key, max(others, default=None) if key.expert is not None else None)
        assert steps[key] == pytest.approx(expected, rel=1e-6), key
    assert len(seen) < len(steps), "some experts were not chosen"
    steps = input_steps(model, TOKENS)
    fixed = load_model(model.checkpoint.folder, make=integer(step=steps), keep=True)
    assert np.abs(fixed.logits(TOKENS) - model.logits(TOKENS)).mean() < 0.5
    del steps[HEAD]
    with pytest.raises(AxhwError, match="a step of the activations of every matrix, found none for .*head"):
        load_model(model.checkpoint.folder, make=integer(step=steps), keep=True)

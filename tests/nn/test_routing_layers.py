"""Gates and what combines experts, against sums over all experts and all rows."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.nn.layers.routing import Combine, Gate, chosen_rows
from axhw.nn.quantize import Quantization
from axhw.nn.routing import chosen_of_all

LOGITS = hnp.arrays(
    np.float32,
    st.one_of(
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5)),
    ),
    # Few values, so that ties come up.
    elements=st.one_of(st.integers(-3, 3).map(float), st.floats(-50, 50, width=32)),
)


@given(logits=LOGITS, data=st.data())
def test_weights_are_a_softmax_over_the_largest_logits(logits: np.ndarray, data: st.DataObject) -> None:
    experts = logits.shape[-1]
    k = data.draw(st.integers(1, experts))
    weights = Gate(k=k).forward(logits, parameters={})
    assert (weights.dtype, weights.shape) == (np.float32, logits.shape)
    for row, found in zip(logits.reshape(-1, experts), weights.reshape(-1, experts)):
        # A stable sort puts the first of equal logits first.
        chosen = np.sort(np.argsort(-row, kind="stable")[:k])
        powers = np.exp(row[chosen].astype(np.float64) - row.max())
        expected = np.zeros(experts)
        expected[chosen] = powers / powers.sum()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-37)
    if k == 1:
        assert set(np.unique(weights)) <= {0.0, 1.0}


def reference(weights: np.ndarray, experts: list[np.ndarray]) -> np.ndarray:
    """What PyTorch does: all rows of all experts, times weights that may be 0."""
    by_row = weights.reshape(-1, weights.shape[-1])
    total = np.zeros_like(experts[0])
    for expert, x in enumerate(experts):
        total = total + by_row[:, expert].reshape(-1, *(1,) * (x.ndim - 1)) * x
    return total.reshape(*weights.shape[:-1], *total.shape[1:])


@given(logits=LOGITS, data=st.data())
def test_chosen_rows_give_the_bits_of_all_rows(logits: np.ndarray, data: st.DataObject) -> None:
    experts = logits.shape[-1]
    weights = Gate(k=data.draw(st.integers(1, experts))).forward(logits, parameters={})
    row = data.draw(st.sampled_from([(), (3,), (2, 3, 2)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    every = [rng.normal(size=(weights[..., 0].size, *row)).astype(np.float32) for _ in range(experts)]
    found = Combine().forward(weights, *chosen_of_all(weights, tuple(every)), parameters={})
    expected = reference(weights, every)
    assert found.dtype == np.float32
    assert found.shape == expected.shape == (*weights.shape[:-1], *row)
    assert np.array_equal(found, expected)


@given(logits=LOGITS, signed=st.booleans(), symmetric=st.booleans(), seed=st.integers(0, 100))
def test_one_expert_of_equal_coding_is_picked_as_it_is(
    logits: np.ndarray, signed: bool, symmetric: bool, seed: int
) -> None:
    experts = logits.shape[-1]
    scheme = symmetric if signed else None
    gate = Quantization.from_range(0.0, 1.0, signed=signed, symmetric=scheme)
    coding = Quantization.from_range(-1.3, 2.1, signed=signed, symmetric=scheme)
    weights = Gate(k=1).forward(logits, parameters={})
    codes = gate.encode(weights)
    rng = np.random.default_rng(seed)
    low, high = coding.code_range
    every = tuple(
        rng.integers(low, high + 1, (weights[..., 0].size, 2, 3, 3)).astype(coding.dtype) for _ in range(experts)
    )
    chosen = chosen_of_all(codes, every, zero=int(gate.zero_point))
    found = Combine().on_codes((gate, *(coding,) * experts), coding, codes, *chosen, parameters={})
    assert found is not None
    assert found.dtype == coding.dtype
    reals = Combine().forward(gate.decode(codes), *(coding.decode(x) for x in chosen), parameters={})
    assert np.array_equal(found, coding.encode(reals))
    assert np.array_equal(found.reshape(-1, 2, 3, 3)[0], every[int(weights.reshape(-1, experts)[0].argmax())][0])


def test_codes_are_not_picked_where_that_would_not_be_the_sum() -> None:
    gate = Quantization.from_range(0.0, 1.0, signed=True)
    coding, other = (Quantization.from_range(-1.0, high, signed=True) for high in (1.0, 2.0))
    codes = gate.encode(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    rows = np.zeros((1, 4), np.int8)
    assert Combine().on_codes((gate, coding, coding), coding, codes, rows, rows, parameters={}) is not None
    assert Combine().on_codes((gate, coding, other), coding, codes, rows, rows, parameters={}) is None
    shared = gate.encode(np.array([[0.6, 0.4], [0.0, 1.0]], np.float32))
    assert (
        Combine().on_codes((gate, coding, coding), coding, shared, rows, np.zeros((2, 4), np.int8), parameters={})
        is None
    )
    half = Quantization.from_range(0.0, 0.5, signed=True)
    assert Combine().on_codes((half, coding, coding), coding, codes, rows, rows, parameters={}) is None


def test_rows_are_numbered_image_by_image() -> None:
    weights = np.array([[[1, 0], [0, 1]], [[1, 0], [1, 0]]], np.float32)
    assert chosen_rows(weights, 0).tolist() == [0, 2, 3]
    assert chosen_rows(weights, 1).tolist() == [1]
    assert chosen_rows((weights * 127).astype(np.int16) - 128, 1, zero=-128).tolist() == [1]


def test_what_gates_and_combinations_can_not_take_is_refused() -> None:
    assert Gate(k=2).output_shape((4,)) == (4,)
    assert Gate(k=2).output_shape((7, 4)) == (7, 4)
    assert Combine().output_shape((7, 2), (3,), (3,)) == (7, 3)
    with pytest.raises(
        AxhwError, match=r"Expected logits \(experts\) or \(tokens, experts\) for a gate, found the shape"
    ):
        Gate(k=1).output_shape((2, 3, 4))
    for k in (0, 5):
        with pytest.raises(AxhwError, match=f"Expected a gate to choose 1 to 4 experts, found {k}."):
            Gate(k=k).output_shape((4,))
    with pytest.raises(AxhwError, match=r"Expected an expert for each weight of the shape \(3,\), found 2."):
        Combine().output_shape((3,), (8,), (8,))
    with pytest.raises(AxhwError, match=r"Expected experts of one shape to combine, found \(8,\) and \(9,\)."):
        Combine().output_shape((2,), (8,), (9,))

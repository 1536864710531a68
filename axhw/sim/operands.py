"""Operand streams: the sequence of operand pairs over which energy is averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.spec import MultiplierSpec

IntegerArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class OperandStream:
    """Operand pairs in the order in which they reach a multiplier.

    Energy depends on the order: it is spent in the change from one pair to the next, so n + 1 pairs are n operations.

    Attributes
    ----------
    a, b : (pairs,) int64 arrays
        Activations and weights.
    description : str
        What the stream is, for the record of a cost.
    seed : int or None
        Of the random numbers in it; None for a trace.
    """

    a: IntegerArray
    b: IntegerArray
    description: str
    seed: int | None

    def __len__(self) -> int:
        return len(self.a)


def uniform(spec: MultiplierSpec, *, pairs: int, seed: int) -> OperandStream:
    """Independent uniform operands of `spec`: the default stream of every cost.

    Raises
    ------
    AxhwError
        If there are fewer than two pairs.
    """
    _check_length(pairs)
    low, high = spec.operand_range
    a, b = np.random.default_rng(seed).integers(low, high, (2, pairs), endpoint=True)
    return OperandStream(a=a, b=b, description=f"{pairs} uniform pairs, seed {seed}", seed=seed)


def from_histogram(
    spec: MultiplierSpec,
    counts: npt.ArrayLike,
    counts_b: npt.ArrayLike | None = None,
    *,
    pairs: int,
    seed: int,
    label: str = "operand histogram",
) -> OperandStream:
    """Independent pairs drawn from the operands of a real layer.

    Parameters
    ----------
    counts : (2**width, 2**width) array_like, or (2**width,) array_like
        How often each pair [a, b] occurs, or, with `counts_b`, each a; from the lowest operand up.
    counts_b : (2**width,) array_like, optional
        How often each b occurs, independent of a.
    label : str
        Where the counts are from.

    Raises
    ------
    AxhwError
        If the counts have another shape, are negative, not finite or all 0, or there are fewer than two pairs.
    """
    _check_length(pairs)
    rng = np.random.default_rng(seed)
    codes = spec.operand_codes()
    size = len(codes)
    if counts_b is None:
        drawn = rng.choice(size * size, pairs, p=_shares(counts, (size, size), spec).ravel())
        a, b = np.divmod(drawn, size)
    else:
        a = rng.choice(size, pairs, p=_shares(counts, (size,), spec))
        b = rng.choice(size, pairs, p=_shares(counts_b, (size,), spec))
    return OperandStream(a=codes[a], b=codes[b], description=f"{pairs} pairs from {label}, seed {seed}", seed=seed)


def from_trace(
    spec: MultiplierSpec, a: npt.ArrayLike, b: npt.ArrayLike, *, label: str = "operand trace"
) -> OperandStream:
    """The recorded operands of a real computation, in their order.

    Parameters
    ----------
    a, b : (pairs,) array_like of integers
    label : str
        What was recorded.

    Raises
    ------
    AxhwError
        If operands are not integers, out of range or not two equally long lists of at least two.
    """
    first, second = spec.operands(a, b)
    if first.ndim != 1 or first.shape != second.shape:
        raise AxhwError(f"Expected two equally long lists of operands, found shapes {first.shape} and {second.shape}.")
    _check_length(len(first))
    return OperandStream(a=first, b=second, description=f"{len(first)} pairs of {label}", seed=None)


def _check_length(pairs: int) -> None:
    if pairs < 2:
        raise AxhwError(f"Expected at least 2 operand pairs, so that something switches, found {pairs}.")


def _shares(counts: npt.ArrayLike, shape: tuple[int, ...], spec: MultiplierSpec) -> npt.NDArray[np.float64]:
    """Counts as probabilities."""
    weights = np.asarray(counts, np.float64)
    if weights.shape != shape:
        raise AxhwError(f"Expected a histogram of shape {shape} for {spec.name}, found {weights.shape}.")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise AxhwError(f"Expected counts of 0 or more for {spec.name}, not all 0, found others.")
    return np.asarray(weights / weights.sum())

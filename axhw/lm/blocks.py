"""What a transformer computes between its weight matrices: norms, rotary angles, causal attention, gates. float32."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from axhw.lm.matrices import Float32Array, Operator

# Scores of that many pairs of positions at once stay in a core's cache.
_SCORES = 1 << 18
_QUERIES = 64


def rms_norm(x: Float32Array, scale: Float32Array, eps: float) -> Float32Array:
    """x scale / sqrt(mean(x^2) + eps) over the last axis; arXiv 1910.07467."""
    mean_square = np.einsum("...i,...i->...", x, x)[..., None] / np.float32(x.shape[-1])
    normalized: Float32Array = x * (1 / np.sqrt(mean_square + np.float32(eps)))
    normalized *= scale
    return normalized


@lru_cache(maxsize=16)
def rotations(length: int, head_dim: int, theta: float) -> npt.NDArray[np.complex64]:
    """exp(i angle) of the angles position theta^(-2 i / head_dim), shape (length, head_dim / 2); arXiv 2104.09864."""
    frequencies = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = np.outer(np.arange(length), frequencies)
    turns: npt.NDArray[np.complex64] = np.exp(1j * angles).astype(np.complex64)
    return turns


def rotate(x: Float32Array, theta: float) -> Float32Array:
    """Heads [texts, length, heads, head_dim] turned by the angles of their positions: element i of the first half of a
    head together with element i of the second."""
    half = x.shape[-1] // 2
    pairs = np.empty((*x.shape[:-1], half), np.complex64)
    pairs.real, pairs.imag = x[..., :half], x[..., half:]
    pairs *= rotations(x.shape[1], x.shape[-1], theta)[:, None]
    turned = np.empty_like(x)
    turned[..., :half], turned[..., half:] = pairs.real, pairs.imag
    return turned


def attend(queries: Float32Array, keys: Float32Array, values: Float32Array) -> Float32Array:
    """Causal attention: for each query, the softmax of its products with all keys up to its own position, divided by
    sqrt(head_dim), weighs their values.

    Computed for a block of queries at a time, so that no more scores are in memory than a cache holds and few of
    them are of later keys.

    Parameters
    ----------
    queries : float32 array, shape (texts, length, heads, head_dim)
    keys, values : float32 arrays, shape (texts, length, kv_heads, head_dim)
        Query head h takes head h // (heads / kv_heads) of them.

    Returns
    -------
    float32 array, shape (texts, length, heads * head_dim)
    """
    texts, length, heads, head_dim = queries.shape
    kv_heads = keys.shape[2]
    group = heads // kv_heads
    rows = max(1, min(_QUERIES, length, _SCORES // (heads * length)))
    texts_at_once = max(1, _SCORES // (heads * length * rows))
    later = np.triu(np.full((rows, rows), -np.inf, np.float32), 1)
    # [texts, kv_heads, group, length, head_dim]: the queries of a group share their keys.
    scaled = queries * np.float32(head_dim**-0.5)
    scaled = scaled.reshape(texts, length, kv_heads, group, head_dim).transpose(0, 2, 3, 1, 4)
    keys, values = keys.transpose(0, 2, 3, 1)[:, :, None], values.transpose(0, 2, 1, 3)[:, :, None]
    result = np.empty((texts, length, kv_heads, group, head_dim), np.float32)
    for first in range(0, texts, texts_at_once):
        some = slice(first, first + texts_at_once)
        for start in range(0, length, rows):
            stop = min(start + rows, length)
            scores = scaled[some, :, :, start:stop] @ keys[some, ..., :stop]
            scores[..., start:] += later[: stop - start, : stop - start]
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            weighed = scores @ values[some, ..., :stop, :]
            weighed /= scores.sum(axis=-1, keepdims=True)
            result[some, start:stop] = weighed.transpose(0, 3, 1, 2, 4)
    return result.reshape(texts, length, heads * head_dim)


def sigmoid(x: Float32Array) -> Float32Array:
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):  # exp(-x) = inf makes 0
        result: Float32Array = np.exp(-x)
    result += 1
    return np.divide(1, result, out=result)


def gated_feed_forward(rows: Float32Array, gate: Operator, up: Operator, down: Operator) -> Float32Array:
    """down(silu(gate(rows)) up(rows)), silu(x) = x sigmoid(x); arXiv 2002.05202."""
    gates = gate(rows)
    neurons = sigmoid(gates)
    neurons *= gates
    neurons *= up(rows)
    return down(neurons)

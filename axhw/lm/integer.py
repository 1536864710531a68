"""Products in 8-bit integers: weight matrices on digital multipliers, exact or approximate.

A row of activations x and the weights W of an output become codes a = round(x / s), b = round(W / t) from -127 to 127,
the steps being the largest magnitudes / 127, and the output is s t times the sum of the multiplier's products of a
and b. Which activations share a step is a choice: those of one token, of all tokens of a call, or of all calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Accumulators
from axhw.emulate.gemm import Table, exact_products, prepare_gemm
from axhw.emulate.prepared import Multiplication
from axhw.errors import AxhwError
from axhw.lm.layout import all_matrices
from axhw.lm.matrices import Float32Array, MakeOperator, MatrixKey, Operator
from axhw.lm.model import LanguageModel

LARGEST_CODE = 127

Sharing: TypeAlias = Literal["token", "call"]
Int8Array: TypeAlias = npt.NDArray[np.int8]


class IntegerMatrix:
    """A weight matrix in int8, an `axhw.lm.matrices.Operator`.

    Parameters
    ----------
    weight : float32 array, shape (outputs, inputs)
    table : ProductTable or integer array [256, 256], optional
        Products of activation codes (rows) and weight codes (columns), both signed; exact ones by default.
    step : "token", "call", or float
        What activations have a step of their own: each token, or each call; or the step of all, as
        `input_steps` measures it.
    threads : int, optional
        All processors if None.

    Attributes
    ----------
    codes : int8 array, shape (outputs, inputs)
    weight_steps : float32 array, shape (outputs,)
        1 for outputs whose weights are all 0.
    multiplication : Multiplication
        The kernel.

    Raises
    ------
    AxhwError
        For weights that are not finite, for a step that is not above 0, and for a table of other operands.
    """

    def __init__(
        self,
        weight: Float32Array,
        *,
        table: Table | None = None,
        step: Sharing | float = "token",
        threads: int | None = None,
    ) -> None:
        if not np.isfinite(weight).all():
            raise AxhwError("Expected finite weights to quantise, found others.")
        if step not in ("token", "call") and not (isinstance(step, (int, float)) and 0 < step < np.inf):
            raise AxhwError(f"Expected the step of activations as token, call, or a number above 0, found {step!r}.")
        self.weight_steps = _steps(np.abs(weight).max(axis=1, initial=0))
        self.codes = encode(weight, self.weight_steps[:, None])
        self.multiplication: Multiplication = prepare_gemm(
            self.codes.T,
            exact_products(np.int8, np.int8) if table is None else table,
            a_dtype=np.int8,
            threads=threads,
        )
        self._step = step

    def __call__(self, rows: Float32Array) -> Float32Array:
        """Rows [n, inputs] times the transposed weight: [n, outputs]."""
        steps = self._row_steps(rows)
        sums: Accumulators = self.multiplication(encode(rows, steps))
        products = sums.astype(np.float32)
        products *= steps
        products *= self.weight_steps
        return products

    def _row_steps(self, rows: Float32Array) -> Float32Array:
        """Steps that broadcast against [n, 1]."""
        if self._step == "token":
            return _steps(np.abs(rows).max(axis=1, keepdims=True, initial=0))
        if self._step == "call":
            return _steps(np.abs(rows).max(keepdims=True, initial=0))
        return np.full((1, 1), self._step, np.float32)


def integer(
    *,
    table: Table | None = None,
    step: Sharing | Mapping[MatrixKey, float] = "token",
    threads: int | None = None,
) -> MakeOperator:
    """What makes an `IntegerMatrix` of every weight matrix.

    Parameters
    ----------
    table, threads
        As for `IntegerMatrix`.
    step : "token", "call", or mapping
        As for `IntegerMatrix`; a mapping gives the step of each matrix, see `input_steps`.
    """

    def make(key: MatrixKey, weight: Float32Array) -> Operator:
        if not isinstance(step, str) and key not in step:
            raise AxhwError(f"Expected a step of the activations of every matrix, found none for {key}.")
        return IntegerMatrix(weight, table=table, step=step if isinstance(step, str) else step[key], threads=threads)

    return make


def input_steps(model: LanguageModel, tokens: npt.ArrayLike) -> dict[MatrixKey, float]:
    """Steps in which the largest activation of each matrix on some texts has the largest code.

    Parameters
    ----------
    model : LanguageModel
    tokens : integer array, shape (texts, length)
        An expert that none of the tokens choose gets the largest step of the others in its layer.
    """
    largest: dict[MatrixKey, float] = {}

    def observe(key: MatrixKey, rows: Float32Array) -> None:
        for each in {key, replace(key, expert=None)}:
            largest[each] = max(largest.get(each, 0.0), float(np.abs(rows).max(initial=0)))

    model.observed(observe).logits(tokens)
    keys = list(all_matrices(model.config))
    return {key: float(_steps(np.float32(largest.get(key, largest[replace(key, expert=None)])))) for key in keys}


def encode(values: Float32Array, steps: Float32Array) -> Int8Array:
    """Nearest codes, ties to even, saturating at -127 and 127."""
    scaled = values / steps
    np.rint(scaled, out=scaled)
    np.clip(scaled, -LARGEST_CODE, LARGEST_CODE, out=scaled)
    return scaled.astype(np.int8)


def _steps(largest: Float32Array | np.float32) -> Float32Array:
    steps = np.asarray(largest, np.float32) / np.float32(LARGEST_CODE)
    return np.asarray(np.where(steps > 0, steps, 1), np.float32)

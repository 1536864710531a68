"""Element by element functions of one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from axhw.emulate.codes import Codes, code_index
from axhw.errors import AxhwError
from axhw.nn.layers.base import CodeLayer, Parameters, RealLayer, Reals, Shape
from axhw.nn.quantize import Quantization


@dataclass(frozen=True, kw_only=True)
class Clip(CodeLayer):
    """Values cut off below `low` and above `high`."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise AxhwError(f"Expected a clip with low below high, found {self.low} and {self.high}.")

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        return shape

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        clipped: Reals = np.clip(x, x.dtype.type(self.low), x.dtype.type(self.high))
        return clipped

    def code_limits(self, coding: Quantization) -> tuple[int, int]:
        """Lowest and highest code that the clip leaves."""
        low, high = coding.code_range
        if math.isfinite(self.low):
            low = int(coding.encode(np.float32(self.low)))
        if math.isfinite(self.high):
            high = int(coding.encode(np.float32(self.high)))
        return low, high

    def on_codes(self, x: Codes, coding: Quantization) -> Codes:
        low, high = self.code_limits(coding)
        clipped: Codes = np.clip(x, x.dtype.type(low), x.dtype.type(high))
        return clipped


@dataclass(frozen=True, kw_only=True)
class Relu(Clip):
    """max(x, 0)."""

    low: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Elementwise(RealLayer):
    """One of the `FUNCTIONS`, e.g. ``gelu``; on codes a table of 256 results.

    Attributes
    ----------
    function : str
    factor : float
        Slope below 0 of ``leaky_relu``, slope of ``hard_sigmoid``, factor of ``scale``, exponent of ``power``; others
        ignore it.
    offset : float
        Added by ``hard_sigmoid`` and ``scale``.
    """

    function: str
    factor: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise AxhwError(f"Expected a function out of {', '.join(FUNCTIONS)}, found {self.function!r}.")

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        return shape

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        values: Reals = FUNCTIONS[self.function](x, self.factor, self.offset).astype(x.dtype, copy=False)
        return values

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes:
        (coding,), (x,) = codings, inputs
        limits = np.iinfo(x.dtype)
        every = np.arange(limits.min, limits.max + 1).astype(x.dtype)
        results = output.encode(self.forward(coding.decode(every), parameters={}))
        codes: Codes = results[code_index(x)]
        return codes


def _erf(x: Reals) -> Reals:
    # scikit-learn brings SciPy; its error function takes arrays and float32.
    from scipy.special import erf

    values: Reals = erf(x)
    return values


def _sigmoid(x: Reals) -> Reals:
    # exp of a large positive number overflows, of a large negative one vanishes: take it of -|x| alone.
    small = np.exp(-np.abs(x))
    values: Reals = np.where(x >= 0, 1, small) / (1 + small)
    return values


_GELU_CUBIC = 0.044715

FUNCTIONS: Mapping[str, Callable[[Reals, float, float], Reals]] = {
    "gelu": lambda x, factor, offset: 0.5 * x * (1 + _erf(x * math.sqrt(0.5))),
    "gelu_tanh": lambda x, factor, offset: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + _GELU_CUBIC * x * x * x)))
    ),
    "sigmoid": lambda x, factor, offset: _sigmoid(x),
    "silu": lambda x, factor, offset: x * _sigmoid(x),
    "tanh": lambda x, factor, offset: np.tanh(x),
    "erf": lambda x, factor, offset: _erf(x),
    "exp": lambda x, factor, offset: np.exp(x),
    "sqrt": lambda x, factor, offset: np.sqrt(x),
    "reciprocal": lambda x, factor, offset: 1 / x,
    "power": lambda x, factor, offset: np.power(x, x.dtype.type(factor)),
    "abs": lambda x, factor, offset: np.abs(x),
    "leaky_relu": lambda x, factor, offset: np.where(x >= 0, x, x * x.dtype.type(factor)),
    "hard_sigmoid": lambda x, factor, offset: np.clip(x * x.dtype.type(factor) + x.dtype.type(offset), 0, 1),
    "hard_swish": lambda x, factor, offset: x * np.clip(x * x.dtype.type(1 / 6) + x.dtype.type(0.5), 0, 1),
    "scale": lambda x, factor, offset: x * x.dtype.type(factor) + x.dtype.type(offset),
}
"""Functions by name, of (x, factor, offset)."""

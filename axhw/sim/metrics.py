"""Error metrics of approximate multipliers, with the definitions that reproduce every published EvoApproxLib figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.spec import Factors
from axhw.sim.product_table import ProductTable

IntegerArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959963984540054  # of (1 + CONFIDENCE) / 2


@dataclass(frozen=True, kw_only=True)
class ErrorMetrics:
    """How far a multiplier is from the exact product, error = approximate - exact, n bits per operand.

    Attributes
    ----------
    mae : float
        Mean absolute error (MED).
    wce : int
        Worst-case absolute error.
    mae_pct, wce_pct : float
        The same in per cent of ``2**(2 * n)``, for signed operands too.
    mre_pct, wcre_pct : float
        Mean (MRED) and worst relative error abs(error) / abs(exact) in per cent, over the pairs whose exact
        product is not 0.
    ep_pct : float
        Error probability: per cent of pairs with any error.
    mse, bias, variance : float
        Mean squared error, mean signed error, variance of the error.
    nmed : float
        `mae` / `nmed_denominator`.
    nmed_denominator : int
        The largest exact magnitude: ``2**(2 * n - 2)`` signed, ``(2**n - 1)**2`` unsigned.
    pairs : int
        Operand pairs measured.
    sampled : bool
        False where these are all pairs and every figure is exact; true for uniform random pairs.
    half_widths : mapping of metric to float, or None
        Sampled metrics only: half the width of the 95 % confidence interval around each mean, 0 for those known
        in closed form. Means are taken as normal (at the 10**6 pairs used here they are); for `ep_pct` it
        is the distance to the farther end of the Wilson score interval, which stays meaningful at 0 and 100 %.
        `wce` and `wcre_pct` have none: a sampled maximum is only a lower bound.
    wce_exceeded_pct : float or None
        What is known about the maxima: with 95 % confidence at most this share of all pairs exceeds the sampled
        `wce` (``1 - 0.05**(1 / pairs)``, whatever the distribution).
    wce_upper : int or None
        Sampled metrics only: proved, see `axhw.sim.worst_case`, that no pair has a larger error; equal to `wce` where
        that is proved to be the worst. None where no proof was tried.
    """

    mae: float
    mae_pct: float
    wce: int
    wce_pct: float
    mre_pct: float
    wcre_pct: float
    ep_pct: float
    mse: float
    bias: float
    variance: float
    nmed: float
    nmed_denominator: int
    pairs: int
    sampled: bool = False
    half_widths: Mapping[str, float] | None = None
    wce_exceeded_pct: float | None = None
    wce_upper: int | None = None

    def with_worst_case(self, *, lower: int, upper: int, width: int) -> ErrorMetrics:
        """These, with bounds of the worst case that were proved beside what was sampled."""
        wce = max(self.wce, lower)
        exceeded = 0.0 if wce == upper else self.wce_exceeded_pct
        return replace(self, wce=wce, wce_pct=wce * 100 / 4.0**width, wce_upper=upper, wce_exceeded_pct=exceeded)


class Moments(NamedTuple):
    """Bias, mean square and variance of an error over all operand pairs."""

    bias: float
    mse: float
    variance: float


def exact_metrics(table: ProductTable) -> ErrorMetrics:
    """The metrics over all pairs of a product table."""
    figures = _figures(table.values, table.exact(), width=table.width, signed=table.signed)
    return ErrorMetrics(**figures)


def sampled_metrics(
    approximate: npt.ArrayLike,
    exact: npt.ArrayLike,
    *,
    width: int,
    signed: bool,
    moments: Moments | None = None,
) -> ErrorMetrics:
    """Estimates from uniform random pairs, with confidence intervals.

    Parameters
    ----------
    approximate, exact : (pairs,) integer arrays
        Products of the same pairs.
    width : int
        Bits per operand.
    signed : bool
    moments : Moments, optional
        Known in closed form; they replace the estimates.

    Raises
    ------
    AxhwError
        If there are fewer than two pairs.
    """
    product, reference = np.asarray(approximate, np.int64), np.asarray(exact, np.int64)
    if product.shape != reference.shape or product.ndim != 1 or product.size < 2:
        raise AxhwError(
            f"Expected two equally long lists of at least 2 products to estimate errors from, "
            f"found shapes {product.shape} and {reference.shape}."
        )
    figures = _figures(product, reference, width=width, signed=signed)
    error = (product - reference).astype(np.float64)
    magnitude = np.abs(error)
    relative = magnitude[reference != 0] / np.abs(reference[reference != 0])
    mae = _half_width(magnitude)
    half_widths = {
        "mae": mae,
        "mae_pct": mae * 100 / 4.0**width,
        "nmed": mae / figures["nmed_denominator"],
        "mre_pct": 100 * _half_width(relative),
        "ep_pct": 100 * _wilson_half_width(figures["ep_pct"] / 100, product.size),
        "mse": _half_width(error**2),
        "bias": _half_width(error),
        # The sample variance is the mean of squared deviations; that of the mean adds terms of order 1/n**2.
        "variance": _half_width((error - error.mean()) ** 2),
    }
    if moments is not None:
        figures |= moments._asdict()
        half_widths |= dict.fromkeys(Moments._fields, 0.0)
    exceeded = 1 - (1 - CONFIDENCE) ** (1 / product.size)
    return ErrorMetrics(**figures, sampled=True, half_widths=half_widths, wce_exceeded_pct=100 * exceeded)


def factor_moments(factors: Factors, codes: IntegerArray) -> Moments:
    """Exact moments of the error of a factorised multiplier over all pairs of `codes`, at any width.

    The error ``left[i] @ right[j] - codes[i] * codes[j]`` is itself a sum of products f_k(a) * g_k(b), so its
    mean is ``sum_k mean(f_k) mean(g_k)`` and its mean square ``sum_kl mean(f_k f_l) mean(g_k g_l)``, here in
    integers.
    """
    left = np.column_stack([factors.left, codes]).astype(np.int64)
    right = np.column_stack([factors.right, -codes]).astype(np.int64)
    pairs = len(codes) ** 2
    total = int((left.sum(axis=0).astype(object) * right.sum(axis=0)).sum())
    # Columns are below 2**(width + 1) in magnitude, so sums over 2**width codes stay within int64; products do not.
    squares = int(((left.T @ left).astype(object) * (right.T @ right)).sum())
    return Moments(
        bias=total / pairs,
        mse=squares / pairs,
        variance=(squares * pairs - total * total) / (pairs * pairs),
    )


def _figures(
    approximate: npt.NDArray[np.integer[Any]], exact: IntegerArray, *, width: int, signed: bool
) -> dict[str, Any]:
    """Every metric of the given pairs by name."""
    error = approximate - exact
    magnitude = np.abs(error)
    nonzero = exact != 0
    relative = magnitude[nonzero] / np.abs(exact[nonzero])
    # Squares of 16-bit errors pass int64.
    squares = error.astype(np.float64) ** 2
    return named_figures(
        mae=float(magnitude.mean()),
        wce=int(magnitude.max()),
        mre=float(relative.mean()) if relative.size else 0.0,
        wcre=float(relative.max()) if relative.size else 0.0,
        wrong=float(np.count_nonzero(error)) / error.size,
        pairs=error.size,
        width=width,
        signed=signed,
    ) | {"mse": float(squares.mean()), "bias": float(error.mean()), "variance": float(error.var())}


def named_figures(
    *, mae: float, wce: int, mre: float, wcre: float, wrong: float, pairs: int, width: int, signed: bool
) -> dict[str, Any]:
    """The fields of `ErrorMetrics` that follow from means and maxima; relative errors and `wrong` are shares of 1."""
    denominator = 1 << (2 * width - 2) if signed else ((1 << width) - 1) ** 2
    return {
        "mae": mae,
        "mae_pct": mae * 100 / 4.0**width,
        "wce": wce,
        "wce_pct": wce * 100 / 4.0**width,
        "mre_pct": 100 * mre,
        "wcre_pct": 100 * wcre,
        "ep_pct": 100 * wrong,
        "nmed": mae / denominator,
        "nmed_denominator": denominator,
        "pairs": pairs,
    }


def _half_width(values: FloatArray) -> float:
    """Of the normal confidence interval around the mean of `values`."""
    return _NORMAL_QUANTILE * float(values.std(ddof=1)) / float(np.sqrt(values.size)) if values.size > 1 else 0.0


def _wilson_half_width(share: float, pairs: int) -> float:
    """Distance from `share` to the farther end of its Wilson score interval (Wilson, 1927)."""
    z2 = _NORMAL_QUANTILE**2 / pairs
    centre = (share + z2 / 2) / (1 + z2)
    spread = float(np.sqrt(share * (1 - share) * z2 + z2**2 / 4)) / (1 + z2)
    return abs(centre - share) + spread

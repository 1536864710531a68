"""Value ranges of activations, measured on images of the train split: never on those that are tested afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT
from axhw.nn.layers.base import Reals
from axhw.nn.network import Images, Network, Range
from axhw.nn.quantize import Quantization

Method: TypeAlias = Literal["minmax", "percentile", "mse"]

_BINS = 2048
_SHRINKS = np.linspace(1.0, 0.2, 81)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the range of an activation is taken from its values.

    Attributes
    ----------
    method : {"minmax", "percentile", "mse"}
        All values; those between the percentiles ``100 - percentile`` and `percentile`; or the part of the range for
        which the codes' mean squared error over all values is least. What lies outside saturates. The last two work
        on a histogram of 2048 bins.
    percentile : float
        Above 50, at most 100; used by ``percentile`` only.
    """

    method: Method = "minmax"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise AxhwError(f"Expected a calibration method out of {get_args(Method)}, found {self.method!r}.")
        if not 50 < self.percentile <= 100:
            raise AxhwError(f"Expected a percentile above 50 and at most 100, found {self.percentile}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Histogram:
    """Counts of values in equal bins from `low` to `high`."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        step = (self.high - self.low) / len(self.counts)
        places = np.arange(len(self.counts), dtype=np.float64)
        return np.asarray(self.low + step * (places + 0.5), np.float64)


def measure_ranges(
    network: Network,
    images: Images,
    *,
    tensors: Iterable[str],
    calibration: Calibration,
    signed: bool,
    symmetric: bool | None,
    batch: int = 64,
) -> dict[str, Range]:
    """Lowest and highest value to be represented of each tensor; what a layer fixes beforehand is not measured.

    An expert that none of the images chooses is measured on all of them.

    Parameters
    ----------
    network : Network
        Computed in float64, so that machines agree.
    images : float array, shape (B, *input_shape)
    tensors : iterable of str
    calibration : Calibration
    signed, symmetric
        Of the codes that the mean squared error is measured with.
    batch : int
        Images at a time; memory grows with it.

    Raises
    ------
    AxhwError
        Without images, for images of another shape or with NaN, and when a tensor is 0 for all of them.
    """
    if not len(images):
        raise AxhwError("Expected at least one calibration image, found none.")
    names = tuple(tensors)
    fixed = {name: limits for name in names if (limits := _fixed_range(network, name)) is not None}
    wanted = tuple(name for name in names if name not in fixed)
    ranges: dict[str, Range] = {}

    def widen(name: str, values: Reals) -> None:
        low, high = ranges.get(name, (np.inf, -np.inf))
        ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))

    _observe(network, images, wanted, widen, batch)
    unseen = tuple(name for name in wanted if name not in ranges)
    _observe(network, images, unseen, widen, batch, dense=True)
    for name in wanted:
        low, high = ranges[name]
        if not max(-low, high) > 0:
            raise AxhwError(
                f"Expected calibration images that give {name} a range above 0, found {low:g} to {high:g}: "
                "use more images, or check their normalisation."
            )
    if calibration.method == "minmax":
        return ranges | fixed
    counts = {name: np.zeros(_BINS, np.int64) for name in wanted}

    def count(name: str, values: Reals) -> None:
        counts[name] += np.histogram(values, bins=_BINS, range=ranges[name])[0]

    _observe(network, images, tuple(name for name in wanted if name not in unseen), count, batch)
    _observe(network, images, unseen, count, batch, dense=True)
    chosen: dict[str, Range] = {}
    for name in wanted:
        histogram = _Histogram(low=ranges[name][0], high=ranges[name][1], counts=counts[name])
        if calibration.method == "percentile":
            chosen[name] = _percentile_range(histogram, calibration.percentile)
        else:
            chosen[name] = _least_error_range(histogram, signed=signed, symmetric=symmetric)
    return chosen | fixed


def _fixed_range(network: Network, name: str) -> Range | None:
    return None if name == INPUT else network.graph[name].layer.fixed_range


def _observe(
    network: Network,
    images: Images,
    wanted: tuple[str, ...],
    see: Callable[[str, Reals], None],
    batch: int,
    *,
    dense: bool = False,
) -> None:
    """Show the values of some tensors, of experts those computed, or all of them with `dense`."""
    if not wanted:
        return
    names = frozenset(wanted)

    def observe(name: str, values: Reals) -> None:
        if name in names:
            see(name, values)

    for start in range(0, len(images), batch):
        network.forward(images[start : start + batch], dtype=np.float64, observe=observe, dense=dense)


def _percentile_range(histogram: _Histogram, percentile: float) -> Range:
    """From the middle of the bin where the lower percentile falls to that of the upper one."""
    total = np.cumsum(histogram.counts)
    places = np.searchsorted(total, np.array([100 - percentile, percentile]) / 100 * total[-1])
    low, high = histogram.centres[np.minimum(places, len(total) - 1)]
    return float(low), float(high)


def _least_error_range(histogram: _Histogram, *, signed: bool, symmetric: bool | None) -> Range:
    """The best out of 81 shares of the range, from 100 % to 20 %."""
    values = histogram.centres
    errors = []
    for shrink in _SHRINKS:
        low, high = histogram.low * shrink, histogram.high * shrink
        coding = Quantization.from_range(low, high, signed=signed, symmetric=symmetric)
        errors.append(histogram.counts @ np.square(coding.decode(coding.encode(values)) - values))
    best = float(_SHRINKS[int(np.argmin(errors))])
    return histogram.low * best, histogram.high * best

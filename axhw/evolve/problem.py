"""What candidates are measured against: operands, exact products and weights of all pairs, laid out for the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.limits import METRICS, Metric
from axhw.evolve.search_kernels import Tables
from axhw.hdl.bits import IntegerArray, Words, exhaustive_words, unpack_product
from axhw.hdl.gates import FUNCTIONS
from axhw.sim.block_rows import BLOCK_PAIRS, BLOCK_WORDS
from axhw.sim.gate_kernels import multiply
from axhw.sim.metrics import FloatArray

Objective = Literal["area", "energy"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)

MAX_WIDTH = 16

ENUMERATED_WIDTH = 10
"""All pairs of two 10-bit operands take 16 times as long as those of 8 bits; wider ones are sampled."""

# 262,144 pairs, four times those of 8 bits.
_SAMPLED_BLOCKS = 64

_DEFAULT_FUNCTIONS = tuple(FUNCTIONS[name] for name in FUNCTIONS if name not in ("bufy", "noty"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A search problem apart from its limits.

    Attributes
    ----------
    width : int
        4 to 16 bits. Above `ENUMERATED_WIDTH` errors are those of a sample.
    signed : bool
    costs : GateCosts
    objective : Objective
    metrics : sequence of Metric
        Those to be measured.
    histogram : (2**width, 2**width) array, optional
        How often each pair [a, b] occurs, from the lowest operands up: the weights of `wmed`.
    functions : sequence of int
        Gates that mutations may make.
    sample_seed : int
        Of the uniform random pairs of wide operands.

    Raises
    ------
    AxhwError
        For another width, and if the histogram has another shape, is missing or no histogram.
    """

    width: int
    signed: bool
    costs: GateCosts
    objective: Objective
    metrics: Sequence[Metric]
    histogram: FloatArray | None = None
    functions: Sequence[int] = _DEFAULT_FUNCTIONS
    sample_seed: int = 1

    def __post_init__(self) -> None:
        if not 2 <= self.width <= MAX_WIDTH:
            raise AxhwError(f"Expected operands of at most {MAX_WIDTH} bits to evolve, found {self.width}.")
        if self.objective not in OBJECTIVES:
            raise AxhwError(f"Expected an objective out of {', '.join(OBJECTIVES)}, found {self.objective!r}.")
        if "wmed" in self.metrics and self.histogram is None:
            raise AxhwError("Expected a histogram of operands beside a limit of WMED, found none.")
        if self.histogram is not None and self.sampled:
            raise AxhwError(f"Expected operands of at most {ENUMERATED_WIDTH} bits for WMED, found {self.width}.")
        if self.histogram is not None:
            check_histogram(self.histogram, width=self.width)

    @property
    def sampled(self) -> bool:
        """Whether errors are those of random pairs."""
        return self.width > ENUMERATED_WIDTH

    @cached_property
    def tables(self) -> Tables:
        """The arrays of the kernels."""
        width, blocks = self.width, self._operands.shape[0]
        exact = np.empty_like(self._operands)
        none = np.zeros((0, 64, BLOCK_WORDS))
        for block in range(blocks):
            multiply(width, self.signed, self._operands[block], exact[block])
        return Tables(
            operands=self._operands,
            exact=exact,
            relative=_in_kernel_order(self._relative) if "mre" in self.metrics else none,
            weights=_in_kernel_order(self._occurrences) if "wmed" in self.metrics else none,
            wanted=np.array([metric in self.metrics for metric in METRICS], np.bool_),
            functions=np.array(self.functions, np.uint8),
            area=self.costs.area_um2,
            internal=self.costs.internal_fj,
            pins=self.costs.pin_fj,
            output=self.costs.output_fj,
            by_energy=self.objective == "energy",
            signed=self.signed,
        )

    @cached_property
    def totals(self) -> FloatArray:
        """(len(METRICS),) what the kernels' sums are divided by to be the metrics; pairs short of a block repeat."""
        pairs = float(self._operands.shape[0] * BLOCK_PAIRS)
        nonzero = float(np.count_nonzero(self._relative)) if "mre" in self.metrics else pairs
        weight = 1.0 if self.histogram is None else float(self.histogram.sum()) * pairs / 4**self.width
        by_metric = {"wce": 1.0, "mre": nonzero, "wmed": weight}
        return np.array([by_metric.get(metric, pairs) for metric in METRICS])

    @cached_property
    def _operands(self) -> Words:
        """(blocks, 2 * width, BLOCK_WORDS) bits of a, then b.

        Blocks of all pairs are told apart by the lowest bits of both operands, so that each holds pairs from all over:
        a candidate that is far off shows it in the first.
        """
        if self.sampled:
            shape = (_SAMPLED_BLOCKS, 2 * self.width, BLOCK_WORDS)
            words: Words = np.random.default_rng(self.sample_seed).integers(0, 1 << 64, shape, np.uint64)
            return words
        count = max(BLOCK_WORDS, 4**self.width // 64)
        counter = exhaustive_words(2 * self.width, count=count)
        order = [bit + half * self.width for bit in reversed(range(self.width)) for half in (0, 1)]
        rows = np.empty_like(counter)
        rows[order] = counter
        return np.ascontiguousarray(rows.reshape(2 * self.width, -1, BLOCK_WORDS).transpose(1, 0, 2))

    @cached_property
    def _pairs(self) -> tuple[IntegerArray, IntegerArray]:
        """a and b of each pair in the order of the words, shape (blocks, BLOCK_WORDS, 64)."""
        bits = self._operands
        a, b = (
            unpack_product(np.concatenate(list(half), axis=1), signed=self.signed).reshape(len(bits), BLOCK_WORDS, 64)
            for half in (bits[:, : self.width], bits[:, self.width :])
        )
        return a, b

    @cached_property
    def _relative(self) -> FloatArray:
        """1 / abs(exact) of each pair, 0 where the exact product is 0."""
        a, b = self._pairs
        size = np.abs(a * b).astype(np.float64)
        inverse: FloatArray = np.divide(1.0, size, out=np.zeros_like(size), where=size != 0)
        return inverse

    @cached_property
    def _occurrences(self) -> FloatArray:
        """How often each pair occurs in the histogram."""
        assert self.histogram is not None
        a, b = self._pairs
        offset = 1 << self.width - 1 if self.signed else 0
        counts: FloatArray = self.histogram[a + offset, b + offset].astype(np.float64)
        return counts


def _in_kernel_order(weights: FloatArray) -> FloatArray:
    """Weights of pairs in the order of `axhw.sim.gate_kernels.unpack`."""
    return np.ascontiguousarray(weights.transpose(0, 2, 1))


def check_histogram(counts: npt.NDArray[np.generic], *, width: int) -> None:
    """Refuse what is no histogram of the operands.

    Raises
    ------
    AxhwError
    """
    shape = (1 << width, 1 << width)
    if counts.shape != shape:
        raise AxhwError(f"Expected a histogram of shape {shape} for {width}-bit operands, found {counts.shape}.")
    numbers = counts.astype(np.float64)
    if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.sum() == 0:
        raise AxhwError("Expected a histogram with counts of 0 or more, not all 0, found others.")

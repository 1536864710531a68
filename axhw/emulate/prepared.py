"""A product with fixed weights, prepared once and applied to batch after batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from axhw.emulate.calls import address_of, within
from axhw.emulate.codes import Accumulators, Codes, check_codes
from axhw.emulate.costs import CALL, Work
from axhw.emulate.outputs import CodeOutput, Output, SumOutput
from axhw.emulate.patches import ConvShape, Patches, Places, matrix_patches
from axhw.emulate.plan import Candidate, Plan, candidates, checked, pieces
from axhw.emulate.product import Compiled, Product, Target, bases, block_sums, operands
from axhw.emulate.program import Program
from axhw.emulate.requantize import Epilogue, requantize
from axhw.emulate.tables import WeightColumns
from axhw.emulate.threads import parts, run, thread_count
from axhw.errors import AxhwError

# Rows for which a plan is named.
_USUAL_ROWS = 4096
# Rows of one task: their sums stay in the caches for the requantisation that follows.
_MOST_ROWS = 16384
_LEAST_ROWS = 64
_SUM_BYTES = 4

Scalar = TypeVar("Scalar", bound=np.generic)


class Multiplication:
    """What `prepare_gemm` and `prepare_conv2d` return: call it on activations.

    Attributes
    ----------
    plan : Plan
        The kernel for some thousand rows, why it was taken, and the type of the sums.
    largest_sum : int
        No sum is larger in magnitude.
    """

    def __init__(
        self, weights: WeightColumns, *, shape: ConvShape | None, plan: str | None, threads: int | None
    ) -> None:
        self._groups, self._terms, self._columns = weights.column.shape
        self._weights = weights
        self._shape = shape
        self._threads = thread_count(threads)
        self._candidates = candidates(weights, plan=plan)
        run = max(self._terms, 1) if shape is None else shape.run
        self._pieces = pieces(self._terms, run=run, largest=weights.largest)
        self._products: dict[str, tuple[Product, ...]] = {}
        self._fastest = lru_cache(maxsize=64)(self._choose_for)
        self._program = lru_cache(maxsize=16)(self._of_pieces)
        self._sum_output = SumOutput(self._groups * self._columns)
        self._code_output = lru_cache(maxsize=4)(CodeOutput)
        self.largest_sum = self._terms * weights.largest
        usual = self._choose(self._usual_work()).candidate
        self._prepared(usual)
        self.plan = Plan(
            kernel=usual.kernel,
            reason="as asked" if plan is not None else usual.reason,
            accumulator="int32" if len(self._pieces) == 1 else "int64",
            others=tuple(candidate.kernel for candidate in self._candidates if candidate is not usual),
        )

    def __call__(self, x: Codes) -> Accumulators:
        """The sums of products.

        Parameters
        ----------
        x : array of codes of the dtype prepared for
            Shape (M, K), or (B, C, H, W) for a convolution: fastest when its memory is in the order B, H, W, C.

        Returns
        -------
        int32 or int64 array, see `plan`
            Shape (M, N), or (B, O, H, W) with memory in the order B, H, W, O.

        Raises
        ------
        AxhwError
            For activations of another dtype or shape.
        """
        patches, outer = self._patches(x)
        return _folded(self._sums(patches), outer)

    def codes(self, x: Codes, epilogue: Epilogue) -> Codes:
        """The sums requantised: as ``requantize`` of the sums, without ever writing them all to memory.

        Returns
        -------
        array of codes
            Shape and order as for the sums.

        Raises
        ------
        AxhwError
            As for the sums, and for an epilogue of another number of channels.
        """
        columns = self._groups * self._columns
        if len(epilogue.constant) != columns:
            raise AxhwError(f"Expected an epilogue for {columns} channels, found one for {len(epilogue.constant)}.")
        patches, outer = self._patches(x)
        if len(self._pieces) > 1:
            return _folded(requantize(self._sums(patches), epilogue), outer)
        result: Codes = np.empty((patches.rows, columns), epilogue.dtype)
        choice = self._chosen(patches)
        self._run(choice, self._prepared(choice.candidate)[0], patches, self._code_output(epilogue), result)
        return _folded(result, outer)

    def kernel(self, x: Codes) -> str:
        """The kernel that a call on `x` takes."""
        return self._chosen(self._patches(x)[0]).candidate.kernel

    def _sums(self, patches: Patches) -> Accumulators:
        sums = np.empty((patches.rows, self._groups * self._columns), np.int32)
        choice = self._chosen(patches)
        products = self._prepared(choice.candidate)
        if len(products) == 1:
            self._run(choice, products[0], patches, self._sum_output, sums)
            return sums
        total = np.zeros(sums.shape, np.int64)
        for (terms, _), product in zip(self._pieces, products):
            some = Patches(codes=patches.codes, places=patches.places.of_terms(terms), slack=patches.slack)
            self._run(choice, product, some, self._sum_output, sums)
            total += sums
        return total

    def _patches(self, x: Codes) -> tuple[Patches, tuple[int, int, int] | None]:
        """The rows of the product, and batch, height and width of the output of a convolution."""
        found, expected = check_codes("the activations", x), self._weights.a_dtype
        if found != expected:
            raise AxhwError(f"Expected {expected} activations, for which the product was prepared, found {found}.")
        if self._shape is None:
            if x.ndim != 2 or x.shape[1] != self._terms:
                raise AxhwError(f"Expected activations of shape [M, {self._terms}], found {list(x.shape)}.")
            return matrix_patches(x), None
        if x.ndim != 4 or x.shape[1] != self._shape.channels:
            raise AxhwError(f"Expected activations of shape [B, {self._shape.channels}, H, W], found {list(x.shape)}.")
        return self._shape.patches(x), (len(x), *self._shape.output_size(*x.shape[2:]))

    def _usual_work(self) -> Work:
        pixels = _USUAL_ROWS * (1 if self._shape is None else self._shape.stride[0] * self._shape.stride[1])
        return Work(
            groups=self._groups,
            terms=self._terms,
            columns=self._columns,
            rows=_USUAL_ROWS,
            pixels=pixels,
            codes=pixels * (self._terms if self._shape is None else self._shape.channels),
        )

    def _chosen(self, patches: Patches) -> _Choice:
        return self._fastest(patches.rows, len(patches.codes), patches.places.channels)

    def _choose_for(self, rows: int, codes: int, channels: int) -> _Choice:
        pixels = codes // max(channels, 1)
        return self._choose(
            Work(groups=self._groups, terms=self._terms, columns=self._columns, rows=rows, pixels=pixels, codes=codes)
        )

    def _choose(self, work: Work) -> _Choice:
        times = [candidate.time(work) for candidate in self._candidates]
        least = min(times)
        return _Choice(candidate=self._candidates[times.index(least)], shared_time=least - CALL)

    def _prepared(self, candidate: Candidate) -> tuple[Product, ...]:
        """The products of all pieces of terms, prepared at their first use."""
        if candidate.kernel not in self._products:
            self._products[candidate.kernel] = tuple(
                checked(candidate, self._weights.with_column(self._weights.column[:, terms]), run)
                for terms, run in self._pieces
            )
        return self._products[candidate.kernel]

    def _run(
        self, choice: _Choice, product: Product, patches: Patches, output: Output, result: npt.NDArray[Any]
    ) -> None:
        """Compute all blocks and rows."""
        if not patches.rows:
            return
        if isinstance(product, Compiled):
            threads = parts(self._threads, choice.shared_time)
            sources = product.sources(patches, threads)
            program = self._program(product, tuple([source.places for source in sources]), output, threads)
            run(program, threads, bases=bases(address_of(result), sources))
            return
        sources = product.sources(patches, 1)
        for rows in _row_pieces(len(product.blocks), patches.rows, 1):
            for block in range(len(product.blocks)):
                found = block_sums(product, sources, rows, block)
                output.write(found, result[rows], self._all_columns(product, block))

    def _of_pieces(self, product: Compiled, places: tuple[Places, ...], output: Output, threads: int) -> Program:
        """What computes all blocks and rows: sums go straight to the result where it is wide enough for a block."""
        sources = operands(places)
        tasks = []
        work_bytes = product.work_bytes
        for rows in _row_pieces(len(product.blocks), len(places[0].base), threads):
            for i, block in enumerate(product.blocks):
                columns = self._all_columns(product, i)
                target = output.target(rows, columns.start)
                if target is not None and block.width == block.count:
                    tasks.append(product.calls(sources, rows, i, target))
                    continue
                target = Target(within(0, product.work_bytes), block.width)
                tasks.append(product.calls(sources, rows, i, target) + output.calls(target, rows, columns))
                sums_bytes = (rows.stop - rows.start) * block.width * _SUM_BYTES
                work_bytes = max(work_bytes, product.work_bytes + sums_bytes)
        return Program(tasks, work_bytes=work_bytes)

    def _all_columns(self, product: Product, index: int) -> slice:
        """The columns of a block among those of all groups."""
        block = product.blocks[index]
        first = block.group * self._columns + block.first
        return slice(first, first + block.count)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """The kernel for some work, and the nanoseconds of it that threads can share."""

    candidate: Candidate
    shared_time: float


def _folded(result: npt.NDArray[Scalar], outer: tuple[int, int, int] | None) -> npt.NDArray[Scalar]:
    return result if outer is None else result.reshape(*outer, result.shape[1]).transpose(0, 3, 1, 2)


def _row_pieces(blocks: int, rows: int, threads: int) -> list[slice]:
    """Rows cut into pieces: at most `_MOST_ROWS`, and so many that every thread has about as much to do."""
    count = -(-rows // _MOST_ROWS)
    if threads > 1 and blocks * count % threads:
        count = min(-(-blocks * count // threads) * threads, max(1, rows // _LEAST_ROWS))
    step = -(-rows // count)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]

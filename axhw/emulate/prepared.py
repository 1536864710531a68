"""A product with fixed weights, prepared once and applied to batch after batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Accumulators, Codes, check_codes
from axhw.emulate.costs import Work
from axhw.emulate.patches import ConvShape, Patches, matrix_patches
from axhw.emulate.plan import Candidate, Plan, Product, candidates, checked, pieces
from axhw.emulate.requantize import Epilogue, requantize, requantize_columns
from axhw.emulate.tables import WeightColumns
from axhw.emulate.threads import run_all, scratch, thread_count
from axhw.errors import AxhwError

# Rows for which a plan is named.
_USUAL_ROWS = 4096
# Rows of one task: their sums stay in the caches for the requantisation that follows.
_MOST_ROWS = 16384
_LEAST_ROWS = 64
# Estimated nanoseconds below which handing work to another thread takes longer than doing it.
_WORTH_A_THREAD = 150_000.0

Sums = npt.NDArray[np.int32]
Write = Callable[[slice, slice, Sums], None]
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
        self._fastest = lru_cache(maxsize=64)(self._choose)
        self.largest_sum = self._terms * weights.largest
        usual = self._fastest(self._usual_work()).candidate
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

        def keep(rows: slice, columns: slice, found: Sums) -> None:
            requantize_columns(found, epilogue, columns, result[rows, columns])

        choice = self._fastest(self._work(patches))
        self._run(self._prepared(choice.candidate)[0], patches, keep, None, choice.threads)
        return _folded(result, outer)

    def kernel(self, x: Codes) -> str:
        """The kernel that a call on `x` takes."""
        return self._fastest(self._work(self._patches(x)[0])).candidate.kernel

    def _sums(self, patches: Patches) -> Accumulators:
        sums = np.empty((patches.rows, self._groups * self._columns), np.int32)

        def keep(rows: slice, columns: slice, found: Sums) -> None:
            sums[rows, columns] = found

        choice = self._fastest(self._work(patches))
        products = self._prepared(choice.candidate)
        if len(products) == 1:
            self._run(products[0], patches, keep, sums, choice.threads)
            return sums
        total = np.zeros(sums.shape, np.int64)
        for (terms, _), product in zip(self._pieces, products):
            some = dataclasses.replace(patches, offset=patches.offset[terms])
            self._run(product, some, keep, sums, choice.threads)
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

    def _work(self, patches: Patches) -> Work:
        return Work(
            groups=self._groups,
            terms=self._terms,
            columns=self._columns,
            rows=patches.rows,
            pixels=len(patches.codes) // max(patches.channels, 1),
            codes=len(patches.codes),
        )

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

    def _choose(self, work: Work) -> _Choice:
        candidate = min(self._candidates, key=lambda candidate: candidate.time(work))
        return _Choice(candidate=candidate, threads=self._threads if candidate.time(work) > _WORTH_A_THREAD else 1)

    def _prepared(self, candidate: Candidate) -> tuple[Product, ...]:
        """The products of all pieces of terms, prepared at their first use."""
        if candidate.kernel not in self._products:
            self._products[candidate.kernel] = tuple(
                checked(candidate, self._weights.with_column(self._weights.column[:, terms]), run)
                for terms, run in self._pieces
            )
        return self._products[candidate.kernel]

    def _run(self, product: Product, patches: Patches, keep: Write, sums: Sums | None, threads: int) -> None:
        """Compute all blocks and rows; sums of a block go straight to `sums` where it is given and wide enough."""
        if not patches.rows:
            return
        sources = product.sources(patches, threads)
        tasks = [
            partial(self._piece, product, sources, block, rows, keep, sums)
            for rows in _row_pieces(len(product.blocks), patches.rows, threads)
            for block in range(len(product.blocks))
        ]
        run_all(tasks, threads)

    def _piece(
        self,
        product: Product,
        sources: tuple[Patches, ...],
        index: int,
        rows: slice,
        keep: Write,
        sums: Sums | None,
    ) -> None:
        block = product.blocks[index]
        first = block.group * self._columns + block.first
        columns = slice(first, first + block.count)
        if sums is not None and block.width == block.count:
            product.add(sources, rows, index, sums[rows, columns])
            return
        found = scratch.array("sums", (rows.stop - rows.start, block.width), np.int32)
        product.add(sources, rows, index, found)
        keep(rows, columns, found[:, : block.count])


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """The kernel for some work, and the threads it is worth."""

    candidate: Candidate
    threads: int


def _folded(result: npt.NDArray[Scalar], outer: tuple[int, int, int] | None) -> npt.NDArray[Scalar]:
    return result if outer is None else result.reshape(*outer, result.shape[1]).transpose(0, 3, 1, 2)


def _row_pieces(blocks: int, rows: int, threads: int) -> list[slice]:
    """Rows cut into pieces: at most `_MOST_ROWS`, and so many that every thread has about as much to do."""
    count = -(-rows // _MOST_ROWS)
    if threads > 1 and blocks * count % threads:
        count = min(-(-blocks * count // threads) * threads, max(1, rows // _LEAST_ROWS))
    step = -(-rows // count)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]

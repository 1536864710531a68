"""Which kernel computes a product, and why.

Among the kernels that can compute the products a layer's weights use, the one of least estimated time is taken
(`axhw.emulate.costs`), for every call anew because few rows and many rows differ. The choice depends on the tables,
the shapes and the instruction sets of the processor, on nothing else. A kernel is prepared when it is first needed and
then compared with plain integer arithmetic on random codes before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from axhw.emulate import costs
from axhw.emulate import vector_ir as v
from axhw.emulate.blas import Blas
from axhw.emulate.byte_plane import BytePlane
from axhw.emulate.byte_row import ByteRow
from axhw.emulate.costs import Work
from axhw.emulate.dot import operand_bits
from axhw.emulate.factors import Integers, Maps, exact_maps, integer_maps, line_fit
from axhw.emulate.gather import Gather
from axhw.emulate.lookup import has_vbmi
from axhw.emulate.mapped import Mapped, can_multiply, reads_codes
from axhw.emulate.patches import Patches, matrix_places
from axhw.emulate.product import Product, block_sums
from axhw.emulate.residual import Residual
from axhw.emulate.row_table import RowTable, entry_bits
from axhw.emulate.tables import INT32_MAX, WeightColumns
from axhw.emulate.take import Take
from axhw.errors import AxhwError, VerificationError

PLANS = ("exact", "mapped", "row table", "residual", "byte plane", "byte residual", "byte row", "gather", "take")
"""Kernels, as `Plan` and the argument `plan` name them."""

# Terms of a factorisation beyond which looking up is always faster.
_MOST_TERMS = 8
_CHECKED_ROWS = 19
_CHECKED_COLUMNS = 256


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a product is computed.

    Attributes
    ----------
    kernel : str
        One of `PLANS`, for some thousand rows.
    reason : str
        Why this one.
    accumulator : str
        int32 or int64, of the sums.
    others : tuple of str
        Kernels that few rows may take instead.
    """

    kernel: str
    reason: str
    accumulator: str
    others: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A kernel that can compute the products at hand.

    Attributes
    ----------
    kernel : str
    reason : str
    prepare : callable
        From weights and the length of their runs to a product.
    time : callable
        Estimate in nanoseconds.
    """

    kernel: str
    reason: str
    prepare: Callable[[WeightColumns, int], Product]
    time: Callable[[Work], float]


Run: TypeAlias = tuple[slice, int]


def candidates(weights: WeightColumns, *, plan: str | None) -> tuple[Candidate, ...]:
    """The kernels that can compute the products that weights [groups, K, N] use.

    Parameters
    ----------
    plan : str, optional
        The only kernel wanted.

    Raises
    ------
    AxhwError
        For an unknown kernel or one that can not compute these products.
    """
    if plan is not None and plan not in PLANS:
        raise AxhwError(f"Expected a kernel out of {', '.join(PLANS)}, found {plan!r}.")
    if not weights.column.size:
        return (_by_numpy("there is nothing to multiply"),)
    found = [candidate for candidate in _all(weights) if plan in (None, candidate.kernel)]
    if plan is None and len(found) > 1:
        # numpy is there for what nothing else computes.
        found = [candidate for candidate in found if candidate.kernel != "take"]
    if not found:
        missing = "" if v.available() else ", or llvmlite, which is missing or switched off"
        raise AxhwError(f"Expected products and a processor that the kernel {plan!r} can do{missing}: choose another.")
    return tuple(found)


def pieces(terms: int, *, run: int, largest: int) -> list[Run]:
    """Terms cut into pieces whose sums int32 holds, with the length of the runs of each."""
    longest = max(1, INT32_MAX // max(largest, 1))
    if terms <= longest:
        return [(slice(0, terms), run)]
    step = longest // run * run or longest
    return [(slice(start, min(start + step, terms)), run if step % run == 0 else 1) for start in range(0, terms, step)]


def checked(candidate: Candidate, weights: WeightColumns, run: int) -> Product:
    """The prepared product, after a comparison of a few rows of random codes with int64 arithmetic.

    Raises
    ------
    VerificationError
        If they differ.
    """
    product = candidate.prepare(weights, run)
    groups, terms, columns = weights.column.shape
    seed = int.from_bytes(hashlib.sha256(repr(weights.column.shape).encode()).digest()[:8], "little")
    size = _CHECKED_ROWS * groups * terms
    codes = np.random.default_rng(seed).integers(0, 256, size + 4, dtype=np.uint8)
    patches = Patches(codes=codes[:size], places=matrix_places(_CHECKED_ROWS, terms, groups))
    sources = product.sources(patches, 1)
    every = slice(0, _CHECKED_ROWS)
    products = weights.by_raw_code()
    each = max(3, _CHECKED_COLUMNS // max(len(product.blocks), 1))
    for index, block in enumerate(product.blocks):
        out = block_sums(product, sources, every, index)
        # Some columns of each block, the ends among them: plain arithmetic takes its time.
        chosen = np.unique(np.linspace(0, block.count - 1, each).astype(np.intp))
        group, column = np.divmod(block.group * columns + block.first + chosen, columns)
        rows = codes[:size].reshape(_CHECKED_ROWS, groups, terms)[:, group]
        expected = products[rows, weights.column[group, :, column]].sum(axis=2, dtype=np.int64)
        if not np.array_equal(out[:, chosen], (expected & 0xFFFFFFFF).astype(np.uint32).view(np.int32)):
            raise VerificationError(
                f"Expected the kernel {candidate.kernel!r} to equal integer arithmetic on random codes, found other "
                f"sums for {groups} x {terms} x {columns} weights: report this processor and these tables."
            )
    return product


def _all(weights: WeightColumns) -> list[Candidate]:
    """Every kernel that these products and this processor allow."""
    exact = exact_maps(weights)
    found = [_by_numpy("nothing can be compiled here")]
    if not v.available():
        if exact is not None:
            found.append(_by_blas("exact", "the products are exact", exact))
        return found
    maps = exact if exact is not None else integer_maps(weights, most=_MOST_TERMS)
    if maps is not None:
        name, reason = ("exact", "exact products") if exact is not None else ("mapped", f"{maps.rank} mapped products")
        multiply = _by_integers if can_multiply(maps) else _by_blas
        found.append(multiply(name, reason, maps))
    found += _look_ups(weights)
    return found


def _by_numpy(reason: str) -> Candidate:
    return Candidate(
        kernel="take",
        reason=reason,
        prepare=lambda some, run: Take(some),
        time=lambda work: 10 * costs.gather_time(work),
    )


def _look_ups(weights: WeightColumns) -> list[Candidate]:
    """The kernels that read tables."""
    bits = entry_bits(weights)
    entry, planes = (8, 1) if bits == 8 else (16, max(1, bits // 16))
    found = [
        Candidate(
            kernel="row table",
            reason=f"products of any kind, in entries of {bits} bits",
            prepare=lambda some, run: RowTable(some, bits=entry),
            time=lambda work: costs.row_table_time(work, bits=entry, planes=planes),
        ),
        Candidate(
            kernel="gather",
            reason="products of any kind, one by one",
            prepare=lambda some, run: Gather(some),
            time=costs.gather_time,
        ),
    ]
    if has_vbmi() and bits <= 16:
        found += _in_registers(weights, planes=bits // 8)
    if 8 in operand_bits() and bits > 8:
        slope, spread = line_fit(weights)
        if int(spread.max(initial=0)) < 1 << 8:
            reason = f"products within {int(spread.max(initial=0))} of a multiple of the activation"
            found += _residuals(slope, reason, registers=has_vbmi() and len(weights.column) == 1)
    return found


def _in_registers(weights: WeightColumns, *, planes: int) -> list[Candidate]:
    """The kernels that hold tables in registers."""
    by_plane = Candidate(
        kernel="byte plane",
        reason="tables in registers, lanes along pixels",
        prepare=lambda some, run: BytePlane(some, planes=planes),
        time=lambda work: costs.byte_plane_time(work, planes=planes),
    )
    if weights.table_count > 1:
        return [by_plane]
    by_row = Candidate(
        kernel="byte row",
        reason="tables in registers, lanes along columns",
        prepare=lambda some, run: ByteRow(some),
        time=costs.byte_row_time,
    )
    return [by_plane, by_row]


def _residuals(slope: Integers, reason: str, *, registers: bool) -> list[Candidate]:
    """The kernels that multiply a line and look up the rest."""

    def dot(work: Work) -> float:
        return costs.dot_time(work, bits=8, mapped=False, blocks=-(-work.columns // 64))

    by_row = Candidate(
        kernel="residual",
        reason=reason,
        prepare=lambda some, run: Residual(some, slope, run=run, in_registers=False),
        time=lambda work: dot(work) + costs.row_table_time(work, bits=8),
    )
    by_plane = Candidate(
        kernel="byte residual",
        reason=f"{reason}, in registers",
        prepare=lambda some, run: Residual(some, slope, run=run, in_registers=True),
        time=lambda work: dot(work) + costs.byte_plane_time(work, planes=1),
    )
    return [by_row, by_plane] if registers else [by_row]


def _by_integers(kernel: str, reason: str, maps: Maps) -> Candidate:
    def time(work: Work) -> float:
        blocks = -(-work.columns // 512)
        return sum(
            costs.dot_time(work, bits=maps.bits(i), mapped=not reads_codes(maps, i), blocks=blocks)
            for i in range(maps.rank)
        )

    return Candidate(
        kernel=kernel, reason=f"{reason}, by integers", prepare=lambda some, run: Mapped(some, maps, run=run), time=time
    )


def _by_blas(kernel: str, reason: str, maps: Maps) -> Candidate:
    return Candidate(
        kernel=kernel,
        reason=f"{reason}, by BLAS",
        prepare=lambda some, run: Blas(some, maps),
        time=lambda work: costs.blas_time(work, terms=maps.rank),
    )

"""The product table: what a multiplier computes for every pair of operands, and the only form in which that travels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.bits import VECTORS_PER_WORD, Words, exhaustive_words, unpack_product
from axhw.hdl.registry import describe
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.bitparallel import evaluate, port_words
from axhw.synth.netlist import GateGraph, Netlist

TableArray = npt.NDArray[np.int32]
IntegerArray = npt.NDArray[np.int64]

MAX_TABLE_WIDTH = 10
"""A 10-bit table has a million entries; 16 bits would take 16 GiB."""

SIGNED, UNSIGNED = "signed operands in increasing order", "unsigned operands in increasing order"
SIGNED_CODES = "signed operands in the order of their two's complement codes"
"""What the rows and columns of a table can be for."""

_MIN_TABLE_WIDTH = 2
_CHUNK_WORDS = 1 << 11
# A table is misread if another reading explains at least half of it, and leaves half of what the stated one leaves.
_MISREAD = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductTable:
    """All products of a multiplier.

    Attributes
    ----------
    values : (2**width, 2**width) int32 array, read-only
        ``values[a - lowest, b - lowest]`` is the product of activation a and weight b, where `lowest` is
        the smallest operand: ``-2**(width - 1)`` signed, 0 unsigned.
    width : int
        Bits of each operand.
    signed : bool
    name : str
    source : mapping
        Where the function comes from: a spec as `axhw.hdl.registry.describe` gives it, or the release or
        file of an imported table. JSON values only.
    netlist_sha256 : str or None
        Digest of the mapped netlist the table was extracted from; None for imported tables.

    Raises
    ------
    AxhwError
        If the values are not integers of that shape and range, or are plainly in another operand order.
    """

    values: TableArray
    width: int
    signed: bool
    name: str
    source: Mapping[str, Any]
    netlist_sha256: str | None = None

    def __post_init__(self) -> None:
        values = _checked_values(self.values, width=self.width, signed=self.signed, name=self.name)
        object.__setattr__(self, "values", values)

    @property
    def lowest(self) -> int:
        """The smallest operand, at index 0 of both axes."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @cached_property
    def sha256(self) -> str:
        """Digest of the values as little-endian int32 in row order."""
        return hashlib.sha256(self.values.astype("<i4", copy=False).tobytes()).hexdigest()

    def operand_codes(self) -> IntegerArray:
        """All operand values in the order of both axes, shape (2**width,)."""
        return np.arange(len(self.values), dtype=np.int64) + self.lowest

    def exact(self) -> IntegerArray:
        """The exact products in the layout of `values`."""
        codes = self.operand_codes()
        return codes[:, None] * codes

    @cached_property
    def is_exact(self) -> bool:
        """Whether no product errs."""
        return np.array_equal(self.values, self.exact())

    def product(self, a: npt.ArrayLike, b: npt.ArrayLike) -> TableArray:
        """Products of activations `a` and weights `b`, broadcast together.

        Raises
        ------
        AxhwError
            If operands are not integers or out of range.
        """
        indices = []
        for operand, array in (("a", np.asarray(a)), ("b", np.asarray(b))):
            highest = self.lowest + len(self.values) - 1
            if array.dtype.kind not in "iu":
                raise AxhwError(f"Expected integer operands for {self.name}, found {array.dtype} for {operand}.")
            if array.size and not (self.lowest <= int(array.min()) and int(array.max()) <= highest):
                raise AxhwError(
                    f"Expected operands from {self.lowest} to {highest} for {self.name}, "
                    f"found {int(array.min())} to {int(array.max())} for {operand}."
                )
            indices.append(array.astype(np.intp) - self.lowest)
        return np.asarray(self.values[indices[0], indices[1]])


def golden_table(spec: MultiplierSpec) -> ProductTable:
    """The products that the definition of an 8-bit multiplier asks for; the circuit of a design is proved to have them.

    Raises
    ------
    AxhwError
        For another width.
    """
    if spec.width != 8:
        raise AxhwError(f"Expected a multiplier of 8-bit operands, found {spec.name} with {spec.width} bits.")
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    return ProductTable(values=values, width=8, signed=spec.signed, name=spec.name, source=describe(spec))


def extract(netlist: Netlist, graph: GateGraph, spec: MultiplierSpec) -> ProductTable:
    """The table of a mapped multiplier, simulated over all operand pairs.

    Parameters
    ----------
    netlist : Netlist
        Combinational, with ports a, b -> o.
    graph : GateGraph
        Of the same netlist.
    spec : MultiplierSpec
        Says width and signedness, and is recorded as the source; what it computes is not used.

    Raises
    ------
    AxhwError
        If the ports are others or the operands too wide for a table.
    """
    if spec.width > MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits for a product table, found {spec.width} for "
            f"{spec.name}: verify wider designs by equivalence and random pairs."
        )
    output = output_port(netlist, spec)
    width = spec.width
    words = max(1, (1 << 2 * width) // VECTORS_PER_WORD)
    values = np.empty(words * VECTORS_PER_WORD, np.int32)
    nets: Words | None = None
    for start in range(0, words, _CHUNK_WORDS):
        count = min(_CHUNK_WORDS, words - start)
        counter = exhaustive_words(2 * width, start=start, count=count)
        if spec.signed:
            # Counting from the lowest operand is counting codes with the sign bit inverted.
            for sign in (width - 1, 2 * width - 1):
                np.invert(counter[sign], counter[sign])
        stimulus = port_words(netlist, {"a": counter[width:], "b": counter[:width]})
        nets = evaluate(graph, stimulus, out=nets if nets is not None and nets.shape[1] == count else None)
        first = start * VECTORS_PER_WORD
        values[first : first + count * VECTORS_PER_WORD] = unpack_product(nets[output], signed=spec.signed)
    return ProductTable(
        values=values[: 1 << 2 * width].reshape(1 << width, -1),
        width=width,
        signed=spec.signed,
        name=spec.name,
        source=describe(spec),
        netlist_sha256=netlist.sha256,
    )


def verify(table: ProductTable, spec: MultiplierSpec) -> None:
    """Compare a table with the golden model of `spec` over all pairs.

    Raises
    ------
    VerificationError
        If any product differs.
    AxhwError
        If the table is for other operands than the spec.
    """
    if (table.width, table.signed) != (spec.width, spec.signed):
        raise AxhwError(
            f"Expected a table for {kind(spec.signed)} {spec.width}-bit operands to check against {spec.name}, "
            f"found {kind(table.signed)} {table.width}-bit ones in {table.name}."
        )
    codes = spec.operand_codes()
    golden = spec.reference(codes[:, None], codes)
    a, b = np.nonzero(table.values != golden)
    if len(a):
        raise VerificationError(
            f"Expected {table.name} to equal its golden model, found {len(a)} of {golden.size} pairs that differ, "
            f"the first being a = {codes[a[0]]}, b = {codes[b[0]]}: the netlist gives {table.values[a[0], b[0]]}, "
            f"the golden model {golden[a[0], b[0]]}."
        )


def output_port(netlist: Netlist, spec: MultiplierSpec) -> list[int]:
    """Nets of the product, after a check that `netlist` has the ports of a multiplier for `spec`.

    Raises
    ------
    AxhwError
        If ports or widths are others.
    """
    expected = ({"a": spec.width, "b": spec.width}, {"o": spec.product_width})
    found = tuple(
        {port: len(nets) for port, nets in sorted(ports.items())} for ports in (netlist.inputs, netlist.outputs)
    )
    if found != expected:
        raise AxhwError(
            f"Expected a multiplier with inputs {expected[0]} and output {expected[1]} (bits) for {spec.name}, "
            f"found inputs {found[0]} and outputs {found[1]} in {netlist.name}."
        )
    return list(netlist.outputs["o"])


def _checked_values(values: npt.ArrayLike, *, width: int, signed: bool, name: str) -> TableArray:
    """Values as a read-only int32 array, or an `AxhwError`."""
    array = np.asarray(values)
    if not isinstance(width, int) or not _MIN_TABLE_WIDTH <= width <= MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected a table width from {_MIN_TABLE_WIDTH} to {MAX_TABLE_WIDTH} bits for {name}, found {width!r}."
        )
    size = 1 << width
    if array.shape != (size, size):
        raise AxhwError(f"Expected {width}-bit products of shape ({size}, {size}) for {name}, found {array.shape}.")
    if array.dtype.kind not in "iu":
        found = "NaN" if array.dtype.kind == "f" and np.isnan(array).any() else str(array.dtype)
        raise AxhwError(f"Expected integer products for {name}, found {found}.")
    lowest, highest = int(array.min()), int(array.max())
    # One bit more than 2 * width: rounding can carry a product past the exact ones.
    limits = (-(1 << 2 * width), (1 << 2 * width) - 1) if signed else (0, (1 << (2 * width + 1)) - 1)
    if lowest < limits[0] or highest > limits[1]:
        raise AxhwError(
            f"Expected products from {limits[0]} to {limits[1]} for {kind(signed)} {width}-bit operands of {name}, "
            f"found {lowest} to {highest}."
        )
    result = np.array(array, np.int32, order="C")
    stated = SIGNED if signed else UNSIGNED
    if (likely := likely_reading(result, width=width, stated=stated)) != stated:
        raise AxhwError(f"Expected {stated} in the table {name}, found products of {likely}.")
    result.setflags(write=False)
    return result


def likely_reading(values: npt.NDArray[np.integer[Any]], *, width: int, stated: str) -> str:
    """What the rows and columns of a table plainly are: as stated, if no other of three readings is much better.

    The mean distance to the exact products, relative to their mean magnitude, tells: it is small for the right reading
    of any multiplier that is one, and above 1 for the others.

    Parameters
    ----------
    values : (2**width, 2**width) integer array
    width : int
    stated : {SIGNED, SIGNED_CODES, UNSIGNED}
    """
    index = np.arange(1 << width)
    half = 1 << (width - 1)
    readings = {SIGNED: index - half, SIGNED_CODES: (index ^ half) - half, UNSIGNED: index}
    # 64 rows and columns say it as well as all of them.
    step = max(1, (1 << width) // 64)
    sample = values[::step, ::step].astype(np.float64)
    distance = {}
    for reading, codes in readings.items():
        exact = np.multiply.outer(codes[::step], codes[::step])
        distance[reading] = float(np.abs(sample - exact).mean() / np.abs(exact).mean())
    best = min(distance, key=lambda reading: distance[reading])
    return best if distance[best] < _MISREAD * min(1.0, distance[stated]) else stated


def kind(signed: bool) -> str:
    """The word for messages."""
    return "signed" if signed else "unsigned"

"""A file made a design: read, checked, simplified, verified, costed and stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from axhw.characterize import characterize
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.families.table import TableSpec
from axhw.hdl.gates import GateNetlist
from axhw.hdl.spec import MAX_WIDTH, MIN_WIDTH
from axhw.importer.names import Shipped, check_unused, choose_name
from axhw.importer.polish import polished
from axhw.importer.readings import (
    BitFunction,
    BitOrders,
    as_integers,
    check_reading,
    circuit_function,
    product_codes,
    table_function,
)
from axhw.importer.source import Reading, Source, read_source
from axhw.importer.table_file import IndexOrigin, first_difference, read_table, says_operands
from axhw.record import DesignRecord
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable


def import_design(
    path: Path,
    reading: Reading,
    *,
    flow: Flow,
    name: str | None = None,
    reference: Path | None = None,
    shipped: Shipped = lambda name: (),
    stage: Callable[[str], None] = lambda name: None,
    note: Callable[[str], None] = lambda sentence: None,
) -> DesignRecord:
    """Make a design of a file.

    Parameters
    ----------
    path : Path
    reading : Reading
    flow, stage
        As of `axhw.characterize.characterize`; cells that the file instantiates are those of the library.
    name : str, optional
        Of the design; that of the module or file by default.
    reference : Path, optional
        A table whose products the design must have, from the lowest operands up, rows for a.
    shipped : callable, optional
        Gives the designs that come with axhw under a name.
    note : callable, optional
        Gets a sentence on what a user should know about how the file was read.

    Raises
    ------
    AxhwError
        If the file cannot be read as a multiplier, plainly is to be read in another way, or has the name of another.
    VerificationError
        If the products are not those of the reference, or for what `characterize` finds.
    """
    label = choose_name(name, path=path, module=None) if name is not None else None
    stage("read")
    source = read_source(path, reading, library=flow.library.cells, engine=flow.engine)
    label = label or choose_name(None, path=path, module=source.module)
    function, width = _function(source)
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise AxhwError(f"Expected operands of {MIN_WIDTH} to {MAX_WIDTH} bits in {path.name}, found {width}.")
    orders = BitOrders(operands_msb=reading.operand_bits == "msb", product_msb=reading.product_bits == "msb")
    check_reading(
        function,
        width=width,
        signed=reading.signed,
        where=path.name,
        orders=orders if isinstance(source.content, GateNetlist) else None,
    )
    if reference is not None:
        stage("compare")
        _compare(_table(source, reading, label), reference, signed=reading.signed)
    _tell_of_asymmetry(source, function, width, note)
    if isinstance(source.content, ProductTable):
        spec = TableSpec.from_products(source.content.values, signed=reading.signed, label=label)
        check_unused(spec, store=flow.store, shipped=shipped)
        return characterize(spec, flow=flow, imported=source.about, stage=stage)
    stage("simplify")
    circuit = polished(source.content, signed=reading.signed, label=label, flow=flow)
    check_unused(circuit, store=flow.store, shipped=shipped)
    return characterize(
        circuit,
        flow=flow,
        mapping=source.own_cells(label),
        imported=source.about,
        stage=stage,
    )


def _function(source: Source) -> tuple[BitFunction, int]:
    """The products by the bits of the operands, and the width of these."""
    table = source.content
    if isinstance(table, GateNetlist):
        return circuit_function(table), table.inputs // 2
    size = 1 << table.width
    # Row k for the bits k, whatever operand they are.
    by_bits = np.roll(table.values, -(table.lowest % size), axis=(0, 1)) if table.signed else table.values
    return table_function(by_bits.astype(np.int64) % (size * size)), table.width


def _table(source: Source, reading: Reading, name: str) -> ProductTable:
    """All products of the source.

    Raises
    ------
    AxhwError
        If the operands are too wide for it.
    """
    if isinstance(source.content, ProductTable):
        return source.content
    circuit = source.content
    width = circuit.inputs // 2
    if width > MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits to compare with a reference, found {width}."
        )
    values = as_integers(product_codes(circuit), bits=2 * width, signed=reading.signed)
    if reading.signed:
        values = np.roll(values, 1 << (width - 1), axis=(0, 1))
    return ProductTable(
        values=values.astype(np.int32), width=width, signed=reading.signed, name=name, source=source.about
    )


def _compare(table: ProductTable, reference: Path, *, signed: bool) -> None:
    """Hold the products against those of a file.

    Raises
    ------
    VerificationError
        Naming the first pair that differs, and whether the operands seem exchanged.
    """
    origin: IndexOrigin | None = "lowest" if signed and not says_operands(reference) else None
    expected = read_table(reference, signed=signed, index_origin=origin)
    difference = first_difference(table, expected)
    if difference is None:
        return
    exchanged = ""
    if np.array_equal(table.values.T, expected.values):
        exchanged = "; with the operands exchanged they agree, so say --operands ba, or exchange --a and --b"
    raise VerificationError(f"Expected the products of {reference.name}, found {difference}{exchanged}.")


def _tell_of_asymmetry(source: Source, function: BitFunction, width: int, note: Callable[[str], None]) -> None:
    """Say which operand is which, where that makes a difference."""
    a, b = np.random.default_rng(1).integers(0, 1 << width, (2, 1 << 14))
    share = float(np.mean(function(a, b) != function(b, a)))
    if share:
        note(f"{100 * share:.2g} % of pairs give another product when a and b are exchanged; read with {source.taken}.")

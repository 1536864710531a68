"""Which product table each layer of a network multiplies with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from axhw.errors import AxhwError
from axhw.sim.product_table import ProductTable, kind

Tables: TypeAlias = ProductTable | Mapping[str, ProductTable]


def assign(tables: Tables | None, *, layers: tuple[str, ...], signed: bool) -> dict[str, ProductTable]:
    """The table of each layer that has one; layers without one multiply exactly.

    Parameters
    ----------
    tables : ProductTable, or mapping of layer name to ProductTable, or None
        One table is for all layers; a mapping may leave layers out.
    layers : tuple of str
        Names of the network's product layers.
    signed : bool
        Signedness of the network's codes.

    Raises
    ------
    AxhwError
        For a layer the network does not have, and for a table of another width or signedness.
    """
    if tables is None:
        return {}
    chosen = dict(tables) if isinstance(tables, Mapping) else dict.fromkeys(layers, tables)
    for layer, table in chosen.items():
        if layer not in layers:
            raise AxhwError(f"Expected product layers out of {', '.join(layers)}, found {layer!r} in the assignment.")
        if not isinstance(table, ProductTable):
            raise AxhwError(
                f"Expected a ProductTable for {layer}, found {type(table).__name__}: make one of your array."
            )
        if table.width != 8:
            raise AxhwError(
                f"Expected 8-bit multipliers for a network of 8-bit codes, found {table.width} bits in {table.name}."
            )
        if table.signed != signed:
            raise AxhwError(
                f"Expected tables of {kind(signed)} operands for a network of {kind(signed)} codes, found "
                f"{table.name} of {kind(table.signed)} ones: quantise the network with signed={table.signed}."
            )
    return chosen

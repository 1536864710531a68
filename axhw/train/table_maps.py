"""The tables of a layer on the device, and how their products are to be computed and differentiated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from axhw.emulate.codes import CODE_COUNT
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables
from axhw.nn.graph import Graph
from axhw.nn.layers.base import ProductLayer, WeightLayer
from axhw.train.table_arrays import MOST_TERMS, TableArrays, table_arrays

Gradient: TypeAlias = Literal["ste", "table"]
Kernel: TypeAlias = Literal["auto", "factors", "lookup"]


@dataclass(frozen=True, kw_only=True)
class Approximation:
    """How approximate products are computed and differentiated.

    Attributes
    ----------
    gradient : {"ste", "table"}
        That of the exact product (straight-through), or the slope of the table: its mean steps over `reach` codes to
        either side.
    reach : int
    kernel : {"auto", "factors", "lookup"}
        ``factors`` multiplies integer factors of the table, up to 32 terms; ``lookup`` looks products up. ``auto``
        multiplies on a GPU where it can, and leaves the choice on a CPU to `axhw.emulate`.

    Raises
    ------
    AxhwError
        For other words, and a reach below 1.
    """

    gradient: Gradient = "ste"
    reach: int = 8
    kernel: Kernel = "auto"

    def __post_init__(self) -> None:
        for name, choices in (("gradient", get_args(Gradient)), ("kernel", get_args(Kernel))):
            if getattr(self, name) not in choices:
                raise AxhwError(f"Expected the {name} out of {', '.join(choices)}, found {getattr(self, name)!r}.")
        if not 1 <= self.reach < CODE_COUNT:
            raise AxhwError(f"Expected a reach from 1 to {CODE_COUNT - 1} codes, found {self.reach}.")


class TableMaps(nn.Module):
    """The tables of a layer side by side, as tensors that move with the model; see `TableArrays` for rows and columns.

    Attributes
    ----------
    products : int32 tensor, shape (256, 256 T)
    narrow_products : int16 or int32 tensor
        The same in 16 bits where those hold them.
    first_column : int32 tensor
        256 t for each weight of the layer; broadcasts to its weights.
    offset : float32 tensor, shape (1,)
        What is added to a code to give its row.
    left, right : float32 tensors, or None
        Integer factors.
    a_slope, w_values, a_values, w_slope : float32 tensors, or None
        See `axhw.train.table_arrays.Slopes`.
    """

    def __init__(
        self, layer: ProductLayer, tables: LayerTables, arrays: TableArrays, approximation: Approximation
    ) -> None:
        super().__init__()
        self.layer = layer
        self.tables = tables
        self.approximation = approximation
        self.lowest = arrays.lowest
        self.largest = arrays.largest
        self.zero_products_vanish = arrays.zero_products_vanish
        self.largest_factored = 0 if arrays.factors is None else arrays.factors.largest
        self.fits_tf32 = arrays.factors is not None and arrays.factors.fits_tf32
        narrow = np.int16 if arrays.largest < 1 << 15 else np.int32
        numbers = tables.for_weights(layer.weight_shape) if isinstance(layer, WeightLayer) else tables.table_of
        self._keep("products", arrays.products)
        self._keep("narrow_products", arrays.products.astype(narrow))
        self._keep("first_column", np.asarray(CODE_COUNT * numbers, np.int32))
        self._keep("offset", np.array([-arrays.lowest], np.float32))
        for name in ("left", "right"):
            self._keep(name, None if arrays.factors is None else getattr(arrays.factors, name).astype(np.float32))
        for name in ("a_slope", "w_values", "a_values", "w_slope"):
            self._keep(name, None if arrays.slopes is None else getattr(arrays.slopes, name).astype(np.float32))

    @property
    def terms(self) -> int | None:
        """Number of integer factors; None where products are looked up on any device."""
        return None if self.left is None else int(self.left.shape[1])

    def multiplies(self, device: torch.device) -> bool:
        """Whether factors are multiplied on a device, rather than products looked up."""
        return self.left is not None and (self.approximation.kernel == "factors" or device.type == "cuda")

    def _keep(self, name: str, values: npt.NDArray[np.generic] | None) -> None:
        self.register_buffer(name, None if values is None else torch.from_numpy(np.array(values)))


def table_maps(
    graph: Graph, assigned: Mapping[str, LayerTables], *, signed: bool, approximation: Approximation
) -> dict[str, TableMaps]:
    """The maps of all layers with tables; what layers with the same tables share is found once.

    Raises
    ------
    AxhwError
        If factors are asked for of a table that has too many.
    """
    known: dict[tuple[str, ...], TableArrays] = {}
    maps = {}
    for name, given in assigned.items():
        key = tuple(table.sha256 for table in given.tables)
        if key not in known:
            known[key] = table_arrays(
                given.tables,
                signed=signed,
                factors=approximation.kernel != "lookup",
                reach=approximation.reach if approximation.gradient == "table" else None,
            )
        if known[key].factors is None and approximation.kernel == "factors":
            raise AxhwError(
                f"Expected tables of at most {MOST_TERMS} integer factors for the kernel 'factors', found more in "
                f"{', '.join(table.name for table in given.tables)}: choose 'auto' or 'lookup'."
            )
        layer = graph[name].layer
        assert isinstance(layer, ProductLayer)
        maps[name] = TableMaps(layer, given, known[key], approximation)
    return maps

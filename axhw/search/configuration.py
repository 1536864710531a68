"""One choice of designs for every product layer, and the kernels that multiply so."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from axhw.emulate.prepared import Multiplication
from axhw.errors import AxhwError
from axhw.nn.layer_sums import SumExecutor
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.search.assignment import Ids, digest, layer_tables
from axhw.sim.product_table import ProductTable

Choice: TypeAlias = Mapping[str, Ids]
"""Numbers of designs by product layer, as in an `Assignment`."""

_MOST_KERNELS = 384


def prefixes(choice: Choice, layers: Sequence[str]) -> list[bytes]:
    """What tells apart all that the first 0, 1, 2, ... layers of configurations make."""
    found = [b""]
    for name in layers:
        found.append(hashlib.sha256(found[-1] + digest(choice[name])).digest()[:16])
    return found


class Kernels:
    """The kernels of layers, prepared once for each choice as long as it comes again and again.

    Parameters
    ----------
    network : QuantizedNetwork
    tables : mapping of str to sequence of ProductTable
        For each product layer the tables of all designs.

    Raises
    ------
    AxhwError
        For layers without tables.
    """

    def __init__(self, network: QuantizedNetwork, tables: Mapping[str, Sequence[ProductTable]]) -> None:
        self.layers = tuple(node.name for node in network.graph.product_nodes)
        if missing := [name for name in self.layers if name not in tables]:
            raise AxhwError(f"Expected the tables of all product layers, found none for {', '.join(missing)}.")
        self._tables = tables
        self._kernels: OrderedDict[tuple[str, bytes], Multiplication] = OrderedDict()

    def use(self, run: SumExecutor, name: str, ids: Ids, product: QuantizedProduct | None) -> None:
        """Give an executor the tables of one layer; with weights, its bias and scales too."""
        tables = layer_tables(ids, self._tables[name])
        if product is None:
            run.use_tables(name, tables)
            return
        key = (name, digest(ids))
        kernel = self._kernels.get(key)
        if kernel is None:
            kernel = self._kernels[key] = run.prepared(name, tables)
            while len(self._kernels) > _MOST_KERNELS:
                self._kernels.popitem(last=False)
        self._kernels.move_to_end(key)
        run.use(name, tables, kernel, product)

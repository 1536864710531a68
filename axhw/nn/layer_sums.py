"""The sums of single layers, with tables and with exact products, and how the two go together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from axhw.emulate.codes import Accumulators
from axhw.emulate.prepared import Multiplication
from axhw.nn.assignment import LayerTables
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Node
from axhw.nn.layers.base import WeightLayer
from axhw.nn.operand_statistics import FloatArray
from axhw.nn.quantize import IntArray
from axhw.nn.quantized import QuantizedProduct


class SumExecutor(Executor):
    """An executor that runs node by node, and can change a layer on the way."""

    def run(self, node: Node, inputs: tuple[Value, ...]) -> Value:
        """The output of one node."""
        return self._run(node, inputs)

    def use(self, name: str, tables: LayerTables, multiplication: Multiplication, product: QuantizedProduct) -> None:
        """Go on with other tables of a layer, their kernel as `prepared` gives it, and another bias and scales."""
        self._assigned[name] = tables
        self._multiplications[name] = multiplication
        self.correct(name, product)

    def use_tables(self, name: str, tables: LayerTables) -> None:
        """Go on with other tables of a product of two activations."""
        self._assigned[name] = tables

    def finish(self, node: Node, x: Value, sums: Accumulators) -> Value:
        """The output of a layer with weights for the input `x` from its sums."""
        layer = node.layer
        assert isinstance(layer, WeightLayer)
        return self._finished(node, layer, x, sums)

    def correct(self, name: str, product: QuantizedProduct) -> None:
        """Go on with another bias or other weight scales of a layer; its codes stay, so its kernel does."""
        self.network = replace(self.network, products={**self.network.products, name: product})
        self._fix(name)


@dataclass(frozen=True, kw_only=True, eq=False)
class SumMoments:
    """Moments of pairs of sums, by output, over all positions: of `sums` and of the `reference` they should be.

    Attributes
    ----------
    positions : int
    sums, reference : int64 array, shape (outputs,)
        Totals.
    sums_squared, product, reference_squared : float64 array, shape (outputs,)
        Totals of the squares, and of one times the other.
    """

    positions: int
    sums: IntArray
    reference: IntArray
    sums_squared: FloatArray
    product: FloatArray
    reference_squared: FloatArray

    @classmethod
    def of(cls, sums: Accumulators, reference: Accumulators) -> SumMoments:
        """Those of two arrays of shape (positions, outputs)."""
        x, y = sums.astype(np.float64), reference.astype(np.float64)
        return cls(
            positions=len(sums),
            sums=sums.sum(axis=0, dtype=np.int64),
            reference=reference.sum(axis=0, dtype=np.int64),
            sums_squared=np.einsum("mn,mn->n", x, x),
            product=np.einsum("mn,mn->n", x, y),
            reference_squared=np.einsum("mn,mn->n", y, y),
        )

    def __add__(self, other: SumMoments) -> SumMoments:
        return SumMoments(
            positions=self.positions + other.positions,
            sums=self.sums + other.sums,
            reference=self.reference + other.reference,
            sums_squared=self.sums_squared + other.sums_squared,
            product=self.product + other.product,
            reference_squared=self.reference_squared + other.reference_squared,
        )

    @property
    def mean_error(self) -> FloatArray:
        """Mean of the sums less that of the reference, shape (outputs,)."""
        mean: FloatArray = (self.sums - self.reference) / self.positions
        return mean

    @property
    def variance(self) -> FloatArray:
        """Of the sums, shape (outputs,)."""
        return self._centred(self.sums_squared, self.sums, self.sums)

    @property
    def reference_variance(self) -> FloatArray:
        """Of the reference, shape (outputs,)."""
        return self._centred(self.reference_squared, self.reference, self.reference)

    @property
    def covariance(self) -> FloatArray:
        """Of sums and reference, shape (outputs,)."""
        return self._centred(self.product, self.sums, self.reference)

    def _centred(self, total: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
        centred: FloatArray = total / self.positions - (first / self.positions) * (second / self.positions)
        return centred

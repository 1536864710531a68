"""The integer network: 8-bit codes between layers, products from tables, everything else exact.

A product layer computes, with the zero points z_a of its input and z_w of each output channel,

    sum over k of (a - z_a) (w - z_w)  =  sum M[a, w] - z_w sum a - z_a sum w + K z_a z_w

where only the products M[a, w] are approximate. The sums of codes are exact: hardware has adders for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.gemm import CODE_COUNT, Codes, Table, exact_products, gemm
from axhw.emulate.histogram import operand_histogram
from axhw.errors import AxhwError
from axhw.nn.assignment import Tables, assign
from axhw.nn.layers import ProductLayer
from axhw.nn.network import FloatArray, Images, Network
from axhw.nn.quantize import IntArray, Quantization
from axhw.nn.requantize import ACCUMULATOR_BITS, Requantizer


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedProduct:
    """A product layer with its weights as codes.

    Attributes
    ----------
    codes : int8 or uint8 array, shape (terms, outputs)
        Weight codes.
    source, weights : Quantization
        Of the input (one scale) and of the weights (one scale per output channel).
    bias : int64 array, shape (outputs,)
        In units of the sums.
    """

    layer: ProductLayer
    codes: Codes
    source: Quantization
    weights: Quantization
    bias: IntArray

    @property
    def unit(self) -> FloatArray:
        """Real value of 1 in the sums, shape (outputs,)."""
        value: FloatArray = self.source.scale * self.weights.scale
        return value

    def sums(self, rows: Codes, table: Table) -> IntArray:
        """Bias and corrected sums of products, int64 [M, outputs].

        Raises
        ------
        AxhwError
            If a sum exceeds the 32 bits of the accumulator.
        """
        terms = len(self.codes)
        zero_a, zero_w = self.source.zero_point, self.weights.zero_point
        sums = gemm(rows, self.codes, table).astype(np.int64)
        sums += self.bias + terms * zero_a * zero_w - zero_a * self.codes.sum(axis=0, dtype=np.int64)
        if zero_w.any():
            sums -= zero_w * rows.sum(axis=1, dtype=np.int64)[:, None]
        limit = 1 << (ACCUMULATOR_BITS - 1)
        if sums.size and not -limit <= int(sums.min()) <= int(sums.max()) < limit:
            raise AxhwError(
                f"Expected sums within {ACCUMULATOR_BITS} bits in {self.layer.name}, found {int(sums.min())} to "
                f"{int(sums.max())}: the table's products are too large for its {terms} terms."
            )
        return sums


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedNetwork:
    """A calibrated integer network; `axhw.nn.calibrate.quantize_network` makes it.

    Attributes
    ----------
    network : Network
        The float network it was made from.
    input : Quantization
        Of the images.
    products : mapping of layer name to QuantizedProduct
    requantizers : mapping of layer name to Requantizer
        Of every product layer but the last, whose sums are the logits.
    """

    network: Network
    input: Quantization
    products: Mapping[str, QuantizedProduct]
    requantizers: Mapping[str, Requantizer]

    @property
    def signed(self) -> bool:
        """Whether codes are int8 and tables must be those of signed multipliers."""
        return self.input.signed

    @property
    def multiplications(self) -> Mapping[str, int]:
        """Multiplications for one image by product layer."""
        return self.network.architecture.multiplications

    def forward(
        self,
        images: Images,
        tables: Tables | None = None,
        *,
        observe: Callable[[str, Codes, Codes], None] | None = None,
    ) -> FloatArray:
        """Logits of a batch.

        Parameters
        ----------
        images : float array, shape (B, *input_shape)
        tables : ProductTable, or mapping of layer name to ProductTable, optional
            One table for all product layers, or one for each layer named; the others multiply exactly.
        observe : callable, optional
            Called with the name of each product layer and its operand codes a [M, K] and w [K, N].

        Returns
        -------
        float64 array, shape (B, classes)
            The integer sums of the last layer in real units.
        """
        architecture = self.network.architecture
        architecture.check_images(images)
        assigned = assign(tables, layers=tuple(self.products), signed=self.signed)
        exact = exact_products(np.int8, np.int8) if self.signed else exact_products(np.uint8, np.uint8)

        def sums(layer: ProductLayer, x: Codes) -> IntArray:
            product = self.products[layer.name]
            rows = layer.rows(x, zero=int(product.source.zero_point))
            if observe is not None:
                observe(layer.name, rows, product.codes)
            return product.sums(rows, assigned.get(layer.name, exact))

        coding, x = self.input, self.input.encode(images)
        for layer, shape in zip(architecture.hidden_layers, architecture.shapes):
            if isinstance(layer, ProductLayer):
                requantize = self.requantizers[layer.name]
                x = layer.fold(requantize(sums(layer, x)), batch=len(x), shape=shape)
                coding = requantize.target
            else:
                x = layer.forward(x, zero=int(coding.zero_point))
        last = architecture.output_layer
        return sums(last, x) * self.products[last.name].unit

    def operand_histograms(self, images: Images, tables: Tables | None = None) -> dict[str, npt.NDArray[np.int64]]:
        """How often each pair of codes is multiplied, by product layer.

        Parameters
        ----------
        images, tables
            As in `forward`: with approximate tables, later layers see what those make of the activations.

        Returns
        -------
        dict of layer name to int64 array, shape (256, 256)
            Indexed like a table; each sums to the layer's multiplications times the images.
        """
        counts = {name: np.zeros((CODE_COUNT, CODE_COUNT), np.int64) for name in self.products}

        def observe(name: str, a: Codes, w: Codes) -> None:
            counts[name] += operand_histogram(a, w)

        self.forward(images, tables, observe=observe)
        return counts

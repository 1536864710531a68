"""A multiplier of which only the products are known: a table without a circuit.

The products are the spec, so a record or a message to another machine holds all of it. Networks run with such a
multiplier; it has no gates, and so no cost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.errors import AxhwError
from axhw.hdl.families.netlist import LABEL
from axhw.hdl.spec import IntegerArray, Multiplier, MultiplierSpec, parameter

# As `axhw.sim.product_table.MAX_TABLE_WIDTH`, which a circuit knows nothing of.
_MAX_WIDTH = 10
_BYTES = 4
_DIGEST_LETTERS = 8


@dataclass(frozen=True, kw_only=True)
class TableSpec(MultiplierSpec):
    """A multiplier given by its products.

    Attributes
    ----------
    values : str
        The products as little-endian int32, a changing slowest, both operands from the lowest up, compressed by zlib
        and written in base64.
    label : str
        Name of the design; made from a digest of the products by default.
    """

    family: ClassVar[str] = "table"
    summary: ClassVar[str] = "a table of products without a circuit, as `axhw import` makes it"

    values: str = parameter("", help="products as base64 of zlib of int32, a changing slowest")
    label: str = parameter("", help="name of the design")

    def validate(self) -> None:
        if self.width > _MAX_WIDTH:
            raise AxhwError(
                f"Expected operands of at most {_MAX_WIDTH} bits for a table of products, found {self.width}."
            )
        if not self.label:
            kind = f"{self.family}{self.width}{'s' if self.signed else 'u'}"
            object.__setattr__(self, "label", f"{kind}_{self.sha256[:_DIGEST_LETTERS]}")
        if not LABEL.fullmatch(self.label):
            raise AxhwError(
                f"Expected a name of a letter and up to 63 letters, digits and underscores, found {self.label!r}."
            )
        _ = self.products

    @classmethod
    def from_products(cls, products: npt.NDArray[np.integer[Any]], *, signed: bool, label: str = "") -> TableSpec:
        """The spec of a square table, both operands from the lowest up."""
        packed = zlib.compress(products.astype("<i4").tobytes(), level=9)
        width = len(products).bit_length() - 1
        return cls(width=width, signed=signed, values=base64.b64encode(packed).decode(), label=label)

    @cached_property
    def products(self) -> IntegerArray:
        """All products, shape (2**width, 2**width), read-only.

        Raises
        ------
        AxhwError
            If the text holds something else.
        """
        size = 1 << self.width
        wanted = _BYTES * size * size
        try:
            stream = zlib.decompressobj()
            # One byte more than wanted tells of surplus ones without unpacking them.
            content = stream.decompress(base64.b64decode(self.values, validate=True), wanted + 1)
        except (binascii.Error, ValueError, zlib.error):
            raise AxhwError("Expected products as base64 of zlib of int32, found other text.") from None
        if len(content) != wanted:
            found = f"more than {wanted}" if len(content) > wanted else str(len(content))
            raise AxhwError(f"Expected {wanted} bytes of {self.width}-bit products, found {found}.")
        products = np.frombuffer(content, "<i4").reshape(size, size).astype(np.int64)
        products.setflags(write=False)
        return products

    @cached_property
    def sha256(self) -> str:
        """Digest of the products, as of an `axhw.sim.product_table.ProductTable`."""
        return hashlib.sha256(self.products.astype("<i4").tobytes()).hexdigest()

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def shown_parameters(self) -> dict[str, Any]:
        """The digest of the products instead of their text."""
        return {"sha256": self.sha256}

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The products, looked up."""
        first, second = self.operands(a, b)
        lowest = self.operand_range[0]
        products: IntegerArray = self.products[first - lowest, second - lowest]
        return products

    def component(self) -> Multiplier:
        """There is none."""
        raise self.without_circuit()

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """There is nothing to build."""
        raise self.without_circuit()

    def without_circuit(self) -> AxhwError:
        """What to raise where a circuit is needed."""
        return AxhwError(
            f"Expected a multiplier with a circuit, found {self.name}, of which only the table of products is known: "
            "import its Verilog, BLIF or chromosome instead."
        )

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.table import TableSpec
from axhw.hdl.registry import FAMILIES, create_element, describe, restore

CODES = np.arange(-8, 8)
PRODUCTS = CODES[:, None] * (CODES & ~1)


def test_products_are_looked_up() -> None:
    spec = TableSpec.from_products(PRODUCTS, signed=True, label="mine")
    assert (spec.name, spec.width, spec.signed, spec.family) == ("mine", 4, True, "table")
    codes = spec.operand_codes()
    assert np.array_equal(spec.reference(codes[:, None], codes), PRODUCTS)
    assert spec.reference(-8, 7) == -48
    assert restore(describe(spec)) == spec
    assert spec.shown_parameters() == {"sha256": spec.sha256}
    assert not spec.products.flags.writeable
    assert "table" not in FAMILIES


def test_a_name_is_made_of_the_products() -> None:
    spec = TableSpec.from_products(PRODUCTS, signed=True)
    assert spec.name == f"table4s_{spec.sha256[:8]}"
    with pytest.raises(AxhwError, match=r"^Expected a name of a letter and up to 63 letters, .*, found 'a b'\.$"):
        TableSpec.from_products(PRODUCTS, signed=True, label="a b")


def test_there_is_no_circuit() -> None:
    spec = TableSpec.from_products(PRODUCTS, signed=True, label="mine")
    message = "^Expected a multiplier with a circuit, found mine, of which only the table of products is known"
    with pytest.raises(AxhwError, match=message):
        spec.component()
    with pytest.raises(AxhwError, match=message):
        create_element("mac", spec, {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("", "Expected 1024 bytes of 4-bit products, found 0."),
        ("?", "Expected products as base64 of zlib of int32, found other text."),
        (base64.b64encode(b"no zlib").decode(), "Expected products as base64 of zlib of int32, found other text."),
        (base64.b64encode(zlib.compress(bytes(1020))).decode(), "Expected 1024 bytes of 4-bit products, found 1020."),
        # A gigabyte in a kilobyte is not unpacked.
        (
            base64.b64encode(zlib.compress(bytes(1 << 20))).decode(),
            "Expected 1024 bytes of 4-bit products, found more than 1024.",
        ),
    ],
)
def test_other_values_are_refused(values: str, message: str) -> None:
    with pytest.raises(AxhwError, match=f"^{message}$"):
        TableSpec(width=4, values=values, label="mine")
    with pytest.raises(AxhwError, match=r"^Expected operands of at most 10 bits for a table of products, found 11\.$"):
        TableSpec(width=11, values=values)

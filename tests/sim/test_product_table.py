from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.registry import describe, parse
from axhw.sim.product_table import ProductTable, extract, verify
from axhw.synth.netlist import GateFunction

CODES = np.arange(-128, 128)
EXACT = np.multiply.outer(CODES, CODES)


def table_of(values: Any, *, width: int = 8, signed: bool = True) -> ProductTable:
    return ProductTable(values=values, width=width, signed=signed, name="t", source={})


def truth_cube(function: GateFunction) -> npt.NDArray[np.bool_]:
    """The truth table with one axis per input, the last input first."""
    return function.truth_table.reshape((2,) * len(function.inputs))


@pytest.mark.parametrize(
    "text",
    [
        "exact",
        "exact:encoding=baugh_wooley,tree=wallace,adder=ripple,signed=false",
        "roup:p=1,r=4",
        "roup:p=2,r=3,signed=false",
        "evoapprox:mul8s_1L2J",
        "bam:ha=1,hb=2,v=5,width=5",
        "truncated:k=5,signed=false",
        "drum",
        "mitchell",
        "kulkarni:signed=false",
        "lower_or:k=6,signed=false",
        "exact:width=4",
        "exact:width=10",
    ],
)
def test_netlist_equals_golden_model_over_all_pairs(mapped: Callable[[str], Any], text: str) -> None:
    design = mapped(text)
    spec = design.spec
    table = extract(design.netlist, design.graph, spec)
    codes = spec.operand_codes()
    np.testing.assert_array_equal(table.values, spec.reference(codes[:, None], codes))
    verify(table, spec)
    assert (table.width, table.signed, table.name) == (spec.width, spec.signed, spec.name)
    assert table.source == describe(spec)
    assert table.netlist_sha256 == design.netlist.sha256


def test_operand_order_and_quadrants(mapped: Callable[[str], Any]) -> None:
    # An asymmetric circuit: tables built from magnitudes, or with a and b swapped, pass for exact ones.
    design = mapped("evoapprox:mul8s_1KXF")
    table = extract(design.netlist, design.graph, design.spec)
    assert table.product(-128, -127) == design.spec.reference(-128, -127) > 0
    assert table.product(-127, 5) == design.spec.reference(-127, 5) == 5 * -128
    assert table.product(5, -127) == design.spec.reference(5, -127) == 0
    assert (table.values != table.values.T).any()


def test_product_broadcasts_and_refuses_other_operands() -> None:
    table = table_of(EXACT)
    a, b = CODES[::17, None], CODES[None, ::5]
    np.testing.assert_array_equal(table.product(a, b), a * b)
    with pytest.raises(AxhwError, match=r"^Expected operands from -128 to 127 for t, found 0 to 128 for b\.$"):
        table.product(0, [0, 128])
    with pytest.raises(AxhwError, match=r"^Expected integer operands for t, found float64 for a\.$"):
        table.product(0.5, 0)


def test_digest_is_that_of_little_endian_int32() -> None:
    table = table_of(EXACT)
    assert table.sha256 == hashlib.sha256(EXACT.astype("<i4").tobytes()).hexdigest()


def test_values_cannot_change() -> None:
    mine = EXACT.copy()
    table = table_of(mine)
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1
    mine[0, 0] = 1
    assert table.values[0, 0] == 16384


def test_a_wrong_table_is_named_by_its_first_pair() -> None:
    values = EXACT.copy()
    values[3, 7] += 5
    values[200, 1] -= 1
    with pytest.raises(
        VerificationError,
        match=r"^Expected t to equal its golden model, found 2 of 65536 pairs that differ, the first being a = -125, "
        r"b = -121: the netlist gives 15130, the golden model 15125\.$",
    ):
        verify(table_of(values), parse("exact"))


def test_a_swapped_pin_is_found(mapped: Callable[[str], Any]) -> None:
    design = mapped("exact")
    fanin = design.graph.fanin.copy()
    # A gate whose first and last inputs are not interchangeable.
    gate = next(
        gate
        for gate, index in enumerate(design.graph.function)
        if (cube := truth_cube(design.graph.functions[index])).ndim > 1 and (cube != cube.swapaxes(0, -1)).any()
    )
    last = len(design.graph.functions[design.graph.function[gate]].inputs) - 1
    fanin[gate, [0, last]] = fanin[gate, [last, 0]]
    broken = extract(design.netlist, dataclasses.replace(design.graph, fanin=fanin), design.spec)
    with pytest.raises(VerificationError, match=r"^Expected exact8s\w* to equal its golden model, found \d+ of 65536"):
        verify(broken, design.spec)


def test_verify_refuses_other_operands() -> None:
    with pytest.raises(
        AxhwError,
        match=r"^Expected a table for unsigned 8-bit operands to check against exact8u\w*, found signed 8-bit ones",
    ):
        verify(table_of(EXACT), parse("exact:signed=false"))


def test_wide_designs_are_sent_elsewhere(mapped: Callable[[str], Any]) -> None:
    design = mapped("exact")
    with pytest.raises(
        AxhwError, match=r"^Expected operands of at most 10 bits for a product table, found 16 for exact16s"
    ):
        extract(design.netlist, design.graph, parse("exact:width=16"))


def test_ports_must_be_those_of_the_spec(mapped: Callable[[str], Any]) -> None:
    design = mapped("exact")
    with pytest.raises(
        AxhwError,
        match=r"^Expected a multiplier with inputs \{'a': 9, 'b': 9\} and output \{'o': 18\} \(bits\) for exact9s",
    ):
        extract(design.netlist, design.graph, parse("exact:width=9"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (EXACT[:255], r"^Expected 8-bit products of shape \(256, 256\) for t, found \(255, 256\)\.$"),
        (EXACT.ravel(), r"^Expected 8-bit products of shape \(256, 256\) for t, found \(65536,\)\.$"),
        (EXACT * 1.0, r"^Expected integer products for t, found float64\.$"),
        (np.where(EXACT == 0, np.nan, EXACT), r"^Expected integer products for t, found NaN\.$"),
        (EXACT.astype(object), r"^Expected integer products for t, found object\.$"),
        (
            EXACT * 8,
            r"^Expected products from -65536 to 65535 for signed 8-bit operands of t, found -130048 to 131072\.$",
        ),
    ],
)
def test_values_that_are_no_table(values: Any, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        table_of(values)


def test_negative_products_of_unsigned_operands() -> None:
    with pytest.raises(
        AxhwError, match=r"^Expected products from 0 to 131071 for unsigned 8-bit operands of t, found -16256"
    ):
        table_of(EXACT, signed=False)


@pytest.mark.parametrize("text", ["exact", "roup:p=2,r=3", "evoapprox:mul8s_1L12"])
def test_rows_in_the_order_of_codes_are_refused(text: str) -> None:
    spec = parse(text)
    by_code = np.roll(spec.reference(CODES[:, None], CODES), (128, 128), axis=(0, 1))
    with pytest.raises(
        AxhwError,
        match=r"^Expected signed operands in increasing order in the table t, found products of signed operands in the "
        r"order of their two's complement codes\.$",
    ):
        table_of(by_code)


def test_unsigned_products_as_signed_ones_are_refused() -> None:
    codes = np.arange(256)
    with pytest.raises(AxhwError, match=r"found products of unsigned operands in increasing order\.$"):
        table_of(np.multiply.outer(codes, codes))


@pytest.mark.parametrize("signed", [True, False])
def test_tables_of_useless_designs_are_accepted(signed: bool) -> None:
    # All rows perforated: nothing to tell the order of operands from, and no reason to refuse.
    table_of(np.zeros((256, 256), int), signed=signed)
    table_of(np.ones((256, 256), int), signed=signed)
    table_of(np.random.default_rng(0).integers(0, 60000, (256, 256)), signed=signed)


@pytest.mark.parametrize("width", [1, 11, "8"])
def test_impossible_widths(width: Any) -> None:
    with pytest.raises(AxhwError, match=r"^Expected a table width from 2 to 10 bits for t, found"):
        table_of(EXACT, width=width)

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.bits import IntegerArray
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.gates import GateNetlist
from axhw.hdl.registry import parse
from axhw.importer.readings import (
    BitFunction,
    BitOrders,
    check_reading,
    circuit_function,
    product_codes,
    reverse_bits,
)


def products(text: str) -> BitFunction:
    """The bits of a family's products by the bits of the operands."""
    spec = parse(text)
    half = 1 << (spec.width - 1)

    def function(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        operands = [np.where(x >= half, x - 2 * half, x) if spec.signed else x for x in (a, b)]
        return spec.reference(*operands) % (1 << spec.product_width)

    return function


@pytest.mark.parametrize(
    "text",
    [
        "exact",
        "exact:signed=false",
        "exact:width=4",
        "exact:width=16",
        "roup:p=3,r=0",
        "roup:p=0,r=8",
        "evoapprox:mul8s_1L12",
        "bam:ha=3,hb=3,v=8,signed=false",
        "drum:k=3",
        "mitchell:signed=false",
        "kulkarni:signed=false",
        "lower_or:k=8,signed=false",
    ],
)
def test_every_family_passes_as_it_is_and_not_as_the_other_kind(text: str) -> None:
    spec = parse(text)
    function = products(text)
    check_reading(function, width=spec.width, signed=spec.signed, where="m")
    flag = "--signed" if spec.signed else "--unsigned"
    with pytest.raises(AxhwError, match=rf"^Expected the products of \w+ operands in m, found .*: say {flag}\.$"):
        check_reading(function, width=spec.width, signed=not spec.signed, where="m")


@pytest.mark.parametrize("signed", [True, False])
def test_reversed_bits_are_told(signed: bool) -> None:
    exact = circuit_function(exact_multiplier(8, signed=signed))

    def reversed_product(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        return reverse_bits(exact(a, b), 16)

    def reversed_operands(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        return exact(reverse_bits(a, 8), reverse_bits(b, 8))

    for function, option in ((reversed_product, "--product-bits"), (reversed_operands, "--operand-bits")):
        with pytest.raises(AxhwError, match=rf"fit the \w+ from the most significant bit down .*: say {option} msb\.$"):
            check_reading(function, width=8, signed=signed, where="m", orders=BitOrders())
        # Whoever said msb wrongly is told to say lsb.
        taken = BitOrders(operands_msb=True, product_msb=True)
        with pytest.raises(AxhwError, match=rf"from the least significant bit up .*: say {option} lsb\.$"):
            check_reading(function, width=8, signed=signed, where="m", orders=taken)
        with pytest.raises(AxhwError, match=r"fit the \w+ from the most significant bit down \([^()]*\)\.$"):
            check_reading(function, width=8, signed=signed, where="m")


def test_a_quadrant_of_the_wrong_sign_is_told() -> None:
    function = products("evoapprox:mul8s_1L2J")

    def magnitudes(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        product = function(a, b)
        return np.where((a >= 128) & (b >= 128), -product % 65536, product)

    with pytest.raises(
        AxhwError,
        match=r"^Expected products of the right sign in m, found negative times negative operands with the opposite "
        r"one: it was made wrongly, as tables of magnitudes are\.$",
    ):
        check_reading(magnitudes, width=8, signed=True, where="m")


def test_what_is_no_multiplier_is_told() -> None:
    def adder(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        return a + b + 40000

    with pytest.raises(
        AxhwError,
        match=r"^Expected products of unsigned operands in m, found values with a mean error of 1\.\d+ times the mean "
        r"exact product, hardly better than a constant 0, and no better ones in another order of bits or signedness: "
        r"is the product cut off, or one operand signed and the other not\?$",
    ):
        check_reading(adder, width=8, signed=False, where="m")


def test_product_codes_are_those_of_the_function() -> None:
    circuit: GateNetlist = exact_multiplier(4, signed=True)
    codes = product_codes(circuit)
    a, b = np.divmod(np.arange(256), 16)
    assert np.array_equal(codes[a, b], circuit_function(circuit)(a, b))
    assert codes[0b1111, 0b0010] == 0b1111_1110


@pytest.mark.parametrize("signed", [True, False])
def test_what_fits_no_reading_gets_no_advice(signed: bool) -> None:
    """A product cut to the width of its operands, and one of a signed and an unsigned operand."""

    def cut(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        return a * b % 256

    def mixed(a: IntegerArray, b: IntegerArray) -> IntegerArray:
        return np.where(a > 127, a - 256, a) * b % 65536

    for function in (cut, mixed):
        with pytest.raises(AxhwError, match=r"hardly better than a constant 0, and no better ones in another order"):
            check_reading(function, width=8, signed=signed, where="m", orders=BitOrders())

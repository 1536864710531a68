from __future__ import annotations

import re
from typing import Any

import pytest

from axhw.errors import AxhwError
from axhw.importer.ports import Bit, find_operands, is_multiplier

O8 = {"O": 8}


def names(inputs: dict[str, int], outputs: dict[str, int] = O8, **options: Any) -> dict[str, str]:
    return dict(find_operands(inputs, outputs, where="m", **options).names)


def test_two_inputs_and_an_output_are_taken_by_name_or_in_their_order() -> None:
    assert names({"A": 4, "B": 4}) == {"a": "A", "b": "B", "product": "O"}
    assert names({"B": 4, "A": 4}) == {"a": "A", "b": "B", "product": "O"}
    assert names({"in_b": 4, "in_a": 4}) == {"a": "in_a", "b": "in_b", "product": "O"}
    assert names({"y": 4, "x": 4}) == {"a": "y", "b": "x", "product": "O"}
    assert names({"A": 4, "B": 4}, order="ba") == {"a": "B", "b": "A", "product": "O"}
    assert names({"A": 4, "B": 4}, a="B", b="A", product="O") == {"a": "B", "b": "A", "product": "O"}
    assert names({"A": 4, "B": 4}, {"O": 8, "flag": 1}, product="O")["product"] == "O"


@pytest.mark.parametrize("form", ["{}{}", "{}[{}]", "{}_{}", "{}_{}_", "{}<{}>", "{}({})"])
def test_single_bits_with_numbers_are_one_port(form: str) -> None:
    # As texts are sorted, so that numbers decide and not the order of the file.
    inputs = {form.format(operand, bit): 1 for operand in "ab" for bit in sorted(map(str, range(12)))}
    outputs = {form.format("out", bit): 1 for bit in range(24)}
    operands = find_operands(inputs, outputs, where="m")
    assert dict(operands.names) == {"a": "a", "b": "b", "product": "out"}
    assert operands.a == tuple(Bit(form.format("a", bit), 0) for bit in range(12))
    assert operands.product == tuple(Bit(form.format("out", bit), 0) for bit in range(24))


def test_bits_may_count_from_one() -> None:
    inputs = {f"{operand}{bit}": 1 for operand in "ab" for bit in range(1, 5)}
    assert find_operands(inputs, O8, where="m").b[0] == Bit("b1", 0)


def test_one_input_of_both_operands_needs_their_order() -> None:
    operands = find_operands({"ab": 8}, O8, where="m", order="ab")
    assert (operands.a[0], operands.b[0]) == (Bit("ab", 0), Bit("ab", 4))
    operands = find_operands({"ab": 8}, O8, where="m", order="ba")
    assert (operands.a[0], operands.b[0]) == (Bit("ab", 4), Bit("ab", 0))
    assert dict(operands.names) == {"a": "ab[7:4]", "b": "ab[3:0]", "product": "O"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "options", "message"),
    [
        ({"A": 4, "B": 3}, O8, {}, "Expected operands of equal width in m, found A of 4 and B of 3 bits."),
        (
            {"A": 4, "B": 4},
            {"O": 7},
            {},
            "Expected a product of 8 bits for the 4-bit operands of m, found O of 7 bits.",
        ),
        ({"A": 4, "B": 4, "c": 1}, O8, {}, "Expected two inputs for the operands of m, found A (4 bits), B (4 bits), c "
         "(1 bit): name them with --a and --b."),
        ({"A": 4, "B": 4, "clk": 1}, O8, {"a": "A", "b": "B"}, "Expected no inputs of m but its operands, found clk: "
         "axhw imports combinational multipliers of two operands."),
        ({"A": 4, "B": 4}, {"O": 8, "P": 8}, {}, "Expected one output of m, found O (8 bits), P (8 bits): name the one "
         "to take with --product."),
        ({"A": 4, "B": 4}, O8, {"a": "A"}, "Expected both --a and --b, or neither, found --a alone."),
        ({"A": 4, "B": 4}, O8, {"b": "A"}, "Expected both --a and --b, or neither, found --b alone."),
        (
            {"A": 4, "B": 4},
            O8,
            {"a": "A", "b": "B", "order": "ba"},
            "Expected either --a and --b or --operands, found both.",
        ),
        ({"A": 4, "B": 4}, O8, {"a": "A", "b": "C"}, "Expected an input named 'C' in m, found A, B."),
        ({"A": 4, "B": 4}, O8, {"product": "P"}, "Expected an output named 'P' in m, found O."),
        ({"ab": 8}, O8, {}, "Expected two inputs for the operands of m, found one, ab, of 8 bits: say with --operands "
         "ab that a is its low half, or with --operands ba that b is."),
        ({"ab": 7}, O8, {}, "Expected two inputs for the operands of m, found one, ab, of 7 bits."),
        ({}, O8, {}, "Expected two inputs for the operands of m, found none: name them with --a and --b."),
        (
            {"a0": 1, "a1": 1, "a3": 1, "b": 4},
            O8,
            {},
            "Expected every bit of a among the ports of m, found none for bit 2.",
        ),
        ({"a0": 1, "a[0]": 1, "b": 4}, O8, {}, "Expected one bit 0 of a in m, found two ports."),
    ],
)  # fmt: skip
def test_ports_of_something_else_are_refused(
    inputs: dict[str, int], outputs: dict[str, int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AxhwError, match=f"^{re.escape(message)}$"):
        find_operands(inputs, outputs, where="m", **options)


def test_what_could_be_a_multiplier() -> None:
    assert is_multiplier({"A": 4, "B": 4}, O8)
    assert is_multiplier({"ab": 8}, O8)
    assert is_multiplier({f"{operand}{bit}": 1 for operand in "ab" for bit in range(4)}, O8)
    assert not is_multiplier({"A": 1, "B": 1}, {"YS": 1, "YC": 1})
    assert not is_multiplier({"A": 4, "B": 4}, {"S": 5})
    assert not is_multiplier({"clk": 1, "A": 4, "B": 4}, O8)
    assert not is_multiplier({"a0": 1, "a2": 1, "B": 2}, {"O": 4})

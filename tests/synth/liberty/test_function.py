"""Boolean expressions against Python's own evaluation of the same trees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction

PINS = ["A", "B1", "C_N", "S[3]"]
# Each tree is a pair (Liberty text, Python text); the Python text is fully parenthesised.
LEAVES = st.sampled_from([(pin, f"v[{pin!r}]") for pin in PINS] + [("0", "False"), ("1", "True")])


def _grow(children: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    def binary(a: tuple[str, str], b: tuple[str, str], operator: tuple[str, str]) -> tuple[str, str]:
        return f"({a[0]}){operator[0]}({b[0]})", f"({a[1]} {operator[1]} {b[1]})"

    operators = st.sampled_from([("&", "&"), (" * ", "&"), (" ", "&"), ("|", "|"), (" + ", "|"), ("^", "^")])
    inverted = st.sampled_from(["!({})", "({})'", "! ( {} )"])
    return st.one_of(
        st.builds(binary, children, children, operators),
        st.builds(lambda a, form: (form.format(a[0]), f"(not {a[1]})"), children, inverted),
    )


TREES = st.recursive(LEAVES, _grow, max_leaves=12)


@given(TREES)
def test_truth_table_and_evaluate_agree_with_python(tree: tuple[str, str]) -> None:
    liberty, python = tree
    function = BooleanFunction.parse(liberty)
    index = np.arange(16)
    expected = np.array([eval(python, {"v": {p: bool(i >> k & 1) for k, p in enumerate(PINS)}}) for i in index])
    np.testing.assert_array_equal(function.truth_table(PINS), expected)
    words = {
        pin: np.array([sum((i >> k & 1) << int(i) for i in index)], np.uint64).reshape(1, 1)
        for k, pin in enumerate(PINS)
    }
    result = function.evaluate(words)
    assert result.shape == (1, 1)
    assert [bool(int(result[0, 0]) >> int(i) & 1) for i in index] == expected.tolist()


@given(TREES)
def test_verilog_means_the_same(tree: tuple[str, str]) -> None:
    function = BooleanFunction.parse(tree[0])
    # Verilog's operators are Python's on masked integers; escaped names are the only difference.
    python = function.verilog().replace("\\S[3] ", "S3").replace("1'b", "")
    for i in range(16):
        values = dict(zip(["A", "B1", "C_N", "S3"], ((i >> k) & 1 for k in range(4)), strict=True))
        assert eval(python, {}, values) & 1 == function.truth_table(PINS)[i]


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("A | B & C", "A | (B & C)"),
        ("A & B ^ C", "A & (B ^ C)"),
        ("A ^ B | C", "(A ^ B) | C"),
        ("!A ^ B", "(!A) ^ B"),
        ("!A B + C'", "((!A) & B) | (!C)"),
        ("A'B'", "(!A) & (!B)"),
        ("A B C", "A & B & C"),
        ("A !B", "A & !B"),
        ("(A)(B)", "A & B"),
        ("!A'", "A"),
        ("A''", "A"),
    ],
)
def test_precedence_is_that_of_the_liberty_manual(text: str, grouped: str) -> None:
    pins = ["A", "B", "C"]
    np.testing.assert_array_equal(
        BooleanFunction.parse(text).truth_table(pins), BooleanFunction.parse(grouped).truth_table(pins)
    )


def test_pins_are_in_order_of_appearance() -> None:
    assert BooleanFunction.parse("!((S & B) | (A & !S))").pins == ("S", "B", "A")
    assert BooleanFunction.parse("1").pins == ()


def test_truth_table_bit_order() -> None:
    function = BooleanFunction.parse("A & !B")
    assert function.truth_table(["A", "B"]).tolist() == [False, True, False, False]
    assert function.truth_table(["B", "A"]).tolist() == [False, False, True, False]
    assert BooleanFunction.parse("1").truth_table([]).tolist() == [True]


def test_evaluate_never_returns_its_input() -> None:
    words = np.arange(4, dtype=np.uint64)
    result = BooleanFunction.parse("A").evaluate({"A": words})
    result[:] = 9
    assert words.tolist() == [0, 1, 2, 3]


def test_constants_take_the_shape_of_the_values() -> None:
    result = BooleanFunction.parse("1").evaluate({"A": np.zeros((2, 3), np.uint64)})
    assert result.shape == (2, 3)
    assert (result == np.uint64(2**64 - 1)).all()


def test_deep_nesting_is_no_problem() -> None:
    depth = 20_000
    assert BooleanFunction.parse("(" * depth + "A" + ")" * depth).truth_table(["A"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty expression"),
        ("A &", "nothing after the last operator"),
        ("& A", "'&' without an operand before it"),
        ("(A", r"'\(' without '\)'"),
        ("A)", r"'\)' without '\('"),
        ("()", r"'\)' without an operand before it"),
        ("A % B", "'%'"),
        ("A & 2", "'2'"),
        ("01", "'0'"),
    ],
)
def test_bad_expressions_are_refused_in_one_sentence(text: str, found: str) -> None:
    with pytest.raises(AxhwError, match=f"Expected a Liberty boolean expression .*found {found} in "):
        BooleanFunction.parse(text)


@given(st.text(alphabet="AB01!'^&*|+() \t[2]%", max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        function = BooleanFunction.parse(text)
    except AxhwError:
        return
    assert function.truth_table(function.pins).shape == (2 ** len(function.pins),)


def test_missing_and_repeated_pins_are_refused() -> None:
    function = BooleanFunction.parse("A & B")
    with pytest.raises(AxhwError, match=r"found none for \['B'\]"):
        function.truth_table(["A"])
    with pytest.raises(AxhwError, match="different pins"):
        function.truth_table(["A", "B", "A"])
    with pytest.raises(AxhwError, match="found none for"):
        function.evaluate({"A": np.zeros(1, np.uint64)})

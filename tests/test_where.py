"""Conditions: held against Python's own evaluation of the same expression, and every message."""

from __future__ import annotations

import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.where import parse_condition

ROW = {"name": "roup8s_p2_r3", "family": "roup", "mae_pct": 0.4, "energy_fj": 600.0, "cells": 119, "signed": True,
       "rank": None, "engine": "pyosys 0.64"}  # fmt: skip
COLUMNS = [*ROW, "p"]
WORDS = "mae_pct|family|p|<|<=|=|!=|0.5|roup|'a b'|(|)|and|or|not|none|true"

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mae_pct<0.5", True),
        ("mae_pct < 4e-1", False),
        ("mae_pct<=.4", True),
        ("cells>=119 and cells<=119.0", True),
        ("cells=-119", False),
        ("family=roup", True),
        ("family == 'roup'", True),
        ('engine="pyosys 0.64"', True),
        ("family!=roup", False),
        ("family<sup", True),
        ("signed=true", True),
        ("signed != TRUE", False),
        ("mae_pct<energy_fj", True),
        ("family=name", False),
        ("rank=none", True),
        ("rank!=none", False),
        ("cells!=none", True),
        ("p=2", False),
        ("p!=2", True),
        ("not p=2", True),
        ("p<2 or p>=2", False),
        ("not not signed=true", True),
        ("family=bam or family=roup and cells<1", False),
        ("(family=roup or family=bam) and not cells<1", True),
        ("NOT family=bam AND family=roup OR cells=0", True),
        ("((((mae_pct<1))))", True),
    ],
)
def test_conditions(text, expected):
    assert parse_condition(text, COLUMNS).holds(ROW) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"Expected a column \(name, .*\) at position 1 of the condition '', found its end\."),
        ("mae<1", r"Expected a column \(name, family, .*\) at position 1 of the condition 'mae<1', found 'mae'\."),
        ("1<mae_pct", r"Expected a column \(.*\) at position 1 of .*, found '1'\."),
        ("mae_pct", r"Expected one of < <= > >= = != at position 8 of the condition 'mae_pct', found its end\."),
        ("mae_pct <", r"Expected a number, a word or quoted text at position 10 of .*, found its end\."),
        ("mae_pct < and", r"Expected a number to compare mae_pct with at position 11, found 'and'\."),
        ("mae_pct<1 cells>2", r"Expected and, or, or the end at position 11 of .*, found 'cells'\."),
        ("(mae_pct<1", r"Expected a closing bracket, and, or or at position 11 of .*, found its end\."),
        ("mae_pct<1)", r"Expected and, or, or the end at position 10 of .*, found '\)'\."),
        ("mae_pct<1 or", r"Expected a column \(.*\) at position 13 of .*, found its end\."),
        ("mae_pct ~ 1", r"Expected a column, value, operator or bracket at position 9 of .*, found '~'\."),
        ("family='roup", r"Expected a column, value, operator or bracket at position 8 of .*, found \"'\"\."),
        ("mae_pct<0..3", r"Expected a number to compare mae_pct with at position 9, found '0\.\.3'\."),
        ("family<1", r"Expected text to compare family with at position 8, found 1\."),
        ("signed=1", r"Expected true or false to compare signed with at position 8, found 1\."),
        ("signed>false", r"Expected = or != for signed at position 8, found an order\."),
        ("(" * 200, r"Expected at most 100 levels of brackets and not at position 101 of .*"),
        ("not " * 200, r"Expected at most 100 levels of brackets and not at position 401 of .*"),
        ("__import__('os')", r"Expected a column \(.*\) at position 1 of .*, found '__import__'\."),
    ],
)
def test_messages(text, message):
    with pytest.raises(AxhwError, match=f"^{message}"):
        parse_condition(text, COLUMNS).holds(ROW)


@settings(max_examples=300)
@given(st.text(max_size=40) | st.lists(st.sampled_from(WORDS.split("|")), max_size=12).map(" ".join))
def test_any_text_is_a_condition_or_one_sentence(text):
    try:
        outcome = parse_condition(text, COLUMNS).holds(ROW)
    except AxhwError as error:
        outcome = str(error)
    assert isinstance(outcome, bool) or re.fullmatch(r"Expected .+\.", outcome, re.DOTALL)


COMPARISONS = st.tuples(
    st.sampled_from("abc"), st.sampled_from(sorted(OPERATORS)), st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 1e-3])
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=12,
)


def write(tree) -> str:
    """With brackets only where `not`, `and` and `or` need them."""
    if tree[0] == "not":
        return f"not ({write(tree[1])})"
    if tree[1] in ("and", "or"):
        left, right = (
            f"({write(side)})" if tree[1] == "and" and side[1] == "or" else write(side) for side in tree[::2]
        )
        return f"{left} {tree[1]} {right}"
    return f"{tree[0]}{tree[1]}{tree[2]}"


def value(tree, row) -> bool:
    if tree[0] == "not":
        return not value(tree[1], row)
    if tree[1] == "and":
        return value(tree[0], row) and value(tree[2], row)
    if tree[1] == "or":
        return value(tree[0], row) or value(tree[2], row)
    return OPERATORS[tree[1]](row[tree[0]], tree[2])


@settings(max_examples=300)
@given(CONDITIONS, st.fixed_dictionaries(dict.fromkeys("abc", st.integers(-3, 3))))
def test_conditions_mean_what_they_say(tree, row):
    assert parse_condition(write(tree), "abc").holds(row) is value(tree, row)

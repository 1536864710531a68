"""Grids from text: what they spell, what is left out, and every message."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.grid import MAX_MEMBERS, expand, expand_all
from axhw.hdl.registry import parse


def test_ranges_are_inclusive_and_the_last_parameter_is_fastest():
    grid = expand("roup:p=0..2,r=3..4")
    assert grid.specs == tuple(RoupSpec(p=p, r=r) for p in (0, 1, 2) for r in (3, 4))
    assert (len(grid), grid.skipped) == (6, 0)


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("exact", ["exact"]),
        ("exact:", ["exact"]),
        ("roup:p=2", ["roup:p=2"]),
        (" roup : p = 1 | 3 , r = 2 ", ["roup:p=1,r=2", "roup:p=3,r=2"]),
        ("roup:r=0..1|5|1", ["roup:r=0", "roup:r=1", "roup:r=5"]),
        ("exact:tree=dadda|wallace", ["exact:tree=dadda", "exact:tree=wallace"]),
        ("roup:rule=*", ["roup:rule=aligned", "roup:rule=absolute", "roup:rule=symmetric"]),
        ("exact:signed=*", ["exact:signed=false", "exact:signed=true"]),
        ("exact:width=4..6", ["exact:width=4", "exact:width=5", "exact:width=6"]),
        ("evoapprox:mul8s_1L2L|mul8s_1KVA", ["evoapprox:mul8s_1L2L", "evoapprox:mul8s_1KVA"]),
    ],
)
def test_texts(text, members):
    assert expand(text).specs == tuple(parse(member) for member in members)


def test_impossible_members_are_counted():
    grid = expand("roup:p=3..9,r=8..9")
    assert grid.specs == (RoupSpec(p=3, r=8), RoupSpec(p=4, r=8))
    assert grid.skipped == 12


def test_several_grids_have_each_design_once():
    grid = expand_all(["roup:p=0..5,r=1", "exact", "roup:p=2,r=0..1"])
    assert grid.specs == (*(RoupSpec(p=p, r=1) for p in range(5)), ExactSpec(), RoupSpec(p=2))
    assert grid.skipped == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rup:p=1", "Expected a multiplier family out of .*, found 'rup' (did you mean roup?)."),
        ("roup:q=1", "Expected parameters of roup (width, signed, tree, adder, p, r, rule), found 'q'."),
        ("roup:1..3", "Expected key=values behind roup:, found '1..3' (example: roup:p=0..3,r=2|4,rule=*)."),
        ("roup:p=1,p=2", "Expected each parameter once in 'roup:p=1,p=2', found p twice."),
        ("roup:p=a", "Expected an integer for p of roup, found 'a'."),
        ("roup:p=", "Expected an integer for p of roup, found ''."),
        ("roup:p=1|", "Expected an integer for p of roup, found ''."),
        ("roup:p=1..", "Expected an integer for p of roup, found '1..'."),
        ("roup:p=3..1", "Expected a range from the smaller number for p of roup, found 3..1."),
        ("roup:p=*", "Expected numbers or words for p of roup, found '*', which only parameters with choices take."),
        ("roup:rule=best", "Expected rule of roup to be one of aligned, absolute, symmetric, found 'best'."),
        ("roup:rule=0..3", "Expected rule of roup to be one of aligned, absolute, symmetric, found '0..3'."),
        ("exact:signed=perhaps", "Expected true or false for signed of exact, found 'perhaps'."),
        ("evoapprox:circuit=", "Expected circuit of evoapprox to be a word, found ''."),
        (
            "roup:p=7..9",
            "Expected a possible design in the grid 'roup:p=7..9', found none of 3 (the first: Expected p from 0 to 4 "
            "for roup with 8-bit operands, found 7).",
        ),
        (f"roup:p=0..{MAX_MEMBERS}", "Expected at most 100,000 designs in a grid, found p=0..100000."),
        ("roup:p=0..999,r=0..999", "Expected at most 100,000 designs in a grid, found 1,000,000 in "),
    ],
)
def test_messages(text, message):
    with pytest.raises(AxhwError, match="^" + re.escape(message).replace(re.escape(".*"), ".*")):
        expand(text)


@given(
    st.from_regex(r"(roup|bam|exact|evoapprox):((p|r|v|ha|width|rule|signed)=[-0-9a-z.|*]{0,8},?){0,3}", fullmatch=True)
)
def test_any_text_gives_possible_designs_or_one_sentence(text):
    try:
        grid = expand(text)
    except AxhwError as error:
        sentence, names = str(error), {"none"}
    else:
        sentence, names = "Expected.", {spec.name for spec in grid.specs}
        assert len(names) == len(grid)
    assert re.fullmatch(r"Expected.*\.", sentence)
    assert names


@given(st.lists(st.integers(0, 4), min_size=1), st.integers(0, 8), st.integers(0, 8))
def test_a_grid_is_the_product_of_its_axes(rows, low, high):
    low, high = sorted((low, high))
    grid = expand(f"roup:p={'|'.join(map(str, rows))},r={low}..{high}")
    assert set(grid.specs) == {parse(f"roup:p={p},r={r}") for p in rows for r in range(low, high + 1)}

"""Orders and Pareto fronts, held against their definitions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.selection import choose, columns_of, flat_row, pareto_front

FIGURE = st.integers(0, 6) | st.none()
ROWS = st.lists(st.fixed_dictionaries({"mae": FIGURE, "energy_fj": FIGURE, "cells": FIGURE}), max_size=25)


def beats(one: dict[str, Any], other: dict[str, Any], columns: list[str]) -> bool:
    return all(one[c] <= other[c] for c in columns) and any(one[c] < other[c] for c in columns)


@given(ROWS, st.sampled_from([["mae"], ["mae", "energy_fj"], ["energy_fj", "mae", "cells"]]))
def test_the_front_is_what_nothing_beats(rows: list[dict[str, Any]], columns: list[str]) -> None:
    complete = [row for row in rows if all(row[column] is not None for column in columns)]
    expected = [row for row in complete if not any(beats(other, row, columns) for other in complete)]
    front = pareto_front(rows, columns)
    assert sorted(map(id, front)) == sorted(map(id, expected))
    assert [row[columns[0]] for row in front] == sorted(row[columns[0]] for row in front)


@given(ROWS, st.booleans())
def test_orders(rows: list[dict[str, Any]], descending: bool) -> None:
    ordered = choose(rows, sort="mae", descending=descending)
    assert sorted(map(id, ordered)) == sorted(map(id, rows))
    figures = [row["mae"] for row in ordered]
    there = [figure for figure in figures if figure is not None]
    assert there == sorted(there, reverse=descending)
    assert figures[: len(there)] == there, "what lacks the figure comes last"


def test_rows_are_flat() -> None:
    summary = {
        "name": "a",
        "family": "roup",
        "params": {"p": 2, "rule": "aligned"},
        "verification": {"pairs": 1},
        "mae": 1.5,
    }
    row = flat_row(summary)
    assert row == {"name": "a", "family": "roup", "mae": 1.5, "p": 2, "rule": "aligned"}
    columns = columns_of([row])
    assert columns[:3] == ["name", "family", "mae"]
    assert {"p", "rule", "ha", "k", "circuit"} <= set(columns), "the parameters of every family, stored or not"
    assert choose([row], where="p=2 and v!=3 and rule=aligned") == [row]


def test_nothing_is_chosen_from_an_empty_store() -> None:
    assert choose([], where="anything<1", sort="anything") == []
    assert pareto_front([], ["anything"]) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["maee"], r"^Expected a column out of name, mae, .*, found 'maee' \(did you mean mae\?\)\.$"),
        (["name"], r"^Expected a column of numbers for a Pareto front, found name with 'a'\.$"),
    ],
)
def test_fronts_need_numbers(columns: list[str], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        pareto_front([{"name": "a", "mae": 1.0}], columns)

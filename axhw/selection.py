"""Choosing among stored designs: by a condition, in an order, or those that no other beats."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.registry import FAMILIES, parameters_of
from axhw.where import parse_condition

Row = dict[str, Any]


def flat_row(summary: Mapping[str, Any]) -> Row:
    """A summary with the multiplier's parameters beside the figures, and without nested values."""
    row = {key: value for key, value in summary.items() if not isinstance(value, (dict, list))}
    return {**summary["params"], **row}


def columns_of(rows: Iterable[Row]) -> list[str]:
    """The columns that conditions may name: figures first, then the parameters of every family."""
    parameters = dict.fromkeys(name for family in FAMILIES for name in parameters_of(family))
    figures = dict.fromkeys(name for row in rows for name in row if name not in parameters)
    return [*figures, *parameters]


def choose(
    rows: Sequence[Row], *, where: str | None = None, sort: str | None = None, descending: bool = False
) -> list[Row]:
    """The rows for which the condition holds, in the order of a column.

    Parameters
    ----------
    rows : sequence of `flat_row`
    where : str, optional
        See `axhw.where`.
    sort : str, optional
        Rows that lack the column come last; equal ones keep their order.

    Raises
    ------
    AxhwError
        For a condition that cannot be understood and for an unknown column.
    """
    columns = columns_of(rows)
    result = list(rows)
    if where is not None:
        # Without designs there are no columns to name.
        condition = parse_condition(where, columns) if rows else None
        result = [row for row in rows if condition is not None and condition.holds(row)]
    if sort is not None and rows:
        check_column(sort, columns)
        there = [row for row in result if row.get(sort) is not None]
        missing = [row for row in result if row.get(sort) is None]
        result = sorted(there, key=lambda row: row[sort], reverse=descending) + missing
    return result


def pareto_front(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """The rows that no other row beats: none is at most as large in every column and smaller in one.

    Rows of equal figures are all kept; those that lack a figure are left out. In the order of the first column.

    Raises
    ------
    AxhwError
        For a column that is unknown or holds no numbers.
    """
    known = columns_of(rows)
    for column in columns if rows else ():
        check_column(column, known)
        strange = next((row[column] for row in rows if isinstance(row.get(column), (str, bool))), None)
        if strange is not None:
            raise AxhwError(f"Expected a column of numbers for a Pareto front, found {column} with {strange!r}.")
    complete = [row for row in rows if all(row.get(column) is not None for column in columns)]
    if not complete:
        return []
    values = np.array([[row[column] for column in columns] for row in complete], np.float64)
    # Only rows that come before it in the order of all columns can beat a row.
    order = np.lexsort(values.T[::-1])
    front: list[int] = []
    best = np.empty((0, len(columns)))
    for place in order:
        row = values[place]
        if not bool(np.any(np.all(best <= row, axis=1) & np.any(best < row, axis=1))):
            front.append(int(place))
            best = values[front]
    return [complete[place] for place in front]


def check_column(name: str, columns: Sequence[str]) -> None:
    """Refuse a column that no design has."""
    if name not in columns:
        near = difflib.get_close_matches(name, columns, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise AxhwError(f"Expected a column out of {', '.join(columns)}, found {name!r}{hint}.")

"""Grids of specs from text: ``roup:p=0..3,r=0..8``, ``exact:tree=dadda|wallace,width=4..8``."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axhw.errors import AxhwError
from axhw.hdl.registry import Parameter, convert, create, parameters_of
from axhw.hdl.spec import MultiplierSpec

MAX_MEMBERS = 100_000

_RANGE = re.compile(r"(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})")
_EXAMPLE = "roup:p=0..3,r=2|4,rule=*"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The members of one or several grids.

    Attributes
    ----------
    specs : tuple of MultiplierSpec
        The possible ones, each once, the last parameter changing fastest.
    skipped : int
        Members whose parameters no circuit can have together.
    """

    specs: tuple[MultiplierSpec, ...]
    skipped: int

    def __len__(self) -> int:
        return len(self.specs)


def expand(text: str) -> Grid:
    """All designs that a grid spells.

    Parameters
    ----------
    text : str
        ``family:key=values,...``, where values are a word or number, an inclusive range ``0..3``, a list ``1|2|4`` of
        such, or ``*`` for every choice of a parameter that has choices. Without a ``key=`` the values are those of
        the family's first free text, such as the circuits of ``evoapprox``.

    Raises
    ------
    AxhwError
        For unknown families, parameters, choices and values of another kind, for grids of more than `MAX_MEMBERS`, and
        if no member is possible.
    """
    family, _, rest = (part.strip() for part in text.partition(":"))
    axes = _axes(family, rest, text)
    size = math.prod(len(values) for values in axes.values())
    if size > MAX_MEMBERS:
        raise AxhwError(f"Expected at most {MAX_MEMBERS:,} designs in a grid, found {size:,} in {text!r}.")
    specs: dict[MultiplierSpec, None] = {}
    refusals = []
    for values in itertools.product(*axes.values()):
        try:
            specs[create(family, dict(zip(axes, values)))] = None
        except AxhwError as refusal:
            refusals.append(refusal)
    if not specs:
        first = str(refusals[0]).rstrip(".")
        raise AxhwError(f"Expected a possible design in the grid {text!r}, found none of {size} (the first: {first}).")
    return Grid(specs=tuple(specs), skipped=len(refusals))


def expand_all(texts: Sequence[str]) -> Grid:
    """The members of several grids, each spec once.

    Raises
    ------
    AxhwError
        As `expand`.
    """
    grids = [expand(text) for text in texts]
    specs = dict.fromkeys(spec for grid in grids for spec in grid.specs)
    return Grid(specs=tuple(specs), skipped=sum(grid.skipped for grid in grids))


def _axes(family: str, rest: str, text: str) -> dict[str, list[Any]]:
    """The values of each parameter that the text names."""
    known = parameters_of(family)
    axes: dict[str, list[Any]] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, values = (part.strip() for part in item.partition("="))
        if not equals:
            values, key = key, next((p.name for p in known.values() if p.kind is str and not p.choices), "")
            if not key:
                raise AxhwError(f"Expected key=values behind {family}:, found {item!r} (example: {_EXAMPLE}).")
        if key not in known:
            raise AxhwError(f"Expected parameters of {family} ({', '.join(known)}), found {key!r}.")
        if key in axes:
            raise AxhwError(f"Expected each parameter once in {text!r}, found {key} twice.")
        axes[key] = _values(family, known[key], values)
    return axes


def _values(family: str, parameter: Parameter, text: str) -> list[Any]:
    """The values of one parameter, each once."""
    result: dict[Any, None] = {}
    for part in (part.strip() for part in text.split("|")):
        if part == "*":
            words: Sequence[Any] = (False, True) if parameter.kind is bool else parameter.choices
            if not words:
                raise AxhwError(
                    f"Expected numbers or words for {parameter.name} of {family}, found '*', which only parameters "
                    "with choices take."
                )
            result.update(dict.fromkeys(words))
        elif parameter.kind is int and (ends := _RANGE.fullmatch(part)):
            result.update(dict.fromkeys(_range(family, parameter, *map(int, ends.groups()))))
        else:
            value = convert(family, parameter, part)
            if value == "" or (parameter.choices and value not in parameter.choices):
                expected = f"one of {', '.join(parameter.choices)}" if parameter.choices else "a word"
                raise AxhwError(f"Expected {parameter.name} of {family} to be {expected}, found {value!r}.")
            result[value] = None
    return list(result)


def _range(family: str, parameter: Parameter, first: int, last: int) -> range:
    if last < first:
        raise AxhwError(
            f"Expected a range from the smaller number for {parameter.name} of {family}, found {first}..{last}."
        )
    if last - first >= MAX_MEMBERS:
        raise AxhwError(f"Expected at most {MAX_MEMBERS:,} designs in a grid, found {parameter.name}={first}..{last}.")
    return range(first, last + 1)

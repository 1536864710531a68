"""Conditions on designs: ``mae_pct<0.5 and (family=roup or not signed=true)``.

    condition  = term ("or" term)*
    term       = factor ("and" factor)*
    factor     = "not" factor | "(" condition ")" | column operator value
    operator   = "<" | "<=" | ">" | ">=" | "=" | "==" | "!="
    value      = number | "quoted text" | true | false | none | column | word

A word that is no column is text. A design that lacks a column (``p`` of a broken array) differs from every value and
is neither below nor above it. Text is read by this parser alone: nothing is evaluated as Python.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from axhw.errors import AxhwError

Row: TypeAlias = Mapping[str, Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<operator><=|>=|!=|==|<|>|=)|(?P<bracket>[()])"
    r"|(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))"
    r"|(?P<quoted>\"[^\"]*\"|'[^']*')|(?P<word>\w[\w.+-]*))"
)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "none": None}
_MOST_NESTED = 100

SHORTEST_KEY = 8
"""Letters that stand for a whole key."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A column against a value, or against another column."""

    column: str
    operator: str
    value: Any
    other: str | None
    position: int

    def holds(self, row: Row) -> bool:
        left = row.get(self.column)
        right = self.value if self.other is None else row.get(self.other)
        if left is None or right is None:
            return {"=": left is right, "==": left is right, "!=": left is not right}.get(self.operator, False)
        if _kind(left) != _kind(right):
            found = f"{right:g}" if isinstance(right, float) else repr(right)
            raise AxhwError(
                f"Expected {_kind(left)} to compare {self.column} with at position {self.position}, found {found}."
            )
        if self.operator in _ORDER:
            if isinstance(left, bool):
                raise AxhwError(f"Expected = or != for {self.column} at position {self.position}, found an order.")
            return _ORDER[self.operator](left, right)
        if self.column == "key" and len(str(right)) >= SHORTEST_KEY:
            # As wherever a design is named, and as lists show it.
            return str(left).startswith(str(right)) != (self.operator == "!=")
        return bool(left == right) != (self.operator == "!=")


@dataclass(frozen=True, kw_only=True)
class Not:
    """What does not hold."""

    inner: Condition

    def holds(self, row: Row) -> bool:
        return not self.inner.holds(row)


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """What holds in every part."""

    parts: tuple[Condition, ...]

    def holds(self, row: Row) -> bool:
        return all(part.holds(row) for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class AnyOf:
    """What holds in some part."""

    parts: tuple[Condition, ...]

    def holds(self, row: Row) -> bool:
        return any(part.holds(row) for part in self.parts)


Condition: TypeAlias = "Comparison | Not | AllOf | AnyOf"


def parse_condition(text: str, columns: Collection[str]) -> Condition:
    """A condition on rows that have the given columns.

    Raises
    ------
    AxhwError
        With the position, counted from 1, of what could not be understood. `holds` raises it too where a number is
        compared with text.
    """
    return _Parser(text, columns).parse()


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "a number" if isinstance(value, (int, float)) else "text"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            raise AxhwError(
                f"Expected a column, value, operator or bracket at position {place + 1} of the condition {text!r}, "
                f"found {text[place]!r}."
            )
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match.group(kind), match.start(kind) + 1))
        place = match.end()
    return [*tokens, _Token("end", "", len(text) + 1)]


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, text: str, columns: Collection[str]) -> None:
        self._text = text
        self._columns = columns
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        result = self._any()
        if self._next.kind != "end":
            raise self._error("and, or, or the end")
        return result

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _follows(self, text: str) -> bool:
        """Whether that keyword or bracket comes next; if so, it is passed."""
        if self._next.kind in ("word", "bracket") and self._next.text.lower() == text:
            self._place += 1
            return True
        return False

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._follows("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(parts=tuple(parts))

    def _all(self) -> Condition:
        parts = [self._factor()]
        while self._follows("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else AllOf(parts=tuple(parts))

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise self._error(f"at most {_MOST_NESTED} levels of brackets and not")
        result: Condition
        if self._follows("not"):
            result = Not(inner=self._factor())
        elif self._follows("("):
            result = self._any()
            if not self._follows(")"):
                raise self._error("a closing bracket, and, or or")
        else:
            result = self._comparison()
        self._depth -= 1
        return result

    def _comparison(self) -> Condition:
        if self._next.kind != "word" or self._next.text not in self._columns:
            raise self._error(f"a column ({', '.join(self._columns)})")
        column = self._take()
        if self._next.kind != "operator":
            raise self._error("one of < <= > >= = !=")
        sign = self._take().text
        if self._next.kind not in ("number", "quoted", "word"):
            raise self._error("a number, a word or quoted text")
        value = self._take()
        other = None
        content: Any = value.text
        if value.kind == "number":
            content = float(value.text)
        elif value.kind == "quoted":
            content = value.text[1:-1]
        elif value.text.lower() in _CONSTANTS:
            content = _CONSTANTS[value.text.lower()]
        elif value.text in self._columns:
            other = value.text
        return Comparison(column=column.text, operator=sign, value=content, other=other, position=value.position)

    def _error(self, expected: str) -> AxhwError:
        found = repr(self._next.text) if self._next.kind != "end" else "its end"
        return AxhwError(
            f"Expected {expected} at position {self._next.position} of the condition {self._text!r}, found {found}."
        )

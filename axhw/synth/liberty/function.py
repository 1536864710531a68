"""Liberty's boolean expressions: parsed once, then evaluated on arrays or written as Verilog."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

T = TypeVar("T")
Scalar = TypeVar("Scalar", np.bool_, np.uint64)

_TOKEN = re.compile(r"[A-Za-z_][\w.$]*(?:\[\d+\])?|[01](?![\w.$])|[!'^&*|+()]")
_SYNONYMS = {"*": "&", "+": "|"}
# Liberty reference manual: inversion first, then XOR, then AND, then OR.
_PRECEDENCE = {"|": 1, "&": 2, "^": 3, "!": 4}
_MAX_TRUTH_TABLE_PINS = 20


@dataclass(frozen=True)
class BooleanFunction:
    """A boolean expression over pins.

    Attributes
    ----------
    postfix : tuple of str
        The expression in postfix order: pin names, the constants ``0`` and ``1``, the unary ``!``
        and the binary ``&``, ``|`` and ``^``.
    """

    postfix: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> BooleanFunction:
        """Read Liberty syntax.

        Operators by falling precedence: ``!`` before or ``'`` after an operand, ``^``, then ``&``,
        ``*`` or mere juxtaposition, then ``|`` or ``+``; parentheses; the constants 0 and 1.

        Raises
        ------
        AxhwError
            If the text is not such an expression.
        """
        tokens = _tokens(text)
        output: list[str] = []
        waiting: list[str] = []
        operand_ended = False

        def push_binary(operator: str) -> None:
            while waiting and waiting[-1] != "(" and _PRECEDENCE[waiting[-1]] >= _PRECEDENCE[operator]:
                output.append(waiting.pop())
            waiting.append(operator)

        for token in tokens:
            starts_operand = token not in ("^", "&", "|", ")", "'")
            if starts_operand and operand_ended:
                push_binary("&")
            elif not starts_operand and not operand_ended:
                raise _syntax_error(text, f"{token!r} without an operand before it")
            operand_ended = starts_operand and token not in ("!", "(")
            if token in ("!", "("):
                waiting.append(token)
            elif token == "'":
                output.append("!")
                operand_ended = True
            elif token == ")":
                while waiting and waiting[-1] != "(":
                    output.append(waiting.pop())
                if not waiting:
                    raise _syntax_error(text, "')' without '('")
                waiting.pop()
                operand_ended = True
            elif starts_operand:
                output.append(token)
            else:
                push_binary(token)
        if not operand_ended:
            raise _syntax_error(text, "nothing after the last operator" if tokens else "an empty expression")
        if "(" in waiting:
            raise _syntax_error(text, "'(' without ')'")
        return cls(tuple(output + waiting[::-1]))

    @cached_property
    def pins(self) -> tuple[str, ...]:
        """Names of the pins, each once, in order of appearance."""
        return tuple(dict.fromkeys(step for step in self.postfix if step not in _PRECEDENCE and step not in ("0", "1")))

    def truth_table(self, pins: Sequence[str]) -> npt.NDArray[np.bool_]:
        """The function for every assignment of `pins`.

        Returns
        -------
        (2**len(pins),) bool array
            Entry i is the value where bit k of i is the value of ``pins[k]``.

        Raises
        ------
        AxhwError
            If `pins` repeats a name, leaves out a pin of the function or has more than 20 names.
        """
        if len(set(pins)) != len(pins) or len(pins) > _MAX_TRUTH_TABLE_PINS:
            raise AxhwError(
                f"Expected at most {_MAX_TRUTH_TABLE_PINS} different pins for a truth table, found {list(pins)}."
            )
        index = np.arange(2 ** len(pins))
        columns = {pin: ((index >> k) & 1).astype(np.bool_) for k, pin in enumerate(pins)}
        return self._evaluate(columns, np.zeros(index.shape, np.bool_))

    def evaluate(self, values: Mapping[str, npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
        """The function of every bit of the given words.

        Parameters
        ----------
        values : mapping of pin name to uint64 array
            At least the pins of the function, in shapes that broadcast.

        Returns
        -------
        uint64 array of the broadcast shape, never one of `values` itself.

        Raises
        ------
        AxhwError
            If a pin of the function is missing from `values`.
        """
        shape = np.broadcast_shapes(*(value.shape for value in values.values()))
        return self._evaluate(values, np.zeros(shape, np.uint64))

    def _evaluate(self, values: Mapping[str, npt.NDArray[Scalar]], zero: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        missing = [pin for pin in self.pins if pin not in values]
        if missing:
            raise AxhwError(f"Expected values for the pins {list(self.pins)}, found none for {missing}.")
        leaves: dict[str, npt.NDArray[Scalar]] = {"0": zero, "1": ~zero, **{pin: values[pin] for pin in self.pins}}
        result: npt.NDArray[Scalar] = self._fold(
            leaves.__getitem__,
            lambda a: ~a,
            {"&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b},
        )
        # A lone pin or constant is copied or spread to the full shape by the OR.
        return result if len(self.postfix) > 1 and result.shape == zero.shape else zero | result

    def verilog(self) -> str:
        """The expression in Verilog; names that are no Verilog identifiers come out escaped."""

        def leaf(step: str) -> str:
            return f"1'b{step}" if step in ("0", "1") else verilog_name(step)

        return self._fold(leaf, _inversion("~"), _bracketed())

    def liberty(self) -> str:
        """The expression in Liberty, with parentheses everywhere: readers differ in what binds tighter."""
        return self._fold(lambda step: step, _inversion("!"), _bracketed())

    def _fold(
        self,
        leaf: Callable[[str], T],
        invert: Callable[[T], T],
        combine: Mapping[str, Callable[[T, T], T]],
    ) -> T:
        stack: list[T] = []
        for step in self.postfix:
            if step == "!":
                stack.append(invert(stack.pop()))
            elif step in combine:
                right = stack.pop()
                stack.append(combine[step](stack.pop(), right))
            else:
                stack.append(leaf(step))
        return stack.pop()


def _inversion(sign: str) -> Callable[[str], str]:
    # Verilog's grammar has no ~~A.
    return lambda operand: f"{sign}({operand})" if operand.startswith(sign) else f"{sign}{operand}"


def _bracketed() -> dict[str, Callable[[str, str], str]]:
    def binary(operator: str) -> Callable[[str, str], str]:
        return lambda a, b: f"({a} {operator} {b})"

    return {operator: binary(operator) for operator in "&|^"}


def verilog_name(name: str) -> str:
    """`name` as a Verilog identifier, escaped if it needs to be."""
    return name if re.fullmatch(r"[A-Za-z_][\w$]*", name) else f"\\{name} "


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise _syntax_error(text, repr(text[position]))
        tokens.append(_SYNONYMS.get(match.group(), match.group()))
        position = match.end()
    return tokens


def _syntax_error(text: str, found: str) -> AxhwError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return AxhwError(f'Expected a Liberty boolean expression such as "!(A & B)", found {found} in {shown!r}.')

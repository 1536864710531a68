"""Combinational circuits as a list of two-input gates: what evolution changes and imported netlists become.

Signals are numbered: first the inputs, then one for each gate in order, so that a gate reads only what comes before
it. For a multiplier of n bits the inputs are a, least significant bit first, then b, and the outputs are the product,
least significant bit first. This is the integer netlist of Cartesian genetic programming (Miller and Thomson, EuroGP
2000) with one row.

As text, one gate a line (``;`` may stand for the end of a line, ``#`` begins a comment)::

    inputs 4
    and 0 2
    xor 1 4
    outputs 4 5
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.bits import Words

FUNCTIONS: Mapping[str, int] = {
    "zero": 0b0000,
    "nor": 0b0001,
    "andnot": 0b0010,
    "noty": 0b0011,
    "notand": 0b0100,
    "not": 0b0101,
    "xor": 0b0110,
    "nand": 0b0111,
    "and": 0b1000,
    "xnor": 0b1001,
    "buf": 0b1010,
    "ornot": 0b1011,
    "bufy": 0b1100,
    "notor": 0b1101,
    "or": 0b1110,
    "one": 0b1111,
}
"""Every function f of two bits by name: bit ``x + 2 * y`` of the number is f(x, y).

``andnot`` is x AND NOT y, ``notand`` is NOT x AND y, ``ornot`` and ``notor`` accordingly; ``not`` and ``buf`` take x.
"""

NAMES: Mapping[int, str] = {code: name for name, code in FUNCTIONS.items()}

_READS_X = frozenset(code for code in range(16) if (code ^ code >> 1) & 0b0101)
_READS_Y = frozenset(code for code in range(16) if (code ^ code >> 2) & 0b0011)
MAX_GATES = 100_000


class Gate(NamedTuple):
    """A gate: its function as in `FUNCTIONS`, and the signals it reads."""

    function: int
    x: int
    y: int

    @property
    def fanin(self) -> tuple[int, ...]:
        """The signals that matter to the function."""
        return ((self.x,) if self.function in _READS_X else ()) + ((self.y,) if self.function in _READS_Y else ())


@dataclass(frozen=True, kw_only=True)
class GateNetlist:
    """A combinational circuit of two-input gates.

    Attributes
    ----------
    inputs : int
        Input signals.
    gates : tuple of Gate
        Gate k drives signal ``inputs + k`` and reads signals below that.
    outputs : tuple of int
        Signals, least significant bit first; a signal may be given several times.

    Raises
    ------
    AxhwError
        If a gate reads a signal that is not there yet.
    """

    inputs: int
    gates: tuple[Gate, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.inputs < 1 or not self.outputs:
            raise AxhwError(f"Expected inputs and outputs, found {self.inputs} and {len(self.outputs)}.")
        if len(self.gates) > MAX_GATES:
            raise AxhwError(f"Expected at most {MAX_GATES:,} gates, found {len(self.gates):,}.")
        for number, gate in enumerate(self.gates, start=self.inputs):
            if gate.function not in NAMES:
                raise AxhwError(f"Expected a function from 0 to 15 for signal {number}, found {gate.function}.")
            if not (0 <= gate.x < number and 0 <= gate.y < number):
                raise AxhwError(
                    f"Expected signal {number} to read signals from 0 to {number - 1}, found {gate.x} and {gate.y}."
                )
        for signal in self.outputs:
            if not 0 <= signal < self.signals:
                raise AxhwError(f"Expected outputs out of the signals 0 to {self.signals - 1}, found {signal}.")

    @classmethod
    def of(cls, text: str) -> GateNetlist:
        """A circuit from its text.

        Raises
        ------
        AxhwError
            Naming the line that cannot be read.
        """
        lines = [line.partition("#")[0].split() for line in text.replace(";", "\n").splitlines()]
        numbered = [(number, words) for number, words in enumerate(lines, start=1) if words]
        if not numbered or numbered[0][1][0] != "inputs" or numbered[-1][1][0] != "outputs":
            raise AxhwError("Expected gates as text from a line `inputs N` to a line `outputs S S ...`, found neither.")
        (count,) = _numbers(numbered[0], 1)
        gates = []
        for number, words in numbered[1:-1]:
            if words[0] not in FUNCTIONS:
                raise AxhwError(f"Expected a gate out of {', '.join(FUNCTIONS)} in line {number}, found {words[0]!r}.")
            function = FUNCTIONS[words[0]]
            operands = _numbers((number, words), len(Gate(function, 0, 0).fanin))
            # What a function does not read is written as 0.
            x = operands.pop(0) if function in _READS_X else 0
            y = operands.pop(0) if function in _READS_Y else 0
            gates.append(Gate(function, x, y))
        return cls(inputs=count, gates=tuple(gates), outputs=tuple(_numbers(numbered[-1], None)))

    def text(self, *, separator: str = "\n") -> str:
        """The circuit as text; equal circuits give equal text."""
        gates = (" ".join((NAMES[gate.function], *map(str, gate.fanin))) for gate in self.gates)
        return separator.join((f"inputs {self.inputs}", *gates, f"outputs {' '.join(map(str, self.outputs))}"))

    @property
    def signals(self) -> int:
        """Inputs and gates."""
        return self.inputs + len(self.gates)

    @cached_property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    @cached_property
    def active(self) -> npt.NDArray[np.bool_]:
        """Whether each signal reaches an output, shape (signals,)."""
        marked = np.zeros(self.signals, np.bool_)
        marked[list(self.outputs)] = True
        for signal in range(self.signals - 1, self.inputs - 1, -1):
            if marked[signal]:
                marked[list(self.gates[signal - self.inputs].fanin)] = True
        return marked

    def evaluate(self, words: Sequence[Words] | Words) -> Words:
        """The outputs for many input vectors.

        Parameters
        ----------
        words : (inputs, n) uint64 array
            Bits of the inputs, see `axhw.hdl.bits`.

        Returns
        -------
        (len(outputs), n) uint64 array
        """
        if len(words) != self.inputs:
            raise AxhwError(f"Expected words for {self.inputs} inputs, found {len(words)} rows.")
        rows: list[Words] = list(words)
        active = self.active
        for signal, gate in enumerate(self.gates, start=self.inputs):
            rows.append(_apply(gate.function, rows[gate.x], rows[gate.y]) if active[signal] else rows[0])
        return np.stack([rows[signal] for signal in self.outputs])


def _apply(function: int, x: Words, y: Words) -> Words:
    """Any function of two bits, with as few operations as its half with f(0, 0) = 0 takes."""
    if function & 1:
        return ~_apply(function ^ 0b1111, x, y)
    if function == FUNCTIONS["zero"]:
        return np.zeros_like(x)
    if function == FUNCTIONS["andnot"]:
        return x & ~y
    if function == FUNCTIONS["notand"]:
        return ~x & y
    if function == FUNCTIONS["xor"]:
        return x ^ y
    if function == FUNCTIONS["and"]:
        return x & y
    if function == FUNCTIONS["buf"]:
        return x
    if function == FUNCTIONS["bufy"]:
        return y
    return x | y


def _numbers(line: tuple[int, list[str]], count: int | None) -> list[int]:
    """The numbers behind the first word of a line."""
    number, words = line
    if not all(word.isdecimal() and word.isascii() and len(word) < 10 for word in words[1:]) or (
        count is not None and len(words) != count + 1
    ):
        wanted = "numbers" if count is None else f"{count} number{'s' if count != 1 else ''}"
        raise AxhwError(f"Expected {wanted} behind {words[0]} in line {number}, found {' '.join(words[1:])!r}.")
    return [int(word) for word in words[1:]]

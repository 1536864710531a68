"""Functions of gates as bitwise operations on rows of words, of one gate and of a whole netlist."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, GateGraph

ALL_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)

AND, OR, XOR = range(3)
"""Operations on words."""

_TARGET, _ZERO, _ONES, _FIRST_INPUT = range(4)


class GateProgram(NamedTuple):
    """A gate's function as operations ``slots[destination] = operation(slots[x], slots[y])``.

    The slots are the gate's output row, all zeros, all ones, its inputs, then scratch rows.

    Attributes
    ----------
    steps : tuple of (operation, x, y, destination)
    inputs : int
    scratch : int
        Scratch rows that the steps need.
    """

    steps: tuple[tuple[int, int, int, int], ...]
    inputs: int
    scratch: int


@lru_cache(maxsize=4096)
def gate_program(function: BooleanFunction, inputs: tuple[str, ...]) -> GateProgram:
    """Turn an expression over a gate's inputs into operations.

    Inversions are carried along as a flag and vanish by De Morgan where both operands have one; libraries
    write a NAND as ``!A + !B``, which is one AND and one inversion here.
    """
    slot_of = {pin: _FIRST_INPUT + position for position, pin in enumerate(inputs)}
    first_scratch = _FIRST_INPUT + len(inputs)
    postfix = _as_parity(function, inputs) or function.postfix
    steps: list[tuple[int, int, int, int]] = []
    used: set[int] = set()
    highest = first_scratch - 1

    def is_temporary(slot: int) -> bool:
        return slot == _TARGET or slot >= first_scratch

    def emit(operation: int, x: int, y: int) -> int:
        nonlocal highest
        destination = next((slot for slot in (x, y) if is_temporary(slot)), None)
        if destination is None:
            destination = next(slot for slot in (_TARGET, *range(first_scratch, highest + 2)) if slot not in used)
            used.add(destination)
            highest = max(highest, destination)
        for slot in (x, y):
            if is_temporary(slot) and slot != destination:
                used.discard(slot)
        steps.append((operation, x, y, destination))
        return destination

    stack: list[tuple[int, bool]] = []
    for step in postfix:
        if step == "!":
            slot, inverted = stack.pop()
            stack.append((slot, not inverted))
        elif step in ("&", "|", "^"):
            (y, y_inverted), (x, x_inverted) = stack.pop(), stack.pop()
            if step == "^":
                stack.append((emit(XOR, x, y), x_inverted != y_inverted))
                continue
            if x_inverted != y_inverted:
                x = emit(XOR, x, _ONES) if x_inverted else x
                y = emit(XOR, y, _ONES) if y_inverted else y
                x_inverted = False
            both_inverted = x_inverted
            is_and = (step == "&") != both_inverted
            stack.append((emit(AND if is_and else OR, x, y), both_inverted))
        elif step in ("0", "1"):
            stack.append((_ZERO, step == "1"))
        else:
            stack.append((slot_of[step], False))
    slot, inverted = stack.pop()
    if inverted or not is_temporary(slot):
        steps.append((XOR, slot, _ONES if inverted else _ZERO, _TARGET))
    elif slot != _TARGET:
        # Only operands of the last operation are alive, and an operation may overwrite its own operands.
        operation, x, y, _ = steps[-1]
        steps[-1] = (operation, x, y, _TARGET)
    return GateProgram(steps=tuple(steps), inputs=len(inputs), scratch=max(0, highest - first_scratch + 1))


def _as_parity(function: BooleanFunction, inputs: tuple[str, ...]) -> tuple[str, ...] | None:
    """The function as a chain of XOR where it is one: libraries write XOR gates as sums of products."""
    if len(inputs) < 2:
        return None
    index = np.arange(1 << len(inputs))
    parity = np.zeros(len(index), np.bool_)
    for position in range(len(inputs)):
        parity ^= (index >> position & 1).astype(np.bool_)
    inverted = function.truth_table(inputs) ^ parity
    if inverted.any() != inverted.all():
        return None
    return (*inputs, *"^" * (len(inputs) - 1), *("!" if inverted.any() else ""))


class NetlistProgram(NamedTuple):
    """All gates of a netlist, one operation after the other: ``rows[destination] = operation(rows[x], rows[y])``.

    Attributes
    ----------
    operation : (steps,) uint8
    x, y, destination : (steps,) uint32
        Rows are those of nets, then scratch rows.
    rows : int
    """

    operation: npt.NDArray[np.uint8]
    x: npt.NDArray[np.uint32]
    y: npt.NDArray[np.uint32]
    destination: npt.NDArray[np.uint32]
    rows: int

    @classmethod
    def of(cls, graph: GateGraph) -> NetlistProgram:
        """The gates in level order."""
        programs = [gate_program(function.expression, function.inputs) for function in graph.functions]
        lengths = np.array([len(program.steps) for program in programs], np.intp)[graph.function]
        starts = np.cumsum(lengths) - lengths
        steps = np.zeros((4, int(lengths.sum())), np.uint32)
        for index, program in enumerate(programs):
            gates = np.flatnonzero(graph.function == index)
            slots = np.empty((_FIRST_INPUT + program.inputs + program.scratch, len(gates)), np.uint32)
            slots[_TARGET], slots[_ZERO], slots[_ONES] = graph.output[gates], CONSTANT_0, CONSTANT_1
            slots[_FIRST_INPUT : _FIRST_INPUT + program.inputs] = graph.fanin[gates, : program.inputs].T
            slots[_FIRST_INPUT + program.inputs :] = graph.net_count + np.arange(program.scratch)[:, np.newaxis]
            for place, (code, *operands) in enumerate(program.steps):
                steps[0, starts[gates] + place] = code
                steps[1:, starts[gates] + place] = slots[operands]
        operation, x, y, destination = steps
        scratch = max((program.scratch for program in programs), default=0)
        return cls(operation.astype(np.uint8), x, y, destination, graph.net_count + scratch)

"""Zero-delay simulation of mapped netlists, 64 input vectors in every machine word.

The values of a net over all vectors are a row of words as in `axhw.hdl.bits`. A gate is then a few bitwise
numpy operations on rows, whatever the number of vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.bits import Words
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, GateGraph, Netlist

_ALL_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def evaluate(graph: GateGraph, words: Mapping[int, Words] | Words, *, out: Words | None = None) -> Words:
    """The value of every net for every input vector.

    Parameters
    ----------
    graph : GateGraph
    words : mapping of source net to (n,) uint64 array, or (len(graph.sources), n) uint64 array
        Values of the nets driven from outside; the rows of an array are in the order of ``graph.sources``.
    out : (net_count, n) uint64 array, optional
        Where to put the result: spares the allocation when one block of vectors follows another.

    Returns
    -------
    (net_count, n) uint64 array

    Raises
    ------
    AxhwError
        If a source net has no words or the shapes do not fit.
    """
    if isinstance(words, Mapping):
        missing = [net for net in graph.sources.tolist() if net not in words]
        if missing:
            raise AxhwError(f"Expected words for the source nets {graph.sources.tolist()}, found none for {missing}.")
        sources = [words[net] for net in graph.sources.tolist()]
    else:
        sources = list(words)
        if len(sources) != len(graph.sources):
            raise AxhwError(f"Expected words for {len(graph.sources)} source nets, found {len(sources)} rows.")
    count = max((len(row) for row in sources), default=1)
    if any(row.shape != (count,) or row.dtype != np.uint64 for row in sources):
        raise AxhwError(
            f"Expected uint64 words of one length for every source net, "
            f"found {sorted({f'{row.dtype} {row.shape}' for row in sources})}."
        )
    if out is None:
        out = np.empty((graph.net_count, count), np.uint64)
    elif out.shape != (graph.net_count, count) or out.dtype != np.uint64:
        raise AxhwError(
            f"Expected uint64 of shape {(graph.net_count, count)} for the net values, found {out.dtype} {out.shape}."
        )

    rows = list(out)
    rows[CONSTANT_0].fill(0)
    rows[CONSTANT_1].fill(_ALL_ONES)
    for net, row in zip(graph.sources.tolist(), sources, strict=True):
        rows[net][:] = row
    programs = [_compile(function.expression, function.inputs) for function in graph.functions]
    scratch = list(np.empty((max((program.scratch for program in programs), default=0), count), np.uint64))
    constants = [rows[CONSTANT_0], rows[CONSTANT_1]]
    for index, fanin, target in zip(graph.function.tolist(), graph.fanin.tolist(), graph.output.tolist(), strict=True):
        program = programs[index]
        slots = [rows[target], *constants, *[rows[net] for net in fanin[: program.inputs]], *scratch]
        for operation, x, y, destination in program.steps:
            operation(slots[x], slots[y], slots[destination])
    return out


_TARGET, _ZERO, _ONES, _FIRST_INPUT = range(4)


class _Program(NamedTuple):
    """A gate's function as operations ``slots[destination] = operation(slots[x], slots[y])``.

    The slots are the gate's output row, all zeros, all ones, its inputs, then scratch rows.
    """

    steps: tuple[tuple[np.ufunc, int, int, int], ...]
    inputs: int
    scratch: int


@lru_cache(maxsize=4096)
def _compile(function: BooleanFunction, inputs: tuple[str, ...]) -> _Program:
    """Turn an expression into operations.

    Inversions are carried along as a flag and vanish by De Morgan where both operands have one; libraries
    write a NAND as ``!A + !B``, which is one AND and one inversion here.
    """
    slot_of = {pin: _FIRST_INPUT + position for position, pin in enumerate(inputs)}
    first_scratch = _FIRST_INPUT + len(inputs)
    postfix = _as_parity(function, inputs) or function.postfix
    steps: list[tuple[np.ufunc, int, int, int]] = []
    used: set[int] = set()
    highest = first_scratch - 1

    def is_temporary(slot: int) -> bool:
        return slot == _TARGET or slot >= first_scratch

    def emit(operation: np.ufunc, x: int, y: int) -> int:
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
                stack.append((emit(np.bitwise_xor, x, y), x_inverted != y_inverted))
                continue
            if x_inverted != y_inverted:
                x = emit(np.bitwise_xor, x, _ONES) if x_inverted else x
                y = emit(np.bitwise_xor, y, _ONES) if y_inverted else y
                x_inverted = False
            both_inverted = x_inverted
            is_and = (step == "&") != both_inverted
            stack.append((emit(np.bitwise_and if is_and else np.bitwise_or, x, y), both_inverted))
        elif step in ("0", "1"):
            stack.append((_ZERO, step == "1"))
        else:
            stack.append((slot_of[step], False))
    slot, inverted = stack.pop()
    if inverted or not is_temporary(slot):
        steps.append((np.bitwise_xor, slot, _ONES if inverted else _ZERO, _TARGET))
    elif slot != _TARGET:
        # Only operands of the last operation are alive, and an operation may overwrite its own operands.
        operation, x, y, _ = steps[-1]
        steps[-1] = (operation, x, y, _TARGET)
    return _Program(steps=tuple(steps), inputs=len(inputs), scratch=max(0, highest - first_scratch + 1))


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


def port_words(netlist: Netlist, ports: Mapping[str, Words]) -> dict[int, Words]:
    """Words for `evaluate` from words per port.

    Parameters
    ----------
    netlist : Netlist
    ports : mapping of input port to (width, n) uint64 array, least significant bit first

    Raises
    ------
    AxhwError
        If the ports or their widths are not those of the netlist.
    """
    expected = {port: len(nets) for port, nets in sorted(netlist.inputs.items())}
    found = {port: len(words) for port, words in ports.items()}
    if expected != found:
        raise AxhwError(f"Expected words for the inputs {expected} (bits) of {netlist.name}, found {found}.")
    return {net: row for port, nets in netlist.inputs.items() for net, row in zip(nets, ports[port], strict=True)}

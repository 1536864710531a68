"""Chromosomes of Cartesian genetic programming, as ArithsGen and the tools behind EvoApproxLib write them.

    {inputs,outputs,rows,columns,2,1,back}([node]x,y,function)...(output,output,...)

Nodes read inputs and earlier nodes. Functions: 0 x, 1 NOT x, 2 AND, 3 OR, 4 XOR, 5 NAND, 6 NOR, 7 XNOR, 8 constant 1,
9 constant 0 (ArithsGen, `UnsignedCGPCircuit`). Two things differ between files. In the dialect ``arithsgen`` signals 0
and 1 are constants and the inputs begin at 2, in ``plain`` they begin at 0; the number of the first node tells, where
nodes are numbered. The outputs come from the least significant bit up, or, in older files, from the most significant
one down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from axhw.errors import AxhwError
from axhw.hdl.gate_builder import ONE, ZERO, GateBuilder
from axhw.hdl.gates import MAX_GATES, GateNetlist

Dialect: TypeAlias = Literal["plain", "arithsgen"]

_FUNCTIONS = ("buf", "not", "and", "or", "xor", "nand", "nor", "xnor", "one", "zero")
_NUMBER = r"\s*(\d{1,9})\s*"
_HEADER = re.compile(r"\s*\{" + ",".join([_NUMBER] * 7) + r"\}\s*")
_NODE = re.compile(r"\((?:\s*\[" + _NUMBER + r"\])?" + ",".join([_NUMBER] * 3) + r"\)\s*")
_OUTPUTS = re.compile(r"\((\s*\d{1,9}\s*(?:,\s*\d{1,9}\s*)*)\)\s*")
_SHOWN = 24


class _Node(NamedTuple):
    """A node as written; `number` is None where the file does not number nodes."""

    number: int | None
    x: int
    y: int
    function: int


def read_chromosome(text: str, *, dialect: Dialect | None = None, name: str = "the chromosome") -> GateNetlist:
    """The circuit of a chromosome, with inputs and outputs in its own order.

    Parameters
    ----------
    text : str
    dialect : {"plain", "arithsgen"}, optional
        Whether inputs begin at signal 0, or at 2 behind the constants; by default as the nodes' numbers tell.
    name : str
        The file, for messages.

    Raises
    ------
    AxhwError
        If the text is no chromosome, has other nodes than its header says or reads signals that are not there, or if
        the dialect is neither given nor plain to see.
    """
    header = _HEADER.match(text)
    if header is None:
        raise AxhwError(
            f"Expected {name} to begin with {{inputs,outputs,rows,columns,2,1,back}}, found {_shown(text)}."
        )
    inputs, outputs, rows, columns, arity, results, _ = map(int, header.groups())
    if (arity, results) != (2, 1):
        raise AxhwError(f"Expected nodes of 2 inputs and 1 output in {name}, found {arity} and {results}.")
    if inputs < 1 or outputs < 1:
        raise AxhwError(f"Expected inputs and outputs in {name}, found {inputs} and {outputs}.")
    if rows * columns > MAX_GATES:
        raise AxhwError(f"Expected at most {MAX_GATES:,} nodes in {name}, found {rows * columns:,}.")
    nodes, drawn = _parts(text, header.end(), name)
    numbered = [node.number for node in nodes if node.number is not None]
    if (len(numbered) not in (0, len(nodes))) or (len(nodes) != rows * columns):
        found = f"{len(nodes)}, {len(numbered)} of them with a number"
        raise AxhwError(f"Expected {rows * columns} nodes in {name}, all or none with their number, found {found}.")
    if len(drawn) != outputs:
        raise AxhwError(f"Expected {outputs} outputs in {name}, found {len(drawn)}.")
    start = _start(nodes, drawn, inputs=inputs, dialect=dialect, name=name)
    return _circuit(nodes, drawn, inputs=inputs, start=start, name=name)


def _parts(text: str, position: int, name: str) -> tuple[list[_Node], list[int]]:
    """The nodes and the outputs."""
    nodes = []
    while (match := _NODE.match(text, position)) is not None:
        number, x, y, function = match.groups()
        # Three bare numbers at the end can be outputs too.
        if number is None and match.end() == len(text):
            break
        nodes.append(_Node(None if number is None else int(number), int(x), int(y), int(function)))
        position = match.end()
    outputs = _OUTPUTS.match(text, position)
    if outputs is None or outputs.end() != len(text):
        found = _shown(text[position if outputs is None else outputs.end() :])
        raise AxhwError(f"Expected nodes ([n]x,y,f) and then outputs (n,n,...) in {name}, found {found}.")
    return nodes, [int(number) for number in outputs[1].split(",")]


def _start(nodes: Sequence[_Node], outputs: Sequence[int], *, inputs: int, dialect: Dialect | None, name: str) -> int:
    """The signal of the first input."""
    starts: dict[Dialect, int] = {"plain": 0, "arithsgen": 2}
    possible = [each for each, start in starts.items() if _fits(nodes, outputs, first=start + inputs)]
    if dialect is not None:
        return starts[dialect]
    if len(possible) == 1:
        return starts[possible[0]]
    if not possible:
        first = nodes[0].number if nodes else None
        found = f"the first node {first}" if first is not None else "signals that are not there yet"
        raise AxhwError(
            f"Expected the first node of {name} to be {inputs} (plain) or {inputs + 2} (arithsgen), and nodes to read "
            f"what comes before them, found {found}."
        )
    raise AxhwError(
        f"Expected nodes with numbers in {name}, found bare ones that can be read in two ways: say --dialect plain if "
        "the inputs begin at signal 0, or --dialect arithsgen if they begin at 2, behind the constants."
    )


def _fits(nodes: Sequence[_Node], outputs: Sequence[int], *, first: int) -> bool:
    """Whether every signal is there when it is read, if the first node is `first`."""
    for place, node in enumerate(nodes, start=first):
        if node.number not in (None, place) or max(node.x, node.y) >= place:
            return False
    return max(outputs) < first + len(nodes)


def _circuit(nodes: Sequence[_Node], outputs: Sequence[int], *, inputs: int, start: int, name: str) -> GateNetlist:
    builder = GateBuilder(inputs)
    signals = [ZERO, ONE][:start] + list(range(inputs))
    for node in nodes:
        place = len(signals)
        if node.number not in (None, place):
            raise AxhwError(f"Expected node {place} in {name}, found {node.number}.")
        if max(node.x, node.y) >= place:
            raise AxhwError(f"Expected node {place} of {name} to read signals below it, found {node.x} and {node.y}.")
        if node.function >= len(_FUNCTIONS):
            raise AxhwError(
                f"Expected a function from 0 to {len(_FUNCTIONS) - 1} at node {place} of {name}, found {node.function}."
            )
        signals.append(builder.add(_FUNCTIONS[node.function], signals[node.x], signals[node.y]))
    beyond = [output for output in outputs if output >= len(signals)]
    if beyond:
        raise AxhwError(f"Expected outputs of {name} below {len(signals)}, found {beyond[0]}.")
    return builder.build([signals[output] for output in outputs])


def _shown(text: str) -> str:
    """The beginning of a text, for messages."""
    return repr(text[:_SHOWN] + ("..." if len(text) > _SHOWN else "")) if text.strip() else "nothing"

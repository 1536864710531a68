"""Zero-delay simulation of mapped netlists, 64 input vectors in every machine word.

The values of a net over all vectors are a row of words as in `axhw.hdl.bits`. A gate is then a few bitwise
numpy operations on rows, whatever the number of vectors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.bits import Words
from axhw.sim.gate_programs import ALL_ONES, AND, OR, XOR, NetlistProgram
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, GateGraph, Netlist

_UFUNCS = {AND: np.bitwise_and, OR: np.bitwise_or, XOR: np.bitwise_xor}


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

    program = NetlistProgram.of(graph)
    rows = [*out, *np.empty((program.rows - graph.net_count, count), np.uint64)]
    rows[CONSTANT_0].fill(0)
    rows[CONSTANT_1].fill(ALL_ONES)
    for net, row in zip(graph.sources.tolist(), sources, strict=True):
        rows[net][:] = row
    for operation, x, y, destination in zip(*(column.tolist() for column in program[:-1])):
        _UFUNCS[operation](rows[x], rows[y], rows[destination])
    return out


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

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.bits import exhaustive_words, pack_operands, unpack_product
from axhw.sim._cycles import run_program
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.gate_programs import NetlistProgram
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.reader import embedded_library, read_library
from axhw.synth.netlist import CONSTANT_1, GateFunction, GateGraph

PDK = Path(__file__).parents[3] / "shared" / "pdk"
PINS = ("A", "B", "C", "D")


def expressions() -> st.SearchStrategy[tuple[str, ...]]:
    """Postfix expressions over the pins A to D."""
    return st.recursive(
        st.sampled_from([*PINS, "0", "1"]).map(lambda leaf: (leaf,)),
        lambda inner: st.one_of(
            inner.map(lambda operand: (*operand, "!")),
            st.tuples(inner, inner, st.sampled_from("&|^")).map(lambda parts: (*parts[0], *parts[1], parts[2])),
        ),
        max_leaves=12,
    )


def gate(expression: BooleanFunction, pins: Sequence[str] = PINS) -> GateFunction:
    return GateFunction(
        cell="cell", pin="Y", inputs=tuple(pins), expression=expression, truth_table=expression.truth_table(pins)
    )


def graph_of(functions: Sequence[GateFunction], fanin: Sequence[Sequence[int]], sources: int) -> GateGraph:
    """One gate after the other: gate g drives net 2 + sources + g."""
    width = max((len(nets) for nets in fanin), default=1)
    count = len(functions)
    return GateGraph(
        net_count=2 + sources + count,
        sources=np.arange(2, 2 + sources, dtype=np.int32),
        functions=tuple(functions),
        function=np.arange(count, dtype=np.int32),
        fanin=np.array([[*nets, *[-1] * (width - len(nets))] for nets in fanin], np.int32).reshape(count, width),
        output=np.arange(2 + sources, 2 + sources + count, dtype=np.int32),
        instance=np.arange(count, dtype=np.int32),
        level_starts=np.arange(count + 1, dtype=np.int32),
    )


def by_truth_tables(graph: GateGraph, vector: Sequence[int]) -> list[int]:
    """The slow way: one vector, one table look-up per gate."""
    values = [0, 1, *vector]
    for index, fanin in zip(graph.function, graph.fanin, strict=True):
        function = graph.functions[index]
        entry = sum(values[net] << position for position, net in enumerate(fanin[: len(function.inputs)]))
        values.append(int(function.truth_table[entry]))
    return values


@given(st.data())
def test_random_netlists_equal_their_truth_tables(data: st.DataObject) -> None:
    sources = data.draw(st.integers(1, 6))
    functions, fanin = [], []
    for position in range(data.draw(st.integers(1, 8))):
        functions.append(gate(BooleanFunction(data.draw(expressions()))))
        fanin.append(data.draw(st.lists(st.integers(0, 1 + sources + position), min_size=4, max_size=4)))
    graph = graph_of(functions, fanin, sources)
    nets = evaluate(graph, exhaustive_words(sources))
    for vector in range(64):
        expected = by_truth_tables(graph, [vector >> bit & 1 for bit in range(sources)])
        assert [int(row[0]) >> vector & 1 for row in nets] == expected
    program = NetlistProgram.of(graph)
    rows = np.zeros((program.rows, 3), np.uint64)
    rows[CONSTANT_1] = np.iinfo(np.uint64).max
    rows[graph.sources] = exhaustive_words(sources)
    run_program(*program[:-1], rows)
    np.testing.assert_array_equal(rows[: graph.net_count], np.repeat(nets, 3, axis=1))


def check_library(library: CellLibrary) -> int:
    """Every function of a library as a single gate, over all its inputs."""
    checked = 0
    for cell in library.cells.values():
        for pin in cell.outputs:
            if pin.function is None or cell.flip_flop is not None or cell.is_latch:
                continue
            expression = BooleanFunction.parse(pin.function)
            count = len(expression.pins)
            graph = graph_of([gate(expression, expression.pins)], [range(2, 2 + count)], count)
            output = evaluate(graph, exhaustive_words(count))[-1:]
            simulated = unpack_product(output, signed=False, count=1 << count)
            np.testing.assert_array_equal(simulated, expression.truth_table(expression.pins), err_msg=cell.name)
            checked += 1
    return checked


def test_every_cell_of_the_embedded_library() -> None:
    assert check_library(embedded_library()) > 30


@pytest.mark.parametrize("file", ["sg13g2_stdcell_typ_1p20V_25C.lib", "sky130hd_tt.lib.gz"])
def test_every_cell_of_real_libraries(file: str) -> None:
    if not (PDK / file).is_file():
        pytest.skip(f"no {file} in {PDK.name}")
    assert check_library(read_library(PDK / file)) > 50


def test_a_mapping_and_an_array_of_words_are_the_same() -> None:
    expression = BooleanFunction.parse("!(A & B)")
    graph = graph_of([gate(expression, ("A", "B"))], [[2, 3]], 2)
    words = pack_operands(np.arange(256), 2)
    np.testing.assert_array_equal(evaluate(graph, words), evaluate(graph, {3: words[1], 2: words[0]}))


def test_an_array_is_filled_in_place() -> None:
    expression = BooleanFunction.parse("A ^ B")
    graph = graph_of([gate(expression, ("A", "B"))], [[2, 3]], 2)
    words = exhaustive_words(2)
    out = np.full((graph.net_count, 1), 0x5A5A, np.uint64)
    assert evaluate(graph, words, out=out) is out
    np.testing.assert_array_equal(out, evaluate(graph, words))


def test_errors() -> None:
    graph = graph_of([gate(BooleanFunction.parse("A"), ("A",))], [[2]], 2)
    one = np.zeros(1, np.uint64)
    with pytest.raises(AxhwError, match=r"^Expected words for the source nets \[2, 3\], found none for \[3\]\.$"):
        evaluate(graph, {2: one})
    with pytest.raises(AxhwError, match=r"^Expected words for 2 source nets, found 3 rows\.$"):
        evaluate(graph, np.zeros((3, 1), np.uint64))
    with pytest.raises(AxhwError, match=r"^Expected uint64 words of one length for every source net, found"):
        evaluate(graph, {2: one, 3: np.zeros(2, np.uint64)})
    with pytest.raises(
        AxhwError, match=r"^Expected uint64 of shape \(5, 1\) for the net values, found uint64 \(5, 2\)\.$"
    ):
        evaluate(graph, {2: one, 3: one}, out=np.zeros((5, 2), np.uint64))


def test_ports_must_be_those_of_the_netlist(mapped: Callable[[str], Any]) -> None:
    netlist = mapped("exact").netlist
    words = exhaustive_words(8)
    assert set(port_words(netlist, {"a": words, "b": words})) == {*netlist.inputs["a"], *netlist.inputs["b"]}
    with pytest.raises(AxhwError, match=r"^Expected words for the inputs \{'a': 8, 'b': 8\} \(bits\) of exact8s"):
        port_words(netlist, {"a": words, "b": words[:7]})

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Pin
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, Instance, Netlist, levelize

Bits = list[Any]


def cell(name: str, inputs: str, outputs: Mapping[str, str | None], **more: Any) -> Cell:
    pins = {pin: Pin(name=pin, direction="input", capacitance_ff=1.0) for pin in inputs}
    pins |= {
        pin: Pin(name=pin, direction="output", capacitance_ff=0.0, function=function)
        for pin, function in outputs.items()
    }
    return Cell(name=name, area_um2=1.0, leakage_nw=1.0, leakage_states=(), pins=pins, **more)


CELLS = [
    cell("INV", "A", {"Y": "!A"}),
    cell("NAND2", "AB", {"Y": "!(A&B)"}),
    cell("AND3", "ABC", {"Y": "A&B&C"}),
    cell("HA", "AB", {"S": "A^B", "CO": "A&B"}),
    cell("TIE1", "", {"Y": "1"}),
    cell("ODD", "ABC", {"Y": "A|C"}),
    cell(
        "DFF",
        "DC",
        {"Q": "IQ", "QN": "IQN"},
        flip_flop=FlipFlop(state="IQ", inverted="IQN", clocked_on="C", next_state="D"),
    ),
    cell("LATCH", "DG", {"Q": "IQ"}, is_latch=True),
    cell("BLACK", "A", {"Y": None}),
]
LIBRARY = CellLibrary(
    name="few", voltage_v=1.0, temperature_c=25.0, process=1.0, sha256="", cells={each.name: each for each in CELLS}
)


def document(
    cells: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    inputs: Mapping[str, Bits],
    outputs: Mapping[str, Bits],
    name: str = "top",
) -> dict[str, Any]:
    """A module as Yosys writes it; pins on one bit each."""
    ports = {port: {"direction": "input", "bits": bits} for port, bits in inputs.items()}
    ports |= {port: {"direction": "output", "bits": bits} for port, bits in outputs.items()}
    body = {
        key: {"type": kind, "connections": {pin: bit if isinstance(bit, list) else [bit] for pin, bit in pins.items()}}
        for key, (kind, pins) in cells.items()
    }
    return {"modules": {name: {"ports": ports, "cells": body}}}


def netlist(cells: Mapping[str, tuple[str, Mapping[str, Any]]], *, inputs: Bits, outputs: Bits) -> Netlist:
    return Netlist.from_yosys(document(cells, inputs={"a": inputs}, outputs={"o": outputs}))


def test_reading_yosys_json() -> None:
    found = Netlist.from_yosys(
        document(
            {
                "_1_": ("NAND2", {"A": 7, "B": "1", "Y": 20}),
                "_2_": ("DFF", {"D": 20, "C": 9, "Q": 4, "QN": []}),
                "scope": ("$scopeinfo", {}),
            },
            inputs={"a": [7, 8], "clk": [9]},
            outputs={"o": [4, "0", 7, "x"]},
        )
    )
    assert found.name == "top"
    assert found.inputs == {"a": (2, 3), "clk": (4,)}
    assert found.outputs == {"o": (5, CONSTANT_0, 2, CONSTANT_0)}
    assert found.instances == (
        Instance(name="_1_", cell="NAND2", pins={"A": 2, "B": CONSTANT_1, "Y": 6}),
        Instance(name="_2_", cell="DFF", pins={"D": 6, "C": 4, "Q": 5}),
    )
    assert found.net_count == 7


def test_the_digest_is_that_of_the_structure() -> None:
    def digest(cells: Mapping[str, tuple[str, Mapping[str, Any]]], inputs: Bits, outputs: Bits) -> str:
        return netlist(cells, inputs=inputs, outputs=outputs).sha256

    base = digest({"g": ("NAND2", {"A": 2, "B": 3, "Y": 4})}, [2, 3], [4])
    assert base == digest({"renamed": ("NAND2", {"Y": 40, "B": 30, "A": 20})}, [20, 30], [40])
    others = [
        digest({"g": ("HA", {"A": 2, "B": 3, "S": 4})}, [2, 3], [4]),
        digest({"g": ("NAND2", {"A": 3, "B": 2, "Y": 4})}, [2, 3], [4]),
        digest({"g": ("NAND2", {"A": 2, "B": 3, "Y": 4})}, [2, 3], [4, 4]),
        digest({}, [2, 3], [2]),
    ]
    assert len({base, *others}) == 5
    body = '[[["a",[2,3]]],[["o",[4]]],[["NAND2",[["A",2],["B",3],["Y",4]]]]]'
    assert base == hashlib.sha256(body.encode()).hexdigest(), "records in stores rest on this form"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "Expected a module named 'other' in the netlist, found ['top']."),
        ({"z": True}, "Expected nets or constants 0/1 in module top, found 'z' at g.A."),
        ({"inout": True}, "Expected input and output ports in module top, found inout port 'pad'."),
        ({"two": True}, "Expected a netlist with one module, found 2: ['more', 'top']."),
        ({"none": True}, "Expected a netlist with one module, found 0: []."),
    ],
)
def test_json_that_is_no_netlist(change: Mapping[str, bool], message: str) -> None:
    text = document({"g": ("INV", {"A": 2, "Y": 3})}, inputs={"a": [2]}, outputs={"o": [3]})
    module, top = text["modules"]["top"], None if change else "other"
    if "z" in change:
        module["cells"]["g"]["connections"]["A"] = ["z"]
    if "inout" in change:
        module["ports"]["pad"] = {"direction": "inout", "bits": [5]}
    if "two" in change:
        text["modules"]["more"] = module
    if "none" in change:
        text = {"creator": "Yosys"}
    with pytest.raises(AxhwError) as found:
        Netlist.from_yosys(text, top=top)
    assert str(found.value) == message


def test_levels() -> None:
    graph = levelize(
        netlist(
            {
                "late": ("NAND2", {"A": 6, "B": 2, "Y": 7}),
                "sum": ("HA", {"A": 2, "B": 3, "S": 5, "CO": 6}),
                "tie": ("TIE1", {"Y": 8}),
                "odd": ("ODD", {"A": 7, "B": 3, "C": 8, "Y": 9}),
                "flop": ("DFF", {"D": 9, "C": 4, "Q": 10}),
                "next": ("INV", {"A": 10, "Y": 11}),
            },
            inputs=[2, 3, 4],
            outputs=[5, 11],
        ),
        LIBRARY,
    )
    names = [(graph.functions[index].cell, graph.functions[index].pin) for index in graph.function]
    assert names == [("HA", "S"), ("HA", "CO"), ("TIE1", "Y"), ("INV", "Y"), ("NAND2", "Y"), ("ODD", "Y")]
    assert graph.level_starts.tolist() == [0, 4, 5, 6]
    assert graph.instance.tolist() == [1, 1, 2, 5, 0, 3]
    assert graph.sources.tolist()[:3] == [2, 3, 4]
    assert len(graph.sources) == 4, "the flip-flop's output is one"
    assert graph.fanin[:2].tolist() == [[2, 3], [2, 3]]
    assert graph.fanin[2].tolist() == [-1, -1]
    odd = graph.functions[graph.function[5]]
    assert odd.inputs == ("A", "C"), "pin B is not in the function"
    assert odd.truth_table.tolist() == [False, True, True, True]
    assert graph.fanin[5].tolist() == [graph.output[4], graph.output[2]]


def test_no_gates() -> None:
    graph = levelize(netlist({}, inputs=[2, 3], outputs=[3, "0", "1"]), LIBRARY)
    assert graph.sources.tolist() == [2, 3]
    assert (graph.functions, graph.output.size, graph.fanin.shape) == ((), 0, (0, 1))
    assert graph.level_starts.tolist() == [0]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            {"g": ("XNOR9", {"A": 2, "Y": 4})},
            "Expected cells of library few in netlist top, found 'XNOR9' at g: cost the design with the library it was "
            "mapped to.",
        ),
        (
            {"g": ("LATCH", {"D": 2, "G": 3, "Q": 4})},
            "Expected flip-flops and gates in top, found latch LATCH at g.",
        ),
        ({"g": ("NAND2", {"A": 2, "Y": 4})}, "Expected pin B of g (NAND2) to be connected, found it open."),
        (
            {"g": ("INV", {"A": 2, "Y": 4}), "h": ("INV", {"A": 3, "Y": 4})},
            "Expected one driver per net in top, found h.Y on a net that g.Y drives already.",
        ),
        (
            {"g": ("INV", {"A": 2, "Y": 4}), "h": ("DFF", {"D": 2, "C": 3, "Q": 4})},
            "Expected one driver per net in top, found h.Q on a net that g.Y drives already.",
        ),
        (
            {"g": ("INV", {"A": 2, "Y": 3}), "h": ("INV", {"A": 2, "Y": 4})},
            "Expected one driver per net in top, found g.Y on a net that an input port drives already.",
        ),
        (
            {"g": ("INV", {"A": 2, "Y": "0"}), "h": ("INV", {"A": 2, "Y": 4})},
            "Expected one driver per net in top, found g.Y on a net that a constant drives already.",
        ),
        (
            {"g": ("BLACK", {"A": 2, "Y": 4})},
            "Expected a function on output Y of cell BLACK, found none.",
        ),
        (
            {"g": ("NAND2", {"A": 2, "B": 9, "Y": 4})},
            "Expected every net of top to be driven, found g.B on a net without a driver.",
        ),
        ({}, "Expected every net of top to be driven, found output port o on a net without a driver."),
        (
            {
                "g": ("NAND2", {"A": 2, "B": 5, "Y": 4}),
                "h": ("INV", {"A": 4, "Y": 5}),
                "i": ("INV", {"A": 2, "Y": 6}),
            },
            "Expected combinational logic without loops in top, found a loop through g.",
        ),
        (
            {"g": ("NAND2", {"A": 2, "B": 4, "Y": 4})},
            "Expected combinational logic without loops in top, found a loop through g.",
        ),
    ],
)
def test_netlists_that_have_no_levels(cells: dict[str, tuple[str, dict[str, Any]]], message: str) -> None:
    with pytest.raises(AxhwError) as found:
        levelize(netlist(cells, inputs=[2, 3], outputs=[4]), LIBRARY)
    assert str(found.value) == message


def test_a_loop_through_a_flip_flop_is_none() -> None:
    cells = {"g": ("NAND2", {"A": 2, "B": 5, "Y": 4}), "h": ("DFF", {"D": 4, "C": 3, "Q": 5})}
    assert levelize(netlist(cells, inputs=[2, 3], outputs=[4]), LIBRARY).level_starts.tolist() == [0, 1]


KINDS = {"INV": ("A",), "NAND2": ("A", "B"), "AND3": ("A", "B", "C"), "HA": ("A", "B"), "DFF": ("D",), "TIE1": ()}


@st.composite
def random_cells(draw: st.DrawFn) -> dict[str, tuple[str, dict[str, Any]]]:
    """Gates and flip-flops, each gate reading inputs, constants and what is before it; then listed in any order.

    Bits 2 to 4 are inputs and 5 the clock; instance i drives the bits 10 + 2 i and 11 + 2 i.
    """
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=25))
    flops = [10 + 2 * position for position, kind in enumerate(kinds) if kind == "DFF"]
    driven: list[Any] = ["0", "1", 2, 3, 4, *flops]
    cells = {}
    for position, kind in enumerate(kinds):
        # A flip-flop may read anything, itself and later gates included.
        later = [10 + 2 * other for other in range(len(kinds))] if kind == "DFF" else []
        pins = {pin: draw(st.sampled_from([*driven, *later])) for pin in KINDS[kind]}
        outputs = {"HA": ("S", "CO"), "DFF": ("Q",)}.get(kind, ("Y",))
        bits = [10 + 2 * position + offset for offset in range(len(outputs))]
        cells[f"i{position}"] = (kind, {**pins, **dict(zip(outputs, bits)), **({"C": 5} if kind == "DFF" else {})})
        driven += bits
    order = draw(st.permutations(sorted(cells)))
    return {name: cells[name] for name in order}


@settings(max_examples=200)
@given(random_cells())
def test_levels_are_those_of_the_longest_paths(cells: dict[str, tuple[str, dict[str, Any]]]) -> None:
    design = netlist(cells, inputs=[2, 3, 4, 5], outputs=[2])
    graph = levelize(design, LIBRARY)
    # A gate's node is the pair of its instance and output pin.
    drivers = {
        net: (instance.name, pin)
        for instance in design.instances
        for pin, net in instance.pins.items()
        if instance.cell != "DFF" and pin in ("Y", "S", "CO")
    }
    dependencies = nx.DiGraph()
    dependencies.add_nodes_from(drivers.values())
    for instance in design.instances:
        for output in {"Y", "S", "CO"} & set(instance.pins) if instance.cell != "DFF" else ():
            for pin in KINDS[instance.cell]:
                if (driver := drivers.get(instance.pins[pin])) is not None:
                    dependencies.add_edge(driver, (instance.name, output))
    expected = {
        node: level for level, nodes in enumerate(nx.topological_generations(dependencies), 1) for node in nodes
    }
    found = {}
    for level, (start, end) in enumerate(zip(graph.level_starts, graph.level_starts[1:]), 1):
        for row in range(start, end):
            found[drivers[int(graph.output[row])]] = level
            function, instance = graph.functions[graph.function[row]], design.instances[graph.instance[row]]
            assert (function.cell, instance.pins[function.pin]) == (instance.cell, graph.output[row])
            nets = [instance.pins[pin] for pin in function.inputs]
            assert graph.fanin[row].tolist() == nets + [-1] * (graph.fanin.shape[1] - len(nets))
    assert found == expected
    assert graph.level_starts[-1] == len(graph.output)
    flops = [instance.pins["Q"] for instance in design.instances if instance.cell == "DFF"]
    assert sorted(graph.sources.tolist()) == sorted([*design.inputs["a"], *flops])


@settings(max_examples=100)
@given(random_cells())
def test_the_graph_view_has_an_edge_for_every_driven_pin(cells: dict[str, tuple[str, dict[str, Any]]]) -> None:
    design = netlist(cells, inputs=[2, 3, 4, 5], outputs=[2, "0", *([10] if "i0" in cells else [])])
    view = design.graph(LIBRARY)
    assert set(view) == {"a", "o", *cells}
    edges = {(driver, reader, data["pin"]) for driver, reader, data in view.edges(data=True) if "pin" in data}
    expected = set()
    for name, (kind, pins) in cells.items():
        for pin in (*KINDS[kind], *(["C"] if kind == "DFF" else [])):
            bit = pins[pin]
            if not isinstance(bit, str):
                expected.add(("a" if bit < 10 else f"i{(bit - 10) // 2}", name, pin))
    assert edges == expected
    assert view.number_of_edges() == len(expected) + len(view.in_edges("o"))
    assert len(view.in_edges("o")) == 1 + ("i0" in cells)
    assert nx.get_node_attributes(view, "cell") == {name: kind for name, (kind, _) in cells.items()}


def test_netlists_travel_as_json() -> None:
    text = document({"g": ("INV", {"A": 2, "Y": 3})}, inputs={"a": [2]}, outputs={"o": [3]})
    assert Netlist.from_yosys(json.loads(json.dumps(text))).sha256 == Netlist.from_yosys(text).sha256
    with pytest.raises(dataclasses.FrozenInstanceError):
        Netlist.from_yosys(text).name = "other"  # type: ignore[misc]


def test_arrays_have_the_types_of_kernels() -> None:
    graph = levelize(netlist({"g": ("INV", {"A": 2, "Y": 4})}, inputs=[2], outputs=[4]), LIBRARY)
    arrays = (graph.sources, graph.function, graph.fanin, graph.output, graph.instance, graph.level_starts)
    assert {array.dtype for array in arrays} == {np.dtype(np.int32)}

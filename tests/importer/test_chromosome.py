from __future__ import annotations

import contextlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.bits import exhaustive_words
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.gates import FUNCTIONS, NAMES, Gate, GateNetlist
from axhw.importer.chromosome import Dialect, read_chromosome

CODES = ("buf", "not", "and", "or", "xor", "nand", "nor", "xnor", "one", "zero")


def written(circuit: GateNetlist, *, start: int, numbered: bool = True, columns: str = "1,{}") -> str:
    """A circuit of the chromosome's own functions as text, with inputs from signal `start` on."""
    nodes = []
    for number, gate in enumerate(circuit.gates, start=start + circuit.inputs):
        label = f"[{number}]" if numbered else ""
        nodes.append(f"({label}{gate.x + start},{gate.y + start},{CODES.index(NAMES[gate.function])})")
    size = columns.format(len(nodes))
    outputs = ",".join(str(output + start) for output in circuit.outputs)
    return f"{{{circuit.inputs},{len(circuit.outputs)},{size},2,1,0}}{''.join(nodes)}({outputs})"


@st.composite
def circuits(draw: st.DrawFn) -> GateNetlist:
    """Circuits of up to 30 gates."""
    inputs = draw(st.integers(1, 8))
    gates = []
    for number in range(inputs, inputs + draw(st.integers(0, 30))):
        function = FUNCTIONS[draw(st.sampled_from(CODES))]
        gates.append(Gate(function, draw(st.integers(0, number - 1)), draw(st.integers(0, number - 1))))
    signals = st.integers(0, inputs + len(gates) - 1)
    outputs = draw(st.lists(signals, min_size=1, max_size=8))
    return GateNetlist(inputs=inputs, gates=tuple(gates), outputs=tuple(outputs))


def same(first: GateNetlist, second: GateNetlist) -> bool:
    words = exhaustive_words(first.inputs)
    return bool(np.array_equal(first.evaluate(words), second.evaluate(words)))


@settings(max_examples=200)
@given(circuit=circuits(), dialect=st.sampled_from(["plain", "arithsgen"]), numbered=st.booleans())
def test_any_circuit_is_read_as_it_was_written(circuit: GateNetlist, dialect: Dialect, numbered: bool) -> None:
    text = written(circuit, start=2 if dialect == "arithsgen" else 0, numbered=numbered)
    assert same(read_chromosome(text, dialect=dialect), circuit)
    if numbered and circuit.gates:
        assert same(read_chromosome(text), circuit)


@settings(max_examples=300)
@given(text=st.text(alphabet="{}()[]0123456789, \n", max_size=60))
def test_other_text_is_refused(text: str) -> None:
    with contextlib.suppress(AxhwError):
        read_chromosome(text)


@settings(max_examples=200)
@given(circuit=circuits())
def test_gates_as_text_are_read_as_they_were_written(circuit: GateNetlist) -> None:
    assert GateNetlist.of(circuit.text()) == GateNetlist.of(circuit.text(separator=" ; "))
    assert same(GateNetlist.of(circuit.text()), circuit)


def test_constants_of_arithsgen() -> None:
    # Signals 0 and 1 are constants, functions 8 and 9 give 1 and 0.
    text = "{2,5,1,3,2,1,0}([4]2,1,2)([5]3,0,8)([6]2,2,9)(4,0,1,5,6)"
    outputs = read_chromosome(text).evaluate(exhaustive_words(2))[:, 0] & np.uint64(0b1111)
    assert outputs.tolist() == [0b1010, 0, 0b1111, 0b1111, 0]


def test_rows_and_columns_and_white_space() -> None:
    multiplier = exact_multiplier(4, signed=False)
    text = written(multiplier, start=2, columns="{},1").replace(")(", ") \n (").replace(",", ", ")
    assert same(read_chromosome(text + "\n"), multiplier)


def test_bare_nodes_tell_where_constants_are_when_they_can() -> None:
    # Node 0 reads signal 5, which is there only if the four inputs begin at 2.
    assert read_chromosome("{4,1,1,1,2,1,0}(5,4,2)(6)").active[:4].tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected c to begin with {inputs,outputs,rows,columns,2,1,back}, found nothing."),
        ("{4,1,1,1,2,1}(0,1,2)(4)", "Expected c to begin with {inputs,outputs,rows,columns,2,1,back}, found "
         "'{4,1,1,1,2,1}(0,1,2)(4)'."),
        ("{4,1,1,1,3,1,0}([4]0,1,2)(4)", "Expected nodes of 2 inputs and 1 output in c, found 3 and 1."),
        ("{0,1,1,1,2,1,0}([4]0,1,2)(4)", "Expected inputs and outputs in c, found 0 and 1."),
        ("{4,1,1,2,2,1,0}([4]0,1,2)(4)",
         "Expected 2 nodes in c, all or none with their number, found 1, 1 of them with "
         "a number."),
        ("{4,1,1,2,2,1,0}([4]0,1,2)(0,1,2)(4)",
         "Expected 2 nodes in c, all or none with their number, found 2, 1 of them "
         "with a number."),
        ("{4,2,1,1,2,1,0}([4]0,1,2)(4)", "Expected 2 outputs in c, found 1."),
        ("{4,1,1,1,2,1,0}([4]0,1,2)", "Expected nodes ([n]x,y,f) and then outputs (n,n,...) in c, found nothing."),
        ("{4,1,1,1,2,1,0}([4]0,1,2)(4) rest",
         "Expected nodes ([n]x,y,f) and then outputs (n,n,...) in c, found 'rest'."),
        ("{4,1,1,1,2,1,0}([5]0,1,2)(4)",
         "Expected the first node of c to be 4 (plain) or 6 (arithsgen), and nodes to read "
         "what comes before them, found the first node 5."),
        ("{4,1,1,1,2,1,0}(0,1,2)(4)",
         "Expected nodes with numbers in c, found bare ones that can be read in two ways: say "
         "--dialect plain if the inputs begin at signal 0, or --dialect arithsgen if they begin at 2, behind the "
         "constants."),
        ("{4,1,1,1,2,1,0}([4]0,1,10)(4)", "Expected a function from 0 to 9 at node 4 of c, found 10."),
        ("{4,1,1000,1000,2,1,0}(4)", "Expected at most 100,000 nodes in c, found 1,000,000."),
    ],
)  # fmt: skip
def test_chromosomes_with_faults_are_refused(text: str, message: str) -> None:
    with pytest.raises(AxhwError, match=f"^{re.escape(message)}$"):
        read_chromosome(text, name="c")


@pytest.mark.parametrize(
    ("text", "dialect", "message"),
    [
        ("{4,1,1,1,2,1,0}([4]0,1,2)(4)", "arithsgen", "Expected node 6 in c, found 4."),
        ("{4,1,1,1,2,1,0}([4]0,4,2)(4)", "plain", "Expected node 4 of c to read signals below it, found 0 and 4."),
        ("{4,1,1,1,2,1,0}([4]0,1,2)(5)", "plain", "Expected outputs of c below 5, found 5."),
    ],
)
def test_a_dialect_that_does_not_fit_is_refused(text: str, dialect: Dialect, message: str) -> None:
    with pytest.raises(AxhwError, match=f"^{re.escape(message)}$"):
        read_chromosome(text, dialect=dialect, name="c")


def test_published_dialects(files: Path) -> None:
    """A numbered file of today, and one as older versions wrote it: bare nodes, the product's top bit first."""
    exact = exact_multiplier(4, signed=False)
    assert same(read_chromosome((files / "mul4u_numbered.chr").read_text()), exact)
    old = read_chromosome((files / "mul4u_old.chr").read_text())
    assert same(GateNetlist(inputs=8, gates=old.gates, outputs=old.outputs[::-1]), exact)

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.sim.activity import Activity, source_values
from axhw.sim.operands import uniform
from axhw.sim.saif import saif
from axhw.sim.timed import timed_activity
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.names import NetName, VerilogNames, verilog_names
from axhw.synth.netlist import Instance, Netlist, levelize
from axhw.synth.power import measure_energy
from axhw.synth.timing import analyze_timing

LIBRARY = load_library(DEFAULT).cells
NETLIST = Netlist(
    name="top",
    inputs={"a": (2, 3), "clk": (4,)},
    outputs={"o": (5, 1, 2)},
    instances=(Instance(name="$1", cell="NAND2", pins={"A": 2, "B": 3, "Y": 5}),),
    net_count=6,
)
NAMES = VerilogNames(
    module="top",
    instances=("pe.u$1",),
    nets={
        NetName("a", 0): 2,
        NetName("a", 1): 3,
        NetName("clk", None): 4,
        NetName("o", 0): 5,
        NetName("o", 1): 1,
        NetName("o", 2): 2,
        NetName("pe.x", 1): 5,
    },
)
ACTIVITY = Activity(
    rise=np.array([0, 0, 3, 0, 0, 7]),
    fall=np.array([0, 0, 2, 0, 0, 6]),
    pairs=8,
    mode="inertial",
    one_probability=np.array([0.0, 1.0, 0.5, 1 / 3, 0.0, 0.25]),
)
EXPECTED = r"""// two lines
// of comment
(SAIFILE
  (SAIFVERSION "2.0")
  (DIRECTION "backward")
  (DESIGN "top")
  (PROGRAM_NAME "axhw")
  (VERSION "X")
  (DIVIDER / )
  (TIMESCALE 1 ps)
  (DURATION 8000)
  (INSTANCE top
    (NET
      (a\[0\] (T0 4000) (T1 4000) (TX 0) (TC 5) (IG 0))
      (a\[1\] (T0 5333) (T1 2667) (TX 0) (TC 0) (IG 0))
      (clk (T0 4000) (T1 4000) (TX 0) (TC 16) (IG 0))
      (o\[0\] (T0 6000) (T1 2000) (TX 0) (TC 13) (IG 0))
      (o\[1\] (T0 0) (T1 8000) (TX 0) (TC 0) (IG 0))
      (o\[2\] (T0 4000) (T1 4000) (TX 0) (TC 5) (IG 0))
      (pe\.x\[1\] (T0 6000) (T1 2000) (TX 0) (TC 13) (IG 0))
    )
    (INSTANCE "NAND2" pe\.u\$1
      (NET
        (A (T0 4000) (T1 4000) (TX 0) (TC 5) (IG 0))
        (B (T0 5333) (T1 2667) (TX 0) (TC 0) (IG 0))
        (Y (T0 6000) (T1 2000) (TX 0) (TC 13) (IG 0))
      )
    )
  )
)
"""


def test_a_small_design() -> None:
    text = saif(NETLIST, NAMES, ACTIVITY, period_ps=1000, clock_net=4, comments=("two lines", "of comment"))
    assert re.sub(r'VERSION "\d[^"]*"(?=\)\n  \(DIV)', 'VERSION "X"', text) == EXPECTED


def test_a_period_of_nothing() -> None:
    with pytest.raises(AxhwError, match=r"^Expected a period of 1 ps or more, found 0 ps\.$"):
        saif(NETLIST, NAMES, ACTIVITY, period_ps=0)


# The grammar as power tools read it: header statements, then one instance.
HEADER = {
    "SAIFVERSION": r'"[^"]*"', "DIRECTION": r'"[^"]*"', "DESIGN": r'"[^"]*"', "PROGRAM_NAME": r'"[^"]*"',
    "VERSION": r'"[^"]*"', "DIVIDER": r"[/.]", "TIMESCALE": r"\d+ [munpf]s", "DURATION": r"\d+",
}  # fmt: skip
IDENTIFIER = re.compile(r"(?:\w|\\[^\w\s])+")


def words(text: str) -> list[str]:
    return re.findall(r'[()]|"[^"]*"|[^\s()"]+', re.sub(r"//[^\n]*\n|/\*.*?\*/", "", text))


class Reader:
    """A recursive-descent reader of SAIF 2.0."""

    def __init__(self, text: str) -> None:
        self.words = words(text)
        self.header: dict[str, str] = {}
        self.nets: dict[tuple[str, ...], dict[str, int]] = {}
        self.expect("(", "SAIFILE")
        while self.words[1] in HEADER:
            self.statement()
        self.instance(())
        self.expect(")")
        assert not self.words

    def expect(self, *expected: str) -> None:
        found, self.words = self.words[: len(expected)], self.words[len(expected) :]
        assert tuple(found) == expected

    def take(self) -> str:
        return self.words.pop(0)

    def statement(self) -> None:
        self.expect("(")
        key, value = self.take(), []
        while self.words[0] != ")":
            value.append(self.take())
        self.expect(")")
        assert re.fullmatch(HEADER[key], " ".join(value))
        self.header[key] = " ".join(value).strip('"')

    def identifier(self) -> str:
        name = self.take()
        assert IDENTIFIER.fullmatch(name)
        return re.sub(r"\\(.)", r"\1", name)

    def instance(self, path: tuple[str, ...]) -> None:
        self.expect("(", "INSTANCE")
        if self.words[0].startswith('"'):
            self.take()
        path = (*path, self.identifier())
        while self.words[0] == "(":
            if self.words[1] == "INSTANCE":
                self.instance(path)
                continue
            self.expect("(", "NET")
            while self.words[0] == "(":
                self.expect("(")
                name = self.identifier()
                states = {}
                while self.words[0] == "(":
                    self.expect("(")
                    state = self.take()
                    states[state] = int(self.take())
                    self.expect(")")
                self.expect(")")
                key = (*path, name)
                self.nets[key] = states
            self.expect(")")
        self.expect(")")


def test_grammar_and_figures_of_a_mapped_design(characterized: Callable[..., DesignRecord]) -> None:
    record = characterized("exact:width=4")
    netlist = record.netlist
    graph = levelize(netlist, LIBRARY)
    timing = analyze_timing(
        netlist,
        LIBRARY,
        graph=graph,
        input_slew_ns=record.cost.input_slew_ns,
        output_load_ff=record.cost.output_load_ff,
    )
    names = verilog_names(netlist, record.read("netlist.v").decode())
    conditions = Conditions()
    stream = uniform(record.multiplier, pairs=conditions.pairs + 1, seed=conditions.seed)
    activity = timed_activity(graph, timing, source_values(netlist, graph, {"a": stream.a, "b": stream.b}))
    reader = Reader(saif(netlist, names, activity, period_ps=10_000))
    duration = 10_000 * conditions.pairs
    assert reader.header["DURATION"] == str(duration)
    for states in reader.nets.values():
        assert states["T0"] + states["T1"] == duration
        assert (set(states), states["TX"]) == ({"T0", "T1", "TX", "TC", "IG"}, 0)
    for instance, name in zip(netlist.instances, names.instances):
        for pin, net in instance.pins.items():
            if net > 1:
                alias = next(str(each) for each, carried in names.nets.items() if carried == net)
                assert reader.nets["exact4s", name, pin] == reader.nets["exact4s", alias]

    # A power tool that takes these figures finds the energy of the record.
    rise, one = np.zeros(netlist.net_count, np.int64), np.zeros(netlist.net_count)
    fall = rise.copy()
    for each, net in names.nets.items():
        figures = reader.nets["exact4s", str(each)]
        rise[net], fall[net] = figures["TC"] - figures["TC"] // 2, figures["TC"] // 2
        one[net] = figures["T1"] / duration
    energy = measure_energy(
        netlist, LIBRARY, timing, rise=rise, fall=fall, operations=conditions.pairs, one_probability=one
    )
    assert energy.dynamic_fj == pytest.approx(record.cost.energy_fj, rel=1e-3)
    assert energy.leakage_nw == pytest.approx(record.cost.leakage_nw, rel=1e-3)

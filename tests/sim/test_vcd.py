from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from vcd.reader import TokenKind, tokenize

from axhw.errors import AxhwError
from axhw.record import DesignRecord
from axhw.sim.activity import source_values
from axhw.sim.events import Change, Waveforms, timed_waveforms
from axhw.sim.operands import uniform
from axhw.sim.timed import timed_activity
from axhw.sim.vcd import write_vcd
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.names import NetName, VerilogNames, verilog_names
from axhw.synth.netlist import Netlist, levelize
from axhw.synth.timing import analyze_timing

LIBRARY = load_library(DEFAULT).cells
NETLIST = Netlist(name="top", inputs={"a": (2, 3), "clk": (4,)}, outputs={"o": (5, 1, 2)}, instances=(), net_count=7)
NAMES = VerilogNames(
    module="top",
    instances=(),
    nets={
        **{NetName("a", bit): 2 + bit for bit in range(2)},
        NetName("clk", None): 4,
        **{NetName("o", bit): net for bit, net in enumerate((5, 1, 2))},
        NetName("pe.x", 0): 6,
    },
)
WAVEFORMS = Waveforms(
    initial=np.array([0, 1, 0, 1, 0, 0, 1], np.uint8),
    operations=(
        (Change(0, 2, 1), Change(0, 3, 0), Change(30, 6, 0), Change(70, 6, 1), Change(90, 5, 1)),
        (),
    ),
)
EXPECTED = """\
$comment two operations $end
$timescale 1 fs $end
$scope module top $end
$var wire 2 ! a $end
$var wire 1 " clk $end
$var wire 3 # o $end
$var wire 1 $ pe.x[0] $end
$upscope $end
$enddefinitions $end
#0
$dumpvars
b10 !
0"
b10 #
1$
$end
#100
1"
b1 !
b110 #
#130
0$
#150
0"
#170
1$
#190
b111 #
#200
1"
#250
0"
#300
"""


def test_a_small_design(tmp_path: Path) -> None:
    path = tmp_path / "waves.vcd"
    write_vcd(path, NETLIST, NAMES, WAVEFORMS, period_fs=100, clock_net=4, comment="two operations")
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("$version", "$date"))]
    assert "\n".join([*lines, ""]) == EXPECTED


def test_the_same_waveforms_make_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_vcd(tmp_path / name, NETLIST, NAMES, WAVEFORMS, period_fs=100)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert b"$date" not in (tmp_path / "one").read_bytes()


def test_a_period_too_short_to_settle(tmp_path: Path) -> None:
    message = r"^Expected a period in which top settles, more than 9e-05 ns, found 9e-05 ns\.$"
    with pytest.raises(AxhwError, match=message):
        write_vcd(tmp_path / "waves.vcd", NETLIST, NAMES, WAVEFORMS, period_fs=90)
    assert not (tmp_path / "waves.vcd").exists()
    write_vcd(tmp_path / "waves.vcd", NETLIST, NAMES, WAVEFORMS, period_fs=91)


def test_a_mapped_multiplier_seen_in_a_viewer(characterized: Callable[..., DesignRecord], tmp_path: Path) -> None:
    record = characterized("exact:width=4")
    netlist = record.netlist
    graph = levelize(netlist, LIBRARY)
    timing = analyze_timing(netlist, LIBRARY, graph=graph)
    names = verilog_names(netlist, record.read("netlist.v").decode())
    stream = uniform(record.multiplier, pairs=50, seed=3)
    values = source_values(netlist, graph, {"a": stream.a, "b": stream.b})
    path = tmp_path / "waves.vcd"
    write_vcd(path, netlist, names, timed_waveforms(graph, timing, values), period_fs=10_000_000)

    variables: dict[str, str] = {}
    seen: dict[str, int] = {}
    sampled: list[tuple[int, int, int]] = []
    transitions = dict.fromkeys(names.nets, 0)
    now = 0
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.VAR:
                variables[token.var.id_code] = token.var.reference
            elif token.kind is TokenKind.CHANGE_TIME:
                if token.time_change // 10_000_000 > now // 10_000_000:
                    sampled.append((seen["a"], seen["b"], seen["o"]))
                now = token.time_change
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else token.vector_change
                name = variables[change.id_code]
                value = int(change.value, 2) if isinstance(change.value, str) else int(change.value)
                for net_name in names.nets if name in seen else ():
                    if net_name.base == name:
                        bit = net_name.bit or 0
                        transitions[net_name] += (value ^ seen[name]) >> bit & 1
                seen[name] = value
    assert now == 10_000_000 * len(stream)
    assert sampled == [(a & 15, b & 15, a * b & 255) for a, b in zip(stream.a.tolist(), stream.b.tolist())]
    expected = timed_activity(graph, timing, values).transitions
    assert transitions == {name: expected[net] for name, net in names.nets.items()}

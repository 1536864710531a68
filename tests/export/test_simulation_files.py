"""SDF, SAIF and VCD exports of stored designs."""

from __future__ import annotations

import dataclasses
import gzip
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.export import SimulationOptions, export_designs
from axhw.export.timed_design import TimedDesign, find_libraries
from axhw.flow import Flow
from axhw.hdl.registry import create_element, parse
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.synth.liberty.reader import EMBEDDED_LIBRARY
from axhw.synth.liberty.writer import write_liberty
from axhw.synth.libraries import DEFAULT, load_library

Characterized = Callable[..., DesignRecord]


@pytest.fixture(scope="module")
def record(characterized: Characterized) -> DesignRecord:
    return characterized("exact:width=4")


@pytest.fixture(scope="module")
def element(characterized: Characterized) -> DesignRecord:
    return characterized("exact:width=4", "registered")


def test_sdf(record: DesignRecord, element: DesignRecord, tmp_path: Path) -> None:
    written = export_designs([record, element], tmp_path / "out", format="sdf")
    assert written == [
        tmp_path / "out" / folder / name
        for folder in ("exact4s", "exact4s_reg")
        for name in ("netlist.v", "netlist.sdf", "cells_timing.v")
    ]
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == sorted(written)
    assert written[0].read_bytes() == record.read("netlist.v")
    instances = re.findall(r"\(INSTANCE (\w+)\)", written[1].read_text())
    assert instances == re.findall(r"^  sg13g2_\w+ (\w+) \($", written[0].read_text(), re.MULTILINE)
    modules = set(re.findall(r"^module (\w+)", written[2].read_text(), re.MULTILINE))
    assert modules == {instance.cell for instance in record.netlist.instances}
    assert "ifnone" not in written[2].read_text()
    assert "$setup" in written[5].read_text()


def test_conditional_sdf(record: DesignRecord, tmp_path: Path) -> None:
    options = SimulationOptions(conditional=True)
    _, delays, models = export_designs([record], tmp_path, format="sdf", options=options)
    assert "(COND " in delays.read_text()
    assert "ifnone" in models.read_text()


def test_sdf_delays_are_those_of_the_stored_conditions(record: DesignRecord, tmp_path: Path) -> None:
    _, delays, _ = export_designs([record], tmp_path, format="sdf")
    heavy = dataclasses.replace(record, cost=dataclasses.replace(record.cost, output_load_ff=200.0))
    _, slower, _ = export_designs([heavy], tmp_path / "heavy", format="sdf")

    def total(path: Path) -> float:
        return sum(map(float, re.findall(r"\((\d+\.\d+)\)", path.read_text())))

    assert total(slower) > 1.1 * total(delays)


@pytest.mark.parametrize(
    ("options", "operations", "period_ps"),
    [
        (SimulationOptions(), 8192, 10_000),
        (SimulationOptions(pairs=100, seed=3, period_ns=2.5), 100, 2_500),
    ],
)
def test_saif(
    record: DesignRecord, options: SimulationOptions, operations: int, period_ps: int, tmp_path: Path
) -> None:
    (path,) = export_designs([record], tmp_path, format="saif", options=options)
    text = path.read_text()
    assert path == tmp_path / "exact4s" / "activity.saif"
    head = text.splitlines()[:2]
    assert (
        head[0] == f"// {operations} operations of {period_ps} ps: {operations + 1} uniform pairs, seed {options.seed}"
    )
    assert head[1] == (f"// exact4s on {record.cost.library}, process 1, 1.2 V, 25 C; delays with inertial filtering")
    assert f"(DURATION {operations * period_ps})" in text
    if options == SimulationOptions():
        assert record.cost.stream in head[0], "the default is the stream of a cost"


def test_saif_of_an_element(element: DesignRecord, tmp_path: Path) -> None:
    (path,) = export_designs([element], tmp_path, format="saif", options=SimulationOptions(pairs=300))
    text = path.read_text()
    match = re.match(r"// (\d+) operations of 10000 ps", text)
    assert match is not None
    operations = int(match.group(1))
    assert 250 < operations < 300
    half = 10_000 * operations // 2
    assert f"(clk (T0 {half}) (T1 {half}) (TX 0) (TC {2 * operations}) (IG 0))" in text


def test_vcd(record: DesignRecord, element: DesignRecord, tmp_path: Path) -> None:
    one, two = export_designs([record, element], tmp_path, format="vcd")
    assert (one, two) == (tmp_path / "exact4s" / "waves.vcd", tmp_path / "exact4s_reg" / "waves.vcd")
    assert "$comment the first 64 operations of 8193 uniform pairs, seed 1; exact4s on " in one.read_text()
    assert one.read_text().rstrip().endswith(f"#{65 * 10_000_000}")
    clock = re.search(r"\$var wire 1 (\S+) clk \$end", two.read_text())
    assert clock is not None
    body = two.read_text().split("$end\n#0\n")[1]
    assert len(re.findall(rf"^1{re.escape(clock.group(1))}$", body, re.MULTILINE)) == 64


def test_the_first_operations_are_those_of_a_longer_file(record: DesignRecord, tmp_path: Path) -> None:
    texts = []
    for pairs in (5, 9):
        options = SimulationOptions(pairs=pairs)
        (path,) = export_designs([record], tmp_path / str(pairs), format="vcd", options=options)
        texts.append(path.read_text().split("$enddefinitions")[1])
    end = texts[0].rindex("#60000000")
    assert texts[1].startswith(texts[0][:end])


def test_a_long_element_stream(element: DesignRecord, tmp_path: Path) -> None:
    options = SimulationOptions(pairs=300, period_ns=4)
    (path,) = export_designs([element], tmp_path, format="vcd", options=options)
    assert path.read_text().rstrip().endswith(f"#{301 * 4_000_000}")


def test_slow_designs_get_a_longer_period(record: DesignRecord, tmp_path: Path) -> None:
    fast_clock = dataclasses.replace(record, cost=dataclasses.replace(record.cost, clock_mhz=5000.0))
    (path,) = export_designs([fast_clock], tmp_path, format="vcd", options=SimulationOptions(pairs=2))
    assert record.cost.delay_ns > 1.0
    assert path.read_text().rstrip().endswith("#6000000")


def test_a_period_too_short(record: DesignRecord, tmp_path: Path) -> None:
    options = SimulationOptions(period_ns=0.3)
    with pytest.raises(
        AxhwError, match=r"^Expected a period in which exact4s settles, more than [\d.]+ ns, found 0.3 ns"
    ):
        export_designs([record], tmp_path, format="vcd", options=options)
    assert list((tmp_path / "exact4s").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pairs": 0}, "Expected at least one operand pair to simulate, found 0."),
        ({"seed": -1}, "Expected a seed of 0 or more, found -1."),
        ({"period_ns": 0.0}, "Expected a period of 0.001 ns or more, found 0.0."),
        ({"period_ns": float("nan")}, "Expected a period of 0.001 ns or more, found nan."),
    ],
)
def test_impossible_options(fields: dict[str, float], message: str) -> None:
    with pytest.raises(AxhwError) as error:
        SimulationOptions(**fields)  # type: ignore[arg-type]
    assert str(error.value) == message


@pytest.fixture(scope="module")
def other_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded library under another name and digest."""
    text = (resources.files("axhw.synth") / "data" / EMBEDDED_LIBRARY).read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("library") / "mine.lib.gz"
    path.write_bytes(gzip.compress(re.sub(r"library\s*\(\w+\)", "library(mine)", text, count=1).encode()))
    return path


@pytest.fixture(scope="module")
def other(other_library: Path) -> DesignRecord:
    # In a store of its own: other tests look for designs by name.
    store = Store(other_library.parent / "store")
    return characterize(parse("exact:width=4"), flow=Flow.of(library=load_library(str(other_library)), store=store))


def test_a_library_of_your_own(record: DesignRecord, other: DesignRecord, other_library: Path, tmp_path: Path) -> None:
    message = (
        f"Expected the file of the library mine that exact4s was made with, found none with the digest "
        f"{other.cost.library_sha256[:12]}: name it with --library."
    )
    with pytest.raises(AxhwError, match=re.escape(message)):
        export_designs([record, other], tmp_path, format="sdf")
    options = SimulationOptions(libraries=(str(other_library),))
    written = export_designs([record, other], tmp_path, format="sdf", options=options)
    folders = {path.parent.name for path in written}
    assert folders == {f"exact4s_{record.key[:8]}", f"exact4s_{other.key[:8]}"}
    with pytest.raises(AxhwError, match=r"^Expected a Liberty file at no\.lib, found: "):
        export_designs([record], tmp_path, format="sdf", options=SimulationOptions(libraries=("no.lib",)))


def test_a_library_in_two_files(tmp_path: Path) -> None:
    whole = load_library(DEFAULT).cells
    paths = []
    for number, combinational in enumerate((True, False)):
        cells = {name: cell for name, cell in whole.cells.items() if (cell.flip_flop is None) is combinational}
        paths.append(str(tmp_path / f"part{number}.lib"))
        text = write_liberty(dataclasses.replace(whole, name=f"part{number}", cells=cells), attribution="")
        Path(paths[-1]).write_text(text)
    library = load_library(",".join(paths))
    spec = create_element("registered", parse("exact:width=4"), {})
    made = characterize(
        spec, flow=Flow.of(library=library, store=Store(tmp_path / "store"), conditions=Conditions(wire_load="1k"))
    )
    for libraries in (tuple(paths), (",".join(reversed(paths)),)):
        options = SimulationOptions(libraries=libraries)
        design = TimedDesign(
            record=made, library=find_libraries([made], libraries)[library.cells.sha256], options=options
        )
        assert design.timing.min_period_ns == pytest.approx(made.cost.delay_ns)
    with pytest.raises(AxhwError, match=r"found none with the digest [0-9a-f]{12}: name it with --library"):
        find_libraries([made], paths[:1])


def test_another_netlist_in_the_store(record: DesignRecord, seal: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / "record"
    shutil.copytree(record.folder, folder)
    text = (folder / "netlist.v").read_text()
    first = re.search(r"^  sg13g2_\w+ \w+ \(.*?\);\n", text, re.MULTILINE | re.DOTALL)
    assert first is not None
    (folder / "netlist.v").write_text(text.replace(first.group(), ""))
    damaged = dataclasses.replace(record, folder=folder)
    with pytest.raises(AxhwError, match=r"^Expected netlist.v of exact4s in .*, found other bytes than SHA256"):
        export_designs([damaged], tmp_path / "out", format="sdf")
    seal(folder)
    with pytest.raises(AxhwError, match=r"^Expected the Verilog of exact4s to hold the instances of its netlist"):
        export_designs([damaged], tmp_path / "out", format="sdf")


def test_no_designs_and_unknown_formats(record: DesignRecord, tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"^Expected at least one design to export, found none: make some with `axhw"):
        export_designs([], tmp_path / "out", format="vcd")
    with pytest.raises(AxhwError, match=r"^Expected a format out of csv, npz, parquet, sdf, .*, found 'spef'\.$"):
        export_designs([record], tmp_path / "out", format="spef")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()

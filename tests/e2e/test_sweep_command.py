"""``axhw sweep``, ``ls`` and ``compare`` as their users type them; sweeps that are interrupted and killed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from axhw.cli import sweep
from axhw.cli.main import main
from axhw.cli.tables import Terminal, figure_text, plain_table
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.sweep.task import Outcome
from axhw.synth.liberty.reader import embedded_library
from axhw.synth.liberty.writer import write_liberty

Run = Callable[..., tuple[int, str, str]]

GRIDS = ("roup:width=4,p=0..2,r=0..2", "bam:width=4,v=0..2")
NAMES = {f"roup4s_p{p}_r{r}" for p in range(3) for r in range(3)} | {f"bam4s_ha0_hb0_v{v}" for v in range(3)}
OPTIONS = ("--pairs", "64", "--jobs", "2", "--json")


def begin(store: Path) -> subprocess.Popen[str]:
    """A sweep in a process group of its own, so that it can be killed with all its workers."""
    return subprocess.Popen(
        [sys.executable, "-m", "axhw", "sweep", *GRIDS, *OPTIONS],
        env={**os.environ, "AXHW_STORE": str(store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], done: int) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"[{done}/"):
            return
    pytest.fail("the sweep ended before it could be stopped")


def finish(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """The designs of a sweep that ends well."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    designs: list[dict[str, Any]] = json.loads(stdout)["designs"]
    return designs


def check_store(root: Path) -> None:
    """Each design is there once, complete."""
    records = [DesignRecord.from_entry(entry) for entry in Store(root).designs()]
    assert sorted(record.name for record in records) == sorted(NAMES)
    assert all(record.table is not None and record.netlist for record in records)


def test_sweep_takes_the_surroundings_and_files_that_gen_takes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = embedded_library()
    for part, clocked in (("gates", False), ("flip_flops", True)):
        cells = {name: cell for name, cell in whole.cells.items() if (cell.flip_flop is not None) is clocked}
        text = write_liberty(dataclasses.replace(whole, name=f"tech_{part}", cells=cells), attribution="a part")
        (tmp_path / f"{part}.lib").write_text(text)
    monkeypatch.chdir(tmp_path)
    options = ("--pairs", "64", "--input-slew-ns", "0.1", "--output-load-ff", "3", "--wire-load", "fanout=1",
               "--library", "gates.lib", "--library", "flip_flops.lib", "--json")  # fmt: skip
    code, stdout, _ = run("sweep", "roup:width=4,p=1,r=1..2", "--jobs", "1", *options)
    swept = json.loads(stdout)["designs"]
    assert (code, len(swept)) == (0, 2)
    for design in swept:
        stated = {key: design[key] for key in ("library", "input_slew_ns", "output_load_ff", "wire_load")}
        assert stated == {
            "library": "tech_flip_flops+1", "input_slew_ns": 0.1, "output_load_ff": 3.0, "wire_load": "fanout=1"
        }  # fmt: skip
    made = json.loads(run("gen", "-m", "roup:width=4,p=1,r=2", *options)[1])
    assert made["key"] == swept[1]["key"]


@pytest.fixture
def grid_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that holds the grids, the default one meanwhile."""
    root = tmp_path_factory.getbasetemp() / "grids"
    monkeypatch.setenv("AXHW_STORE", str(root))
    if not root.is_dir():
        assert main(["sweep", *GRIDS, *OPTIONS]) == 0
    return root


def test_sweep_lists_and_compares(run: Run, tmp_path: Path, grid_store: Path) -> None:
    code, stdout, stderr = run("sweep", *GRIDS, "roup:width=4,p=2..4,r=0", *OPTIONS)
    lines = json.loads(stdout)["designs"]
    assert code == 0
    assert [line["name"] for line in lines] == [*sorted(NAMES, reverse=True)[::-1][3:], *sorted(NAMES)[:3]]
    assert {line["state"] for line in lines} == {"stored"}
    assert stderr.splitlines()[-1] == (
        f"12 designs: 0 made, 12 in the store before, 2 impossible and left out; store {grid_store}"
    )

    code, stdout, _ = run("ls", "--own", "--where", "family=roup and p<2 and mae>0", "--sort", "energy_fj", "--json")
    designs = json.loads(stdout)["designs"]
    assert code == 0
    assert {design["name"] for design in designs} == {f"roup4s_p{p}_r{r}" for p in (0, 1) for r in range(3)} - {
        "roup4s_p0_r0"
    }
    energies = [design["energy_fj"] for design in designs]
    assert energies == sorted(energies)
    listed = run("ls", "--own", "--sort", "energy_fj", "--desc", "--limit", "1")[1]
    assert "1 of 12 designs" in listed

    figure = tmp_path / "front.svg"
    code, stdout, _ = run("ls", "--own", "--pareto", "mae,energy_fj", "--figure", str(figure), "--json")
    document = json.loads(stdout)
    front = [(design["mae"], design["energy_fj"]) for design in document["designs"]]
    assert (code, document["figure"]) == (0, str(figure))
    every = [(line["mae"], line["energy_fj"]) for line in lines]
    assert front == sorted(
        point for point in every if not any(o[0] <= point[0] and o[1] <= point[1] and o != point for o in every)
    )
    assert figure.read_text().startswith("<?xml")
    assert document["designs"][0]["name"] in figure.read_text()

    code, stdout, _ = run("compare", "roup4s_p0_r0", "roup:width=4,p=1", lines[-1]["key"][:12], "--json")
    document = json.loads(stdout)
    assert [design["name"] for design in document["designs"]] == ["roup4s_p0_r0", "roup4s_p1_r0", lines[-1]["name"]]
    first, second, _ = document["designs"]
    assert document["ratios"][0]["energy_fj"] == 1.0
    assert document["ratios"][1]["energy_fj"] == second["energy_fj"] / first["energy_fj"]
    assert document["ratios"][1]["mae"] is None, "the first makes no errors"
    text = run("compare", "roup4s_p0_r0", "roup4s_p1_r0")[1]
    assert f"{document['ratios'][1]['area_um2']:.3f} x" in text
    bias = next(line for line in run("compare", "roup4s_p1_r0", "roup4s_p0_r0")[1].splitlines() if "bias" in line)
    assert bias.split() == ["bias", "-0.25", "0", "0.000", "x"]


def test_compare_names_the_surroundings_that_differ(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AXHW_STORE", str(tmp_path))
    options = ("-m", "roup:width=4,p=1", "--pairs", "64", "--json", "--output-load-ff")
    light, heavy = (json.loads(run("gen", *options, load)[1])["key"] for load in ("2", "20"))
    lines = [line.split() for line in run("compare", light, heavy)[1].splitlines()]
    assert ["output_load_ff", "2", "20"] in lines
    assert not any(line[0] in ("library", "input_slew_ns") for line in lines)


def test_a_narrow_terminal_cuts_no_figure_off() -> None:
    table = plain_table("name", "um2", "library")
    table.add_row("roup8s_p2_r3_sa4x4", "64,418 um2", "sg13g2_stdcell_typ_1p20V_25C_fit")
    console = Terminal(file=io.StringIO(), width=30, force_terminal=True, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    heading, row = console.file.getvalue().splitlines()
    assert row.split() == ["roup8s_p2_r3_sa4x4", "64,418", "um2", "sg13g2_stdcell_typ_1p20V_25C_fit"]
    assert len(heading) == len(row)


def test_figures_in_tables_have_four_digits_and_those_before_the_point() -> None:
    assert [figure_text(value) for value in (0.0253444, 1351.54, 64418.1, 3792643.8, 1.5e12, 40075264)] == [
        "0.02534", "1,352", "64,418", "3,792,644", "1.5e+12", "40,075,264",
    ]  # fmt: skip


@pytest.mark.parametrize("everything", [False, True], ids=["parent", "parent and workers"])
def test_a_killed_sweep_goes_on(tmp_path: Path, everything: bool) -> None:
    store = tmp_path / "store"
    process = begin(store)
    wait_for(process, 2)
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    # The pipes are closed when the workers are gone too.
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before = {entry.name for entry in Store(store).designs()}
    assert 2 <= len(before) < len(NAMES)
    lines = finish(begin(store))
    assert {line["name"] for line in lines if line["state"] == "stored"} == before
    assert {line["name"] for line in lines if line["state"] == "made"} == NAMES - before
    check_store(store)


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    process = begin(tmp_path)
    wait_for(process, 1)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "never used" not in stderr, "what Amaranth was building when it ended is nobody's concern"
    assert stderr.splitlines()[-1] == (
        "axhw: Interrupted: what was finished is kept, and the same command goes on from there, with --resume where it "
        "has that option."
    )
    for entry in Store(tmp_path).designs():
        assert DesignRecord.from_entry(entry).table is not None
    assert list((tmp_path / "partial").iterdir()) == []


def test_two_sweeps_share_a_store(tmp_path: Path) -> None:
    first, second = (begin(tmp_path), begin(tmp_path))
    lines = [finish(first), finish(second)]
    for one, other in zip(*lines):
        drop = {"state", "seconds"}
        assert {key: one[key] for key in one.keys() - drop} == {key: other[key] for key in other.keys() - drop}
    check_store(tmp_path)
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize(("states", "code"), [(("made", "failed"), 2), (("failed", "failed check"), 1)])
def test_failures_are_reported_at_the_end(
    run: Run, monkeypatch: pytest.MonkeyPatch, states: tuple[Any, ...], code: int
) -> None:
    def outcomes(specs: Any, setup: Any, *, jobs: int) -> Iterator[tuple[int, Outcome]]:
        for place in (1, 0):
            failed = states[place].startswith("failed")
            yield (
                place,
                Outcome(
                    name=specs[place].name,
                    state=states[place],
                    summary=None if failed else {"name": specs[place].name},
                    error=f"Expected {place}." if failed else None,
                ),
            )

    monkeypatch.setattr(sweep, "run_local", outcomes)
    found, stdout, stderr = run("sweep", "roup:p=0..1", "--json")
    lines = json.loads(stdout)["designs"]
    assert found == code
    assert [line["name"] for line in lines] == ["roup8s_p0_r0", "roup8s_p1_r0"]
    assert [line["state"] for line in lines] == list(states)
    assert stderr.splitlines()[-1] == "axhw: roup8s_p1_r0: Expected 1."
    assert f"{sum(state.startswith('failed') for state in states)} failed" in stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sweep"], "Missing argument 'GRID...'"),
        (["sweep", "roup:p=7..9"], "Expected a possible design in the grid 'roup:p=7..9', found none of 3"),
        (["sweep", "roup:p=0..x"], "Expected an integer for p of roup, found '0..x'"),
        (["sweep", "exact", "--jobs", "0"], "Invalid value for '--jobs': 0 is not in the range x>=1"),
        (["sweep", "exact", "--terms", "4"], "Expected --element .*beside --terms, found no"),
        (["sweep", "exact", "--jobs", "2", "--scheduler", "tcp://x:1"], "Expected either --jobs or --scheduler"),
        (["sweep", "exact", "--library", "no/such.lib"], "Expected a Liberty file at .*no/such.lib, found: No such"),
        (["ls", "--where", "mae_pc<1"], "Expected a column \\(.*\\) at position 1 of the condition 'mae_pc<1'"),
        (["ls", "--sort", "energy"], "Expected a column out of .*, found 'energy' \\(did you mean energy_fj\\?\\)"),
        (["ls", "--desc"], "Expected --sort COLUMN beside --desc"),
        (["ls", "--pareto", "mae,family"], "Expected a column of numbers for a Pareto front, found family with '"),
        (["ls", "--figure", "a.svg"], "Expected --pareto X,Y with two columns to draw a figure of"),
        (["ls", "--pareto", "mae,wce", "--figure", "a.gif"], "Expected a figure file that ends in .svg or .png"),
        (["compare", "roup4s_p0_r0"], "Expected two designs or more to compare, found one"),
        (["compare", "roup4s_p0_r0", "nothing"], "Expected the name or key of a stored design, found 'nothing'"),
    ],
)  # fmt: skip
def test_user_errors_are_one_sentence(run: Run, grid_store: Path, arguments: list[str], sentence: str) -> None:
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (2, "")
    (line,) = stderr.splitlines()
    assert re.match(f"axhw: {sentence}", line)

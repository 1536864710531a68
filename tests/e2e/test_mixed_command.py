"""``axhw mixed``, and ``axhw verify`` of what it makes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from axhw.store import Store

Run = Callable[..., tuple[int, str, str]]

SMALL = ("--modes", "0:0,1:2", "--width", "4", "--pairs", "256")


def test_modes_as_json_and_files(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "design"
    code, stdout, _ = run("mixed", *SMALL, "--json", "--out", str(out))
    assert code == 0
    document = json.loads(stdout)
    assert document["name"] == "roup4s_modes_p0r0_p1r2"
    assert [way["name"] for way in document["ways"]] == ["roup4s_p0_r0", "roup4s_p1_r2"]
    assert [way["pairs"] for way in document["ways"]] == [256, 256]
    assert [each["name"] for each in document["fixed"]] == ["roup4s_p0_r0", "roup4s_p1_r2"]
    assert document["area_ratio"] > 1 > document["separate_area_ratio"]
    assert set(document["files"]) == {path.name for path in out.iterdir()} >= {"design.v", "lut_1.npy", "design.json"}


def test_modes_as_text(run: Run) -> None:
    code, stdout, _ = run("mixed", *SMALL)
    assert code == 0
    assert "roup4s_modes_p0r0_p1r2" in stdout
    assert "x the largest fixed one" in stdout


def test_macs_are_compared_with_macs(run: Run, seal: Callable[[Path], None]) -> None:
    element = ("--element", "mac", "--terms", "4", "--overflow", "saturate")
    code, stdout, _ = run("mixed", *SMALL, *element, "--json")
    assert code == 0
    document = json.loads(stdout)
    assert document["name"] == "roup4s_modes_p0r0_p1r2_mac4_saturate"
    assert [each["name"] for each in document["fixed"]] == ["roup4s_p0_r0_mac4_saturate", "roup4s_p1_r2_mac4_saturate"]
    assert document["ways"][0]["verification"].endswith("changes of the mode and overflow")
    listed = json.loads(run("ls", "--json")[1])["mixed"]
    assert [each for each in listed if each["key"] == document["key"]] == [
        {key: value for key, value in document.items() if key in listed[0]}
    ]
    assert f"{document['name']}  {document['key'][:8]}" in run("ls")[1]
    assert document["name"] not in run("ls", "--limit", "1000")[1]
    assert json.loads(run("ls", "--shipped", "--json")[1])["mixed"] == []
    damaged = Store.default().root / "mixed" / ("0" * 64)
    damaged.mkdir()
    (damaged / "design.json").write_text('{"name": "old"}')
    seal(damaged)
    code, stdout, stderr = run("ls", "--json")
    assert (code, json.loads(stdout)["mixed"]) == (0, listed)
    assert f"1 stored designs cannot be read and are left out, the first: Expected design.json in {damaged}" in stderr
    shutil.rmtree(damaged)
    # Without the comparison it comes from the store.
    code, stdout, _ = run("mixed", *SMALL, *element, "--no-fixed", "--json")
    assert code == 0
    assert json.loads(stdout)["key"] == document["key"]
    assert "fixed" not in json.loads(stdout)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_columns_and_verify(run: Run) -> None:
    columns = ("--column", "exact", "--column", "roup:p=1,r=2", "--rows", "2", "--width", "4", "--pairs", "256")
    code, stdout, _ = run("mixed", *columns, "--json")
    assert code == 0
    document = json.loads(stdout)
    assert document["name"] == "exact4s_roup4s_p1_r2_sa2x2"
    assert "fixed" not in document
    code, stdout, _ = run("verify", document["name"], "--json")
    assert code == 0
    assert json.loads(stdout)["passed"] is True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Expected either --modes or a --column for every column, found neither."),
        (
            ("--modes", "0:0,1:0", "--column", "exact"),
            "Expected either --modes or a --column for every column, found both.",
        ),
        (("--modes", "0:0,1:0", "--rows", "2"), "Expected --rows only with --column, found none."),
        (("--modes", "0:0,1:0", "--terms", "2"), "Expected --terms only with --element mac, found none."),
        (("--column", "exact", "--rule", "aligned"), "Expected --rule only with --modes, found none."),
        (("--modes", "0:0"), "Expected 2 to 16 modes for a configurable multiplier, found 1."),
        (("--modes", "0:0,9:0"), "Expected p from 0 to 4 for roup with 8-bit operands, found 9."),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], sentence: str, run: Run, tmp_path: Path) -> None:
    code, stdout, stderr = run("mixed", *arguments)
    assert (code, stdout, stderr) == (2, "", f"axhw: {sentence}\n")


def test_verify_of_an_unknown_design(run: Run) -> None:
    code, _, stderr = run("verify", "nothing")
    assert code == 2
    assert stderr.startswith("axhw: Expected the name or key of a stored design, found 'nothing'")


def test_what_takes_one_multiplier_says_so(run: Run, tmp_path: Path) -> None:
    code, stdout, _ = run("mixed", *SMALL, "--no-fixed", "--json")
    assert code == 0
    document = json.loads(stdout)
    shown = json.loads(run("show", document["name"], "--json")[1])
    assert (shown["key"], shown["name"]) == (document["key"], document["name"])
    for command in (("export", document["name"], "--out", str(tmp_path / "out")), ("gen", "-m", document["key"][:10])):
        code, _, stderr = run(*command)
        assert code == 2
        assert f"Expected a design of one multiplier, found {document['name']}, which has several" in stderr


def test_other_files_are_not_replaced(run: Run, tmp_path: Path) -> None:
    assert run("mixed", *SMALL, "--no-fixed", "--out", str(tmp_path))[0] == 0
    assert run("mixed", *SMALL, "--no-fixed", "--out", str(tmp_path))[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, _, stderr = run("mixed", *SMALL, "--no-fixed", "--output-load-ff", "20", "--out", str(tmp_path))
    assert code == 2
    assert "found design.json of roup4s_modes_p0r0_p1r2 measured otherwise in" in stderr
    code, _, stderr = run("gen", "-m", "exact:width=4", "--out", str(tmp_path))
    assert code == 2
    assert "for exact4s, found design.json of roup4s_modes_p0r0_p1r2 in" in stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_columns_of_one_multiplier_are_no_mixture(run: Run) -> None:
    code, _, stderr = run("mixed", "--column", "exact", "--column", "exact", "--rows", "2")
    assert code == 2
    assert "Expected columns of different multipliers, found exact alone: `axhw gen --element systolic` makes" in stderr


def test_a_damaged_design_hides_no_other(run: Run) -> None:
    code, stdout, _ = run("mixed", *SMALL, "--no-fixed", "--json")
    document = json.loads(stdout)
    damaged = Store.default().root / "mixed" / ("1" * 64)
    damaged.mkdir()
    (damaged / "design.json").write_text("{")
    try:
        assert run("show", document["name"])[0] == 0
        (damaged / "design.json").write_text('{"name": "old", "ways": [], "costs": []}')
        code, _, stderr = run("ls")
        assert code == 0
        assert "cannot be read and are left out" in stderr
    finally:
        shutil.rmtree(damaged)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.export import FORMATS
from axhw.store import ENVIRONMENT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def design(run: Run) -> str:
    assert run("gen", "-m", "exact", "--width", "4")[0] == 0
    return "exact4s"


FILES = {
    "csv": ["multipliers.csv", "luts/exact4s.csv"],
    "npz": ["multipliers.csv", "luts/exact4s.npz"],
    "parquet": ["multipliers.parquet", "luts/exact4s.parquet"],
    "sdf": ["exact4s/netlist.v", "exact4s/netlist.sdf", "exact4s/cells_timing.v"],
    "saif": ["exact4s/activity.saif"],
    "vcd": ["exact4s/waves.vcd"],
    "accelergy": ["ERT.yaml", "ART.yaml", "axhw.lib.yaml", "library/exact4s.csv"],
    "hwcomponents": ["axhw_components.py"],
}


@pytest.mark.parametrize("format", FORMATS)
def test_json_lists_the_files(run: Run, tmp_path: Path, design: str, format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    code, stdout, stderr = run("export", design, "--format", format, "--out", str(out), "--json")
    assert (code, stderr) == (0, "")
    document = json.loads(stdout)
    assert document == {"designs": [design], "files": [str(out / name) for name in FILES[format]]}
    assert all(Path(path).is_file() for path in document["files"])
    stdout = run("export", "exact:width=4", "--format", format, "--out", str(out))[1]
    assert stdout.splitlines() == document["files"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--format sdf --pairs 8", "Expected --format saif or vcd beside --pairs, found sdf"),
        ("--format csv --seed 2", "Expected --format saif or vcd beside --seed, found csv"),
        ("--format hwcomponents --period-ns 2", "Expected --format saif or vcd beside --period-ns, found hwcomponents"),
        ("--library x.lib", "Expected --format sdf or saif or vcd beside --library, found csv"),
        ("--format vcd --conditional", "Expected --format sdf beside --conditional, found vcd"),
        ("--format vcd --pairs 0", "Invalid value for '--pairs': 0 is not in the range x>=1"),
        ("--format vcd --period-ns 0.1", "Expected a period in which exact4s settles, more than"),
        ("--format saif --period-ns -1", "Expected a period of 0.001 ns or more, found -1.0."),
        ("--format sdf --library no.lib", "Expected a Liberty file at no.lib, found: No such file"),
        ("--format spef", "Invalid value for '--format': 'spef' is not one of 'csv'"),
    ],
)
def test_errors_are_one_sentence(run: Run, tmp_path: Path, design: str, arguments: str, sentence: str) -> None:
    code, stdout, stderr = run("export", design, "--out", str(tmp_path), *arguments.split())
    assert (code, stdout) == (2, "")
    (line,) = stderr.splitlines()
    assert line.startswith(f"axhw: {sentence}")


def test_tables_without_circuits_are_left_out_of_all(
    run: Run, tmp_path: Path, design: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "store"))
    codes = np.arange(-8, 8, dtype=np.int32)
    np.save(tmp_path / "t.npy", codes[:, None] * (codes & ~1))
    imported = ("import", str(tmp_path / "t.npy"), "--signed", "--index-origin", "lowest", "--name", "mine")
    assert run(*imported)[0] == 0
    sdf = ("export", "--format", "sdf", "--json", "--out", str(tmp_path / "out"))
    code, _, stderr = run(*sdf)
    assert code == 2
    assert "Expected a design with a circuit, found mine" in stderr
    assert run("gen", "-m", "exact", "--width", "4")[0] == 0
    code, stdout, stderr = run(*sdf)
    assert (code, json.loads(stdout)["designs"]) == (0, [design])
    assert "1 designs are left out: tables of products without a circuit" in stderr
    assert run("export", "--json", "--out", str(tmp_path / "csv"))[0] == 0

"""``axhw import``, typed as a user would, and what can be done with the design."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from axhw.store import ENVIRONMENT

Run = Callable[..., tuple[int, str, str]]

VERILOG = "module mine(input [7:0] A, input [7:0] B, output [15:0] O); assign O = A * {B[7:3], 3'd4}; endmodule\n"


@pytest.fixture(scope="module", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A store for these tests: names in it are theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture
def verilog(tmp_path: Path) -> Path:
    path = tmp_path / "mine.v"
    path.write_text(VERILOG)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    codes = np.arange(-128, 128)
    path = tmp_path / "table.npy"
    np.save(path, codes[:, None] * (codes & ~3))
    return path


def test_json_has_the_keys_of_gen(run: Run, verilog: Path, tmp_path: Path) -> None:
    code, out, err = run("import", verilog, "--unsigned", "--json", "--out", tmp_path / "out")
    assert code == 0, err
    document = json.loads(out)
    made = json.loads(run("gen", "-m", "exact:width=4", "--json", "--out", tmp_path / "other")[1])
    assert document.keys() == made.keys()
    assert document["files"].keys() == made["files"].keys()
    assert (document["name"], document["family"], document["width"], document["signed"]) == (
        "mine",
        "netlist",
        8,
        False,
    )
    assert document["verified"] is True
    operands = np.arange(256)
    assert document["mae"] == pytest.approx(np.mean(operands[:, None] * np.abs((operands & 248) + 4 - operands)))
    frame = pd.read_csv(tmp_path / "out" / "lut.csv")
    assert frame["product"][256 * 3 + 200] == 3 * 204
    assert "read with a = A (activation) and b = B (weight)" in err


def test_an_imported_circuit_works_everywhere(run: Run, verilog: Path, tmp_path: Path) -> None:
    assert run("import", verilog, "--unsigned")[0] == 0
    code, out, _ = run("gen", "-m", "mine", "--json")
    assert code == 0
    own = json.loads(out)
    assert own["name"] == "mine"
    code, out, _ = run("gen", "-m", own["key"][:10], "--element", "registered", "--json")
    assert code == 0
    assert json.loads(out)["name"].startswith("mine_")
    code, out, _ = run("gen", "-m", "mine", "--relative-to", "exact", "--json")
    assert json.loads(out)["area_ratio"] < 1
    code, out, err = run("eval", "-m", "mine", "--images", "20", "--json")
    assert code == 0, err
    (row,) = json.loads(out)["evaluations"]
    assert (row["name"], row["energy_fj"]) == ("mine", own["energy_fj"])
    code, out, _ = run("workload", "-m", "mine", "--images", "1", "--pairs", "64", "--json")
    assert code == 0
    assert json.loads(out)["workloads"][0]["name"] == "mine"
    assert run("fpga", "mine", "--target", "ice40")[0] == 0
    code, out, _ = run("show", "mine")
    assert code == 0
    assert "characters)" in out
    assert run("export", "mine", "--format", "sdf", "--out", tmp_path / "sdf")[0] == 0


def test_an_imported_table_works_where_no_circuit_is_needed(run: Run, table: Path, tmp_path: Path) -> None:
    code, out, err = run("import", table, "--signed", "--index-origin", "lowest", "--name", "mytable", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["family"], document["energy_fj"], document["verified"]) == ("table", None, False)
    assert document["mae"] > 0
    assert set(document["files"]) == {"design.json", "lut.npy"}
    assert run("gen", "-m", "exact:width=4")[0] == 0
    code, out, err = run("eval", "-m", "mytable", "-m", "exact", "--images", "20", "--out", tmp_path)
    assert code == 0, err
    assert re.search(r"^mytable .* -\s*$", out, re.MULTILINE)
    code, out, _ = run("eval", "-m", "mytable", "--images", "20", "--json")
    assert json.loads(out)["evaluations"][0]["energy_nj_per_inference"] is None
    assert "mytable" in run("ls")[1]
    assert "mytable" in run("ls", "--where", "library=none")[1]
    assert "mytable" not in run("ls", "--pareto", "mae,energy_fj", "--where", "width=8")[1]
    assert run("compare", "mytable", "exact8s")[0] == 0
    assert run("import", table, "--signed", "--index-origin", "lowest", "--name", "mytable")[0] == 0
    assert run("export", "mytable", "exact8s", "--out", tmp_path / "csv")[0] == 0
    frame = pd.read_csv(tmp_path / "csv" / "multipliers.csv").set_index("name")
    assert np.isnan(frame["energy_fj"]["mytable"])
    assert frame["mae"]["mytable"] == document["mae"]
    for arguments in (
        ("gen", "-m", "mytable", "--element", "mac"),
        ("gen", "-m", "exact", "--relative-to", "mytable"),
        ("fpga", "mytable", "--target", "ice40"),
        ("workload", "-m", "mytable", "--images", "1", "--pairs", "64"),
        ("verify", "mytable"),
        ("export", "mytable", "--format", "sdf", "--out", str(tmp_path / "sdf")),
        ("export", "mytable", "--format", "accelergy", "--out", str(tmp_path / "accelergy")),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), arguments
        assert "with a circuit, found mytable, of which only the table of products is known" in err, arguments


def test_another_table_than_the_reference_ends_with_1(run: Run, verilog: Path, tmp_path: Path) -> None:
    operands = np.arange(256)
    products = operands[:, None] * ((operands & 248) + 4)
    np.save(tmp_path / "right.npy", products)
    np.save(tmp_path / "turned.npy", products.T)
    assert run("import", verilog, "--unsigned", "--reference", tmp_path / "right.npy")[0] == 0
    code, out, err = run("import", verilog, "--unsigned", "--reference", tmp_path / "turned.npy")
    assert (code, out) == (1, "")
    assert "with the operands exchanged they agree, so say --operands ba" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Expected --signed or --unsigned, found neither: mine.v does not say it reliably."),
        (("--signed",), "fit unsigned operands"),
        (("--unsigned", "--a", "A"), "Expected both --a and --b, or neither, found --a alone."),
        (("--unsigned", "--top", "m"), "Expected a module 'm' in mine.v, found mine."),
        (("--unsigned", "--dialect", "plain"), "found --dialect."),
        (("--unsigned", "--name", "drum"), "Expected a name that no family of multipliers has or gives its designs"),
        (("--unsigned", "--reference", "none.npy"), "Expected a table of products at none.npy, found no such file."),
        (("--unsigned", "--library", "none.lib"), "none.lib"),
    ],
)
def test_user_errors_are_one_sentence(run: Run, verilog: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run("import", verilog, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_names_of_shipped_designs_mean_them(run: Run, verilog: Path) -> None:
    name = json.loads(run("ls", "--shipped", "--where", "family=netlist", "--limit", "1", "--json")[1])["designs"][0][
        "name"
    ]
    code, _, err = run("import", verilog, "--unsigned", "--name", name)
    assert code == 2
    assert f"Expected a name that no other design has, found {name}, which comes with axhw for a multiplier" in err

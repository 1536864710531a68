"""The commands and examples of docs/exports.md work as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from axhw.cli.main import main
from axhw.export import FORMATS

GUIDE = Path(__file__).parents[2] / "docs" / "exports.md"


def block(before: str, language: str = "") -> str:
    """The first example behind some words."""
    text = GUIDE.read_text(encoding="utf-8")
    match = re.search(rf"```{language}\n(.*?)```", text[text.index(before) :], re.DOTALL)
    assert match is not None
    return match.group(1)


def test_every_format_is_described() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    described = re.findall(r"^\| (`.*?`) \| ", text, re.MULTILINE)
    assert sorted(word.strip("`") for cell in described for word in cell.split(", ")) == sorted(FORMATS)


def test_simulation_with_sdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        pytest.skip("needs Icarus Verilog")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path
    commands = [shlex.split(line) for line in block("With Icarus Verilog").splitlines()]
    assert [command[0] for command in commands] == ["axhw", "axhw", "cd", "iverilog", "vvp"]
    for command in commands:
        if command[0] == "axhw":
            assert main(command[1:]) == 0
        elif command[0] == "cd":
            folder = folder / command[1]
            (folder / "testbench.v").write_text(block("where `testbench.v`", "verilog"))
        else:
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            assert "is not" not in run.stdout, "no wrong product"
            assert "rror" not in run.stdout + run.stderr
    capsys.readouterr()
    # Glitches: the lowest bit of the product is one gate and has none, others do.
    waves = (folder / "icarus.vcd").read_text()
    stamps = [int(stamp) for stamp in re.findall(r"^#(\d+)$", waves, re.MULTILINE)]
    assert stamps[-1] == 256 * 10_000_000
    assert len(stamps) > 5000

"""The example of docs/pim.md on area prints what it says, and its tables are those of the report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "pim.md").read_text(encoding="utf-8")


def test_the_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (code,) = (block for block in blocks if "chip_area(" in block)
    exec(code, {})
    said = [line[2:] for line in code.splitlines() if line.startswith("# ")]
    assert capsys.readouterr().out.splitlines() == said


def test_gains_are_those_of_the_report() -> None:
    report = (ROOT / "reports" / "pim-area.md").read_text(encoding="utf-8")
    gains = [
        line.split("|")[2:-1]
        for line in report.splitlines()
        if re.match(r"\| (cycles, against|simulated (time|op))", line)
    ]
    table = GUIDE.partition("| gain over experts that share nothing |")[2].partition("\n\n")[0]
    told = [line.split("|")[2:-1] for line in table.splitlines()[2:]]
    # Without U1 and the most.
    assert [[cell.strip() for cell in row] for row in told] == [[cell.strip() for cell in row[1:5]] for row in gains]
    assert len(told) == 5

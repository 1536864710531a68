"""``axhw choose``: a design for each layer, as an assignment that ``axhw eval`` takes."""

from __future__ import annotations

import json
import re

import pytest

from axhw.cli.main import main

DESIGNS = ("-m", "bam:v=6", "-m", "roup:p=1,r=0", "-m", "evo8s_mae0p23_6ababa")


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("AXHW_STORE", str(tmp_path_factory.getbasetemp() / "choose"))


def test_a_choice_is_an_assignment(tmp_path, capsys):
    assert main(["choose", *DESIGNS, "--max-energy-fj", "1300", "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["designs"] == 4
    for row in document["layers"]:
        assert row["energy_fj"] <= 1300
        assert row["wmed_pct"] <= row["uniform_wmed_pct"]
    assignment = str(tmp_path / "by-operands.json")
    assert main(["eval", "--assignment", assignment, "--images", "50", "--json"]) == 0
    (evaluation,) = json.loads(capsys.readouterr().out)["evaluations"]
    assert evaluation["energy_fj"] == pytest.approx(document["energy_fj"])


def test_people_get_a_table(capsys):
    assert main(["choose", *DESIGNS, "--max-error-pct", "0.2"]) == 0
    assert "less than by uniform error; 4 designs to choose from" in " ".join(capsys.readouterr().out.split())


def test_more_energy_is_called_more(capsys):
    designs = ("-m", "roup:p=3,r=3", "-m", "evo8s_mae1p6_ff0a70")
    assert main(["choose", *designs, "--max-energy-fj", "200"]) == 0
    assert re.search(r"fJ a multiplication, 12\.\d% more than by uniform error", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Expected a largest energy or a largest error above 0, found neither"),
        (["--max-energy-fj", "1"], "Expected a design within the budget among 4, found none"),
    ],
)
def test_errors_are_one_sentence(options, message, capsys):
    assert main(["choose", *DESIGNS, *options]) == 2
    assert message in capsys.readouterr().err

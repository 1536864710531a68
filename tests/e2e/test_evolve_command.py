"""``axhw evolve`` as its users type it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from axhw.hdl.registry import describe
from axhw.record import DesignRecord
from axhw.store import Store

SMALL = ("evolve", "--seed-design", "exact:width=4", "--epoch", "500", "--threads", "1")


@pytest.fixture(autouse=True)
def store(monkeypatch, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "evolve-store"
    monkeypatch.setenv("AXHW_STORE", str(folder))
    return Store(folder)


def test_a_front(run, tmp_path, store):
    options = (*SMALL, "--max-mae-pct", "0.2..2", "--steps", "3", "--objective", "area", "--evaluations", "6k")
    code, out, _ = run(*options, "--out", tmp_path, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["evaluations"] >= 6000
    assert json.loads((tmp_path / "front.json").read_text()) == document
    areas = [row["area_um2"] for row in document["front"]]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] < 0.8 * document["seed_design"]["area_um2"]
    for row in document["front"]:
        assert row["mae_pct"] <= row["limit"]
        assert row["limited"]["mae_pct"] == pytest.approx(row["mae_pct"])
    # The winner is a design: its name is enough for other commands.
    last = document["front"][-1]
    record = DesignRecord.from_entry(store.find(last["key"]))
    assert describe(record.spec)["family"] == "netlist"
    code, out, _ = run("gen", "-m", last["name"], "--json")
    assert code == 0
    assert json.loads(out)["area_um2"] == last["area_um2"]


def test_resuming_gives_the_whole(run, tmp_path):
    options = (*SMALL, "--max-wce", "6", "--objective", "area", "--json", "--seed", "3")
    whole = json.loads(run(*options, "--evaluations", "4k", "--out", tmp_path / "whole")[1])
    part = (*options, "--evaluations", "1k", "--out", tmp_path / "part")
    assert run(*part)[0] == 0
    code, out, error = run(*part)
    assert (code, out) == (2, "")
    assert "found evolution.npz: add --resume or take another folder." in error
    resumed = json.loads(run(*options, "--evaluations", "4k", "--out", tmp_path / "part", "--resume")[1])
    assert resumed["front"] == whole["front"]
    code, _, error = run(*options, "--epoch", "600", "--out", tmp_path / "part", "--resume")
    assert code == 2
    assert "(epoch = 500), found 600: resume with the same options" in error


def test_weighted_by_operands(run, tmp_path):
    counts = np.zeros((16, 16))
    # Only a from -4 to 3 occur.
    counts[4:12] = 1
    np.save(tmp_path / "counts.npy", counts)
    options = (*SMALL, "--max-wmed", "0", "--objective", "area", "--histogram", tmp_path / "counts.npy")
    code, out, _ = run(*options, "--evaluations", "6k", "--out", tmp_path, "--json")
    assert code == 0
    row = json.loads(out)["front"][-1]
    assert row["limited"]["wmed_pct"] == 0
    assert row["mae_pct"] > 0
    assert row["area_ratio"] < 0.9


def test_people_get_a_table(run, tmp_path):
    code, out, error = run(*SMALL, "--max-mae", "1", "--max-bias", "0.5", "--evaluations", "1k", "--out", tmp_path)
    assert code == 0
    assert "evo4s_mae" in out
    assert "evaluations" in out
    assert "compile" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Expected a limit such as --max-mae-pct 0.1, found none"),
        (("--max-mae", "1", "--max-mae-pct", "1"), "Expected one limit for mae, found it in per cent and without"),
        (("--max-mae", "1..2", "--max-wce", "1..2"), "Expected one range, found 2: mae and wce"),
        (("--max-mae", "x"), "Expected a number or a range LOW..HIGH for --max-mae, found 'x'"),
        (("--max-mae", "2..1"), "Expected a range from above 0 upwards for --max-mae, found 2..1"),
        (("--max-mae-pct", "1..0.1"), "Expected a range from above 0 upwards for --max-mae-pct, found 1..0.1"),
        (("--max-mae", "nan"), "Expected limits of 0 or more, found nan for mae"),
        (("--max-wmed", "1"), "Expected a histogram of operands beside a limit of WMED"),
        (("--max-mae", "1", "--evaluations", "2x"), "expected a count such as 20000, 500k or 2M, found '2x'"),
        (("--max-mae", "1", "--resume"), "evolution.npz to resume, found none"),
        (("--max-wmed", "1", "--layer", "conv1"), "Expected 8-bit operands for a layer of a network, found 4 bits"),
        (("--max-mae", "1", "--seed-design", "exact:width=17"), "a width from 4 to 16 bits for exact, found 17"),
        (("--max-mae", "1", "--seed-design", "nothing"), "Expected a multiplier family out of"),
    ],
)
def test_errors_are_one_sentence(options, message, run, tmp_path):
    code, out, error = run(*SMALL, *options, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert message in error
    assert "Traceback" not in error

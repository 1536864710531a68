"""``axhw search`` and the assignments it writes, typed as a user would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from axhw.store import ENVIRONMENT

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]

DESIGNS = ("-m", "roup:p=1|2,r=3", "-m", "roup:p=2,r=5,rule=symmetric")
SHORT = ("--evaluations", "8", "--population", "4", "--images", "60", "--test-images", "60")


def test_a_search_its_files_and_its_assignments(found: Found, tmp_path: Path) -> None:
    levels = ("--level", "layer", "--level", "filter")
    command = ("search", *DESIGNS, *SHORT, *levels, "--baselines", "--compensate", "affine", "--out", str(tmp_path))
    document = found(*command)
    assert document["search_split"].startswith("validation (60 of")
    assert document["test_split"].startswith("test")
    assert [level["level"] for level in document["levels"]] == ["layer", "filter"]
    for level in document["levels"]:
        assert {search["strategy"] for search in level["searches"]} == {"nsga2", "random", "greedy"}
        assert 0 <= level["uniform_hypervolume"] <= 1
    frame = pd.read_csv(tmp_path / "front.csv")
    rows = [row for level in document["levels"] for row in level["front"]]
    assert len(frame) == len(rows) > 0
    assert (tmp_path / "front.svg").read_text(encoding="utf-8").startswith("<?xml")
    row = rows[-1]
    path = tmp_path / f"{row['level']}-{row['number']:02d}.json"
    (evaluation,) = found("eval", "--assignment", str(path), "--images", "60")["evaluations"]
    assert evaluation["accuracy"] == pytest.approx(row["test_accuracy"])
    assert evaluation["energy_nj_per_inference"] == pytest.approx(row["energy_nj_per_inference"])
    assert evaluation["compensated"] == "affine"
    resumed = found(*command, "--resume")
    assert [level["front"] for level in resumed["levels"]] == [level["front"] for level in document["levels"]]
    assert all(search["evaluations_per_minute"] is None for search in resumed["levels"][0]["searches"])


def test_the_table_for_people(run: Run) -> None:
    code, out, err = run("search", *DESIGNS, *SHORT, "--tune", "histogram", "--level", "kernel")
    assert code == 0, err
    assert "held out of the training images" in out
    assert "1 point " in out
    assert "hypervolume after 8 evaluations: nsga2" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "--resume"), "Expected a folder --out to resume the search of, found none."),
        (("search", "--layers", "99", *DESIGNS), "Expected product layers by name"),
        (("eval", "--assignment", "missing.json"), "Expected an assignment in missing.json, found No such file"),
        (("eval", "--assignment", "a.json", "--tune", "plain"), "Expected --assignment without --sweep"),
        (("eval", "--each-layer", "--tune", "plain"), "Expected --each-layer without --layers, --tune"),
    ],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err.replace("\n", " ")


def test_all_stored_designs(run: Run, found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of its own: among all that tests make there are exact designs of less energy, which take the place of exact8s.
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "store"))
    assert run("gen", "--multiplier", "roup:p=2,r=3")[0] == 0
    document = found("search", "-m", "stored", *SHORT)
    assert {"exact8s", "roup8s_p2_r3"} <= set(document["designs"])


def test_another_search_in_the_folder(run: Run, found: Found, tmp_path: Path) -> None:
    command = ("search", *DESIGNS, *SHORT, "--out", str(tmp_path))
    found(*command)
    code, _, err = run(*command, "--resume", "--seed", "2")
    assert code == 2
    assert "to have the same settings, found another seed" in err


def test_a_search_is_not_replaced_by_another(run: Run, found: Found, tmp_path: Path) -> None:
    command = ("search", *DESIGNS, *SHORT, "--out", str(tmp_path))
    document = found(*command)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    others = {
        "seed": ("--seed", "2"),
        "layers": ("--layers", "conv2"),
        # It would leave assignments of the first beside its own.
        "compensate": ("--compensate", "affine", "--level", "filter"),
    }
    for name, changes in others.items():
        code, _, err = run(*command, *changes)
        assert code == 2
        assert f"to have the same settings, found another {name}: choose another" in err
    for state in tmp_path.glob("state-*"):
        state.unlink()
    code, _, err = run(*command)
    assert code == 2
    assert "front.json without the state of its search: choose another --out." in err
    for path, content in kept.items():
        path.write_bytes(content)
    assert found(*command)["levels"][0]["front"] == document["levels"][0]["front"]

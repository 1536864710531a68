"""Cells of networks whose weights are elsewhere: what their retraining told, and only on the very same images."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from axhw.data.names import load_dataset
from axhw.errors import AxhwError
from axhw.experiments.axmoe import told
from axhw.experiments.axmoe.cells import Table
from axhw.experiments.axmoe.plan import FULL
from axhw.experiments.axmoe.report import other_starts
from axhw.experiments.axmoe.subjects import Subject
from axhw.experiments.parts import Parts
from axhw.moe.cells import Cell
from axhw.moe.evaluation import Prices
from axhw.record import DesignRecord
from axhw.retraining import Accuracies

Characterized = Callable[..., DesignRecord]
CIRCUIT = "mul8s_1L2L"


@pytest.fixture
def table(characterized: Characterized, tmp_path: Path) -> Table:
    records = tuple(characterized(f"evoapprox:{name}") for name in ("mul8s_1KV6", CIRCUIT))
    return Table(
        parts=Parts(folder=tmp_path / "parts"),
        out=tmp_path,
        data="digits",
        prices=Prices(exact=records[0], comparison_fj=100.0),
        records=records,
        seeds=(0, 1),
        progress=lambda done, total, what: None,
    )


def tell(table: Table, network: str, *, recipe: str = "distilled", seed: int = 0, **changes: object) -> Path:
    """What a retraining would have told."""
    test = load_dataset("digits").test
    known = {"data": test.name, "images": len(test), "exact_accuracy": 0.9, "accuracy_before": 0.4}
    path = Cell(network=network, circuit=CIRCUIT, recipe=recipe, seed=seed).weights(table.out / "retrained")
    path = path.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | {"accuracy_after": 0.8} | changes), encoding="utf-8")
    return path


def test_rows_of_what_was_told(table: Table) -> None:
    splits = load_dataset("digits")
    # VGG has no use for images that small.
    assert table.told_rows(["digits_cnn_hard3", "vgg11_bn"], splits) == []
    tell(table, "digits_cnn_hard3")
    tell(table, "digits_cnn_hard3", recipe="study", seed=1, accuracy_after=0.7)
    exact, first, second = table.told_rows(["digits_cnn_hard3"], splits)
    assert (exact["circuit"], exact["accuracy"], exact["distilled_accuracy"]) == ("mul8s_1KV6", 0.9, None)
    assert (exact["base"], exact["topology"], exact["images"]) == ("digits_cnn", "hard", len(splits.test))
    assert (first["seed"], first["int8_accuracy"], first["accuracy"], first["distilled_accuracy"]) == (0, 0.9, 0.4, 0.8)
    assert (second["seed"], second["distilled_accuracy"], second["study_accuracy"]) == (1, None, 0.7)
    assert (first["distilled_start_accuracy"], first["study_start_accuracy"]) == (0.9, None)
    # One of three experts of one size runs, whichever it is.
    assert first["published_cost"] == pytest.approx(0.471, abs=0.02)
    assert first["bias_accuracy"] is None


def test_retrainings_that_began_with_other_weights_are_told(table: Table) -> None:
    splits = load_dataset("digits")
    tell(table, "digits_cnn_hard3", recipe="study", accuracy_before=0.5)
    tell(table, "digits_cnn_hard3", exact_accuracy=0.85, accuracy_after=0.75)
    rows = table.told_rows(["digits_cnn_hard3"], splits)
    row = rows[1]
    assert (row["int8_accuracy"], row["accuracy"]) == (0.9, 0.5)
    assert (row["study_start_accuracy"], row["distilled_start_accuracy"], row["distilled_accuracy"]) == (
        0.9,
        0.85,
        0.75,
    )
    assert other_starts(rows) == ["digits_cnn_hard3 (distilled: 85.00 % instead of 90.00 %)"]
    assert other_starts(rows[:1]) == []


def test_other_images_are_not_mixed_in(table: Table) -> None:
    tell(table, "digits_cnn_hard3", images=100)
    tell(table, "digits_cnn_hard3", seed=1, data="others")
    assert table.told_rows(["digits_cnn_hard3"], load_dataset("digits")) == []


def test_accuracies_of_other_weights_are_refused(table: Table) -> None:
    path = tell(table, "digits_cnn_hard2")
    subject = Subject.found("digits_cnn_hard2", data="digits", splits=load_dataset("digits"), weights=None)
    assert subject is not None
    with pytest.raises(AxhwError, match=r"Expected accuracies of the weights of digits_cnn_hard2 .*: retrain these\.$"):
        table.rows([subject])
    # The shipped retrained weights are run; what was told of the right ones need not be read again.
    tell(table, "digits_cnn_hard2", exact_accuracy=subject.accuracy(subject.exact))
    path.with_name("mul8s_1L2L-seed1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AxhwError, match=r"^Expected the accuracies of retrained weights in .*: remove the file\.$"):
        table.rows([subject])
    path.with_name("mul8s_1L2L-seed1.json").unlink()
    (row,) = [row for row in table.rows([subject]) if row["circuit"] == CIRCUIT]
    assert row["distilled_accuracy"] != 0.8
    assert row["distilled_start_accuracy"] == subject.accuracy(subject.exact)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> dict[Cell, Accuracies]:
    """What comes with axhw, for these tests."""
    found: dict[Cell, Accuracies] = {}
    monkeypatch.setattr("axhw.experiments.axmoe.cells.shipped_accuracies", lambda: found)
    return found


def test_what_comes_along_is_for_networks_without_own_results(table: Table, shipped: dict[Cell, Accuracies]) -> None:
    splits = load_dataset("digits")
    of_test = {"data": splits.test.name, "images": len(splits.test), "exact_accuracy": 0.8, "accuracy_before": 0.3}
    for recipe in ("study", "distilled"):
        cell = Cell(network="digits_cnn_hard3", circuit=CIRCUIT, recipe=recipe)
        shipped[cell] = Accuracies(**of_test, accuracy_after=0.7)
    exact, row = table.told_rows(["digits_cnn_hard3"], splits)
    assert exact["accuracy"] == 0.8
    assert (row["accuracy"], row["distilled_accuracy"], row["study_accuracy"]) == (0.3, 0.7, 0.7)
    tell(table, "digits_cnn_hard3")
    exact, row = table.told_rows(["digits_cnn_hard3"], splits)
    assert (exact["accuracy"], row["distilled_accuracy"], row["study_accuracy"]) == (0.9, 0.8, None)


def test_what_comes_along_of_other_weights_is_left_out(table: Table, shipped: dict[Cell, Accuracies]) -> None:
    subject = Subject.found("digits_cnn_soft2", data="digits", splits=load_dataset("digits"), weights=None)
    assert subject is not None
    exact = subject.accuracy(subject.exact)
    test = subject.bench.data.test
    for recipe, start in (("study", exact), ("distilled", exact - 0.1)):
        shipped[Cell(network=subject.name, circuit=CIRCUIT, recipe=recipe)] = Accuracies(
            data=test.name, images=len(test), exact_accuracy=start, accuracy_before=0.4, accuracy_after=0.6
        )
    (row,) = [row for row in table.rows([subject]) if row["circuit"] == CIRCUIT]
    assert (row["study_accuracy"], row["distilled_accuracy"]) == (0.6, None)


def test_what_was_told_as_one_file(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(table, "digits_cnn_hard3", accuracy_after=0.75)
    path = tell(table, "digits_cnn_hard3", recipe="study", seed=12)
    folder = table.out / "retrained"
    monkeypatch.setattr(sys, "argv", ["told", str(folder)])
    told.main()
    test = load_dataset("digits").test
    data = f'"{test.name}"'
    assert capsys.readouterr().out.splitlines() == [
        "network,circuit,recipe,seed,data,images,exact_accuracy,accuracy_before,accuracy_after",
        f"digits_cnn_hard3,{CIRCUIT},distilled,0,{data},{len(test)},0.9,0.4,0.75",
        f"digits_cnn_hard3,{CIRCUIT},study,12,{data},{len(test)},0.9,0.4,0.8",
    ]
    path.rename(path.with_name("notes.json"))
    with pytest.raises(
        AxhwError, match=r"Expected a file <circuit>-seed<seed>\.json, found .*notes\.json: remove it\.$"
    ):
        told.gathered(folder)


def test_what_comes_along_is_of_the_plan() -> None:
    found = told.shipped_accuracies()
    assert {cell.network for cell in found} <= set(FULL.networks)
    assert {cell.circuit for cell in found} <= set(FULL.circuits)
    assert all(accuracies.images == 10_000 for accuracies in found.values())
    # The cells of a network and a recipe have one start.
    starts: dict[tuple[str, str], set[float]] = {}
    for cell, accuracies in found.items():
        starts.setdefault((cell.network, cell.recipe), set()).add(accuracies.exact_accuracy)
    assert all(len(each) == 1 for each in starts.values())
    assert told.table_text(found) == Path(told.__file__).with_name("told.csv").read_text(encoding="utf-8")

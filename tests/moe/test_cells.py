"""Retrained cells: where they lie, what is refused, and that shipped ones do what their logs say."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.moe.__main__ import main
from axhw.moe.cells import RECIPES, Cell, circuit_table, retrain_cells, trained_network
from axhw.nn.assignment import approximated_layers
from axhw.nn.weights_file import write_weights

SHIPPED = Path(str(resources.files("axhw.experiments.axmoe"))) / "weights"


def test_places_of_weights() -> None:
    cell = Cell(network="resnet20_hard4", circuit="mul8s_1L2L", recipe="study", seed=2)
    assert cell.weights(Path("out")) == Path("out/study/resnet20_hard4/mul8s_1L2L-seed2.safetensors")
    with pytest.raises(AxhwError, match=r"^Expected a recipe out of study, distilled, found 'theirs'\.$"):
        Cell(network="resnet20", circuit="mul8s_1L2L", recipe="theirs")


def test_recipes_leave_gates_alone() -> None:
    assert all(recipe.freeze_gates and recipe.load_balance == 0 for recipe in RECIPES.values())
    study = RECIPES["study"]
    assert (study.epochs, study.batch, study.learning_rate, study.weight_decay) == (5, 128, 0.1, 5e-4)


def test_a_folder_of_weights_comes_before_those_of_axhw(tmp_path: Path) -> None:
    shipped = trained_network("digits_cnn_hard2", "digits")
    assert shipped is not None
    assert trained_network("resnet20_hard7", "digits", tmp_path) is None
    other = trained_network("digits_cnn", "digits")
    assert other is not None
    write_weights(tmp_path / "digits_cnn_hard2-digits.safetensors", other, folded=True)
    found = trained_network("digits_cnn_hard2", "digits", tmp_path)
    assert found is not None
    assert found.model == "digits_cnn"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*/*/*.safetensors")), ids=lambda path: "-".join(path.parts[-2:]))
def test_shipped_cells_do_what_their_logs_say(path: Path) -> None:
    circuit = path.name.partition("-")[0]
    bench = Bench.load(model=str(path), data="digits")
    table = circuit_table(circuit)
    result = bench.evaluate_tables(dict.fromkeys(approximated_layers(bench.graph), table), signed=True)
    (line,) = [line for line in path.with_suffix(".log").read_text().splitlines() if "after training" in line]
    assert round(result.approximate_accuracy, 4) == float(line.rpartition(" ")[2])


def test_bad_cells_in_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cell = Cell(network="resnet20_hard4", circuit="mul8s_1L2L", recipe="distilled")
    good = Cell(network="digits_cnn_hard2", circuit="mul8s_1L2L", recipe="distilled")
    with pytest.raises(AxhwError, match=r"^Expected trained weights of resnet20_hard4 on digits"):
        retrain_cells([good, cell], data="digits", out=tmp_path)
    assert not (tmp_path / "retrained").exists(), "nothing is trained before all networks are found"
    command = ("--model", "digits_cnn", "--data", "nothing", "-m", "mul8s_1L2L", "--device", "cpu")
    assert main([*command, "--out", str(tmp_path)]) == 2
    said = "Expected a data set" if find_spec("torch") else "Expected PyTorch for training"
    assert capsys.readouterr().err.startswith(said)


def test_a_cell_is_retrained_with_its_gates_as_they_were(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    cell = Cell(network="digits_cnn_hard2", circuit="mul8s_1L2N", recipe="distilled")
    (path,) = retrain_cells([cell], data="digits", out=tmp_path)
    assert path == cell.weights(tmp_path / "retrained")
    after, before = (Bench.load(model=name, data="digits").network for name in (str(path), "digits_cnn_hard2"))
    gates = {node.name for node in before.graph.gate_nodes}
    for name, array in before.parameters.items():
        # Other weights stay, too, if no epoch does better on validation images than those before the first.
        if name.rpartition(".")[0] in gates:
            assert (after.parameters[name] == array).all(), name
    assert f"quantized epoch {RECIPES['distilled'].epochs}: " in path.with_suffix(".log").read_text(encoding="utf-8")

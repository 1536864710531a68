"""Training from the command line to files: repeatable, resumable, and clear about what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from safetensors.numpy import save_file  # noqa: E402

from axhw.data.dataset import Splits  # noqa: E402
from axhw.errors import AxhwError  # noqa: E402
from axhw.nn.executor import Executor  # noqa: E402
from axhw.nn.quantizer import quantize_network, range_sources  # noqa: E402
from axhw.nn.weights_file import load_shipped, read_weights  # noqa: E402
from axhw.sim.product_table import ProductTable  # noqa: E402
from axhw.train import __main__ as command  # noqa: E402
from axhw.train import history  # noqa: E402
from axhw.train.batches import DeviceImages  # noqa: E402
from axhw.train.options import Options, add_arguments  # noqa: E402
from axhw.train.recipe import Recipe, plan_for  # noqa: E402
from axhw.train.run import run  # noqa: E402
from axhw.train.session import Session  # noqa: E402
from axhw.train.table_maps import Approximation, Gradient  # noqa: E402
from axhw.train.torch_model import GraphModule  # noqa: E402
from axhw.train.trainer import Trainer  # noqa: E402

FILE = "digits_cnn-digits.safetensors"


def options(out: Path, **changes: Any) -> Options:
    chosen = {"real_epochs": 2, "quantized_epochs": 2, "seed": 0, "signed": True} | changes
    plan = plan_for("digits_cnn")
    real = Recipe(epochs=chosen.pop("real_epochs"), batch=64, learning_rate=0.1)
    quantized = Recipe(epochs=chosen.pop("quantized_epochs"), batch=64, learning_rate=1e-3, largest_gradient=1.0)
    plan = type(plan)(real=real, quantized=quantized, calibration_images=64)
    return Options(model="digits_cnn", data="digits", data_folder=None, out=out, plan=plan, device="cpu", **chosen)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("trained")
    lines: list[str] = []
    run(options(folder), log=lines.append)
    return folder, lines


def test_files_say_what_the_network_can_do(trained: tuple[Path, list[str]], splits: Splits) -> None:
    folder, lines = trained
    assert sorted(path.name for path in folder.iterdir()) == ["digits_cnn-digits.log", FILE]
    assert (folder / "digits_cnn-digits.log").read_text().splitlines() == lines
    stored = read_weights(folder / FILE)
    assert (stored.model, stored.data) == ("digits_cnn", "digits")
    network = stored.network
    assert set(network.ranges) == set(range_sources(network.graph).values())
    test = splits.test
    real = (network.forward(test.images).argmax(axis=1) == test.labels).mean()
    assert real > 0.85
    assert f"final weights in real values: test accuracy {real:.4f}" in lines
    for signed, codes in ((True, "signed"), (False, "unsigned")):
        # No calibration: the ranges are in the file.
        executor = Executor(quantize_network(network, splits.train.images[:0], signed=signed))
        right = (executor(test.images).argmax(axis=1) == test.labels).mean()
        assert f"final weights, {codes} int8 codes, exact products: test accuracy {right:.4f}" in lines


def test_compact_weights_are_the_same_integer_network(
    trained: tuple[Path, list[str]], tmp_path: Path, splits: Splits
) -> None:
    lines: list[str] = []
    run(options(tmp_path, compact=True), log=lines.append)
    assert (tmp_path / FILE).stat().st_size < 0.4 * (trained[0] / FILE).stat().st_size
    real, compact = (read_weights(folder / FILE).network for folder in (trained[0], tmp_path))
    codes = [Executor(quantize_network(each, splits.train.images[:0], signed=True)) for each in (real, compact)]
    assert np.array_equal(*(executor(splits.test.images[:200]) for executor in codes))
    (said,) = [line for line in lines if line.startswith("final weights in real values")]
    right = (compact.forward(splits.test.images).argmax(axis=1) == splits.test.labels).mean()
    assert said.endswith(f"test accuracy {right:.4f}")
    with pytest.raises(AxhwError, match=r"^Expected signed codes to store weights as int8 codes, found unsigned ones"):
        options(tmp_path, compact=True, signed=False)
    with pytest.raises(AxhwError, match=r"^Expected no weights at .* but those of the same training"):
        run(options(tmp_path), log=lines.append)


def test_a_seed_gives_the_same_weights(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = trained
    run(options(tmp_path / "same"), log=lambda line: None)
    assert (tmp_path / "same" / FILE).read_bytes() == (folder / FILE).read_bytes()
    run(options(tmp_path / "other", seed=1), log=lambda line: None)
    assert (tmp_path / "other" / FILE).read_bytes() != (folder / FILE).read_bytes()


@pytest.mark.parametrize("changes", [{"seed": 1}, {"real_epochs": 1}, {"signed": False}, {"time_limit_seconds": 9.0}])
def test_finished_weights_stay(trained: tuple[Path, list[str]], changes: dict[str, Any]) -> None:
    folder, _ = trained
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(AxhwError, match=rf"{FILE} .* trained with other settings: choose another --out or remove them"):
        run(options(folder, **changes), log=lambda line: pytest.fail(line))
    lines: list[str] = []
    again = run(options(folder), log=lines.append)
    assert (again.model, again.data) == ("digits_cnn", "digits")
    assert lines == [f"{folder / FILE} is there already, of the same training"]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == kept


@pytest.mark.parametrize("cut_after", ["real epoch 1:", "real epoch 2:", "quantized epoch 1:", "quantized epoch 2:"])
def test_training_that_was_cut_off_comes_to_the_same_weights(
    cut_after: str, trained: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_CHECKPOINT_SECONDS", 0.0)
    folder, lines = trained

    class CutOff(Exception):
        pass

    saved = history.save_checkpoint

    def save_then_cut(path: Path, progress: Any, tensors: Any) -> None:
        saved(path, progress, tensors)
        if progress.log[-1].startswith(cut_after):
            raise CutOff

    with monkeypatch.context() as patch:
        patch.setattr(history, "save_checkpoint", save_then_cut)
        with pytest.raises(CutOff):
            run(options(tmp_path), log=lambda line: None)
    again: list[str] = []
    run(options(tmp_path), log=again.append)
    assert again == lines
    assert (tmp_path / FILE).read_bytes() == (folder / FILE).read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_checkpoints_of_other_trainings_are_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "digits_cnn-digits.checkpoint.safetensors"
    save_file({"x": np.zeros(1)}, checkpoint)
    with pytest.raises(AxhwError, match="Expected a checkpoint of training at .*: move it away."):
        run(options(tmp_path), log=lambda line: None)
    progress = history.Progress(run={"seed": 5}, stage="real", epochs=1, position=1.0, log=())
    history.save_checkpoint(checkpoint, progress, {})
    with pytest.raises(AxhwError, match="Expected a checkpoint of the same training at .*, found one of other options"):
        run(options(tmp_path), log=lambda line: None)


def test_a_time_limit_shortens_the_schedule(tmp_path: Path) -> None:
    lines: list[str] = []
    run(options(tmp_path, real_epochs=500, quantized_epochs=1, time_limit_seconds=2.0), log=lines.append)
    epochs = [line for line in lines if line.startswith("real epoch")]
    assert len(epochs) < 500
    assert "(at 500.00 of the schedule)" in epochs[-1]


def test_the_best_epoch_stays(splits: Splits, tmp_path: Path) -> None:
    # A rate that destroys the network: what was there before is the best.
    network = load_shipped("digits_cnn", "digits").network
    lines: list[str] = []
    session = Session(splits=splits, seed=0, signed=True, device="cpu", log=lines.append)
    recipe = Recipe(epochs=2, batch=256, learning_rate=50.0, warmup_epochs=0)
    result = session.retrain(network, recipe, tables={}, calibration_images=64)
    for name, value in network.parameters.items():
        np.testing.assert_array_equal(result.network.parameters[name], value)
    assert result.accuracy_after == result.accuracy_before == result.exact_accuracy


def test_retraining_recovers_what_a_table_costs(splits: Splits, make_table: Callable[..., ProductTable]) -> None:
    network = load_shipped("digits_cnn", "digits").network
    lines: list[str] = []
    table = make_table("roup:p=3,r=6")
    for gradient in get_args(Gradient):
        session = Session(splits=splits, seed=0, signed=True, device="cpu", log=lines.append)
        recipe = Recipe(epochs=3, batch=64, learning_rate=0.005, largest_gradient=1.0)
        result = session.retrain(
            network, recipe, tables=table, approximation=Approximation(gradient=gradient), calibration_images=64
        )
        told = [float(line.rsplit(" ", 1)[1]) for line in lines if "test accuracy" in line]
        accuracies = (result.exact_accuracy, result.accuracy_before, result.accuracy_after)
        assert told == [round(accuracy, 4) for accuracy in accuracies]
        assert result.exact_accuracy > 0.95
        assert result.accuracy_before < 0.8
        assert result.accuracy_after > result.accuracy_before + 0.1
        executor = Executor(quantize_network(result.network, splits.train.images[:0], signed=True), table)
        assert (executor(splits.test.images).argmax(axis=1) == splits.test.labels).mean() == result.accuracy_after
        lines.clear()


def test_a_loss_that_explodes_is_told(splits: Splits) -> None:
    network = load_shipped("digits_cnn", "digits").network
    model = GraphModule(network.graph, network.parameters)
    images = DeviceImages(splits.train, device="cpu")
    recipe = Recipe(epochs=1, batch=64, learning_rate=1e20, warmup_epochs=0)
    trainer = Trainer(model, model.tensors(), images, recipe, seed=0, log=print)
    with pytest.raises(AxhwError, match="Expected a finite loss, found .* in epoch 1: lower the learning rate."):
        trainer.epoch(0)
    with pytest.raises(AxhwError, match="Expected a batch of at most 1097 images, all of the split, found 2000."):
        Trainer(model, model.tensors(), images, Recipe(epochs=1, batch=2000), seed=0, log=print)


def test_measuring_a_step_changes_nothing(splits: Splits) -> None:
    network = load_shipped("digits_cnn", "digits").network
    model = GraphModule(network.graph, network.parameters)
    images = DeviceImages(splits.train, device="cpu")
    trainer = Trainer(model, model.tensors(), images, Recipe(epochs=1), seed=0, log=print)
    before = {name: tensor.detach().clone() for name, tensor in trainer.state.items()}
    assert trainer.step_seconds(2) > 0
    for name, tensor in trainer.state.items():
        assert torch.equal(tensor, before[name]), name


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says on stderr when it fails."""
    assert command.main([*arguments]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def test_bad_input_gets_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = ("--out", str(tmp_path / "new"))
    said = complaint(capsys, "--model", "resnet9", "--data", "digits", *place)
    assert said.startswith("Expected a network out of digits_cnn,")
    assert "did you mean resnet8" in said
    said = complaint(capsys, "--model", "resnet8", "--data", "nothing", *place)
    assert said.startswith("Expected a data set out of digits, ")
    said = complaint(capsys, "--model", "digits_cnn", "--data", "digits", "--device", "tpu", *place)
    assert said == "Expected a device out of auto, cpu and cuda that is on this machine, found 'tpu'.\n"
    said = complaint(capsys, "--model", "digits_cnn", "--data", "digits", "--epochs", "0", *place)
    assert said == "Expected at least 1 epoch and 1 image a batch, found 0 and 32.\n"
    said = complaint(capsys, "--model", "digits_cnn", "--data", "digits", "--seed", "-1", *place)
    assert said == "Expected a seed of at least 0, found -1.\n"
    said = complaint(capsys, "--model", "digits_cnn", "--data", "digits", "--time-limit", "0", *place)
    assert said == "Expected a time limit above 0 seconds, found 0.0.\n"
    assert not (tmp_path / "new").exists()


def test_a_batch_of_its_own_scales_the_rates(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = ["--model", "resnet20", "--data", "digits", "--out", str(tmp_path), "--batch", "64"]
    plan = Options.parsed(parser.parse_args(given), device="cpu").plan
    assert plan.real.learning_rate == pytest.approx(plan_for("resnet20").real.learning_rate / 4)
    plan = Options.parsed(parser.parse_args([*given, "--learning-rate", "0.3"]), device="cpu").plan
    assert plan.real.learning_rate == 0.3

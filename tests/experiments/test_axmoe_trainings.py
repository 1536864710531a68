"""Which trainings the AxMoE study needs, and running them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from axhw.experiments.axmoe.plan import FULL
from axhw.experiments.axmoe.trainings import Trainings, devices_of, main
from axhw.train.pool import Job


def trainings(*networks: str, recipes: tuple[str, ...] = ("study", "distilled")) -> list[Job]:
    return Trainings(
        networks=networks,
        circuits=FULL.circuits,
        recipes=recipes,
        data=FULL.data,
        data_folder=Path("data"),
        out=Path("out"),
        device="cuda",
        seconds=300,
        epochs=16,
    ).jobs()


def test_every_cell_of_the_plan_is_there_once() -> None:
    jobs = trainings(*FULL.networks)
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    circuits = len(FULL.circuits) - 1
    assert sum("-seed0" in name for name in names) == 2 * circuits * len(FULL.networks)
    assert "vgg19_bn_soft4" in names
    assert "resnet8_hard4" not in names, "its weights come with axhw"
    for number, job in enumerate(jobs):
        assert set(job.after) <= set(names[:number])


def test_convolutional_networks_are_trained_one_by_one() -> None:
    base, *cells = trainings("vgg11_bn_hard4", recipes=("study",))
    assert " ".join(base.arguments) == (
        "axhw.train --model vgg11_bn_hard4 --time-limit 300 --data cifar10_jpeg --data-folder data --device cuda "
        "--out out/weights"
    )
    assert {cell.after for cell in cells} == {("vgg11_bn_hard4",)}
    assert " ".join(cells[0].arguments) == (
        "axhw.moe --model vgg11_bn_hard4 -m mul8s_1KV8 --recipe study --weights out/weights --data cifar10_jpeg "
        "--data-folder data --device cuda --out out"
    )


def test_transformers_go_on_from_one_start() -> None:
    jobs = {job.name: job for job in trainings("vit_small", "vit_small_hard4_r25")}
    start = jobs["start-vit_small"]
    assert "--time-limit" in start.arguments
    for name in ("vit_small", "vit_small_hard4_r25"):
        assert jobs[name].after == (start.name,)
        assert " ".join(jobs[name].arguments).startswith(
            f"axhw.train --model {name} --start out/starts/vit_small-cifar10_jpeg.safetensors --epochs 16 "
            "--quantized-epochs 3 "
        )


def test_shipped_networks_are_retrained_as_they_come() -> None:
    for cell in trainings("vit_mini_hard4_r25"):
        assert cell.after == ()
        assert "--weights" not in cell.arguments


def test_cells_are_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    command = ["--data", "digits", "--network", "digits_cnn_hard2", "--recipe", "distilled", "-m", "mul8s_1L2N"]
    command += ["--device", "cpu", "--out", str(tmp_path)]
    assert main(command) == 0
    assert capsys.readouterr().out == "1 trainings done\n"
    assert (tmp_path / "retrained" / "distilled" / "digits_cnn_hard2" / "mul8s_1L2N-seed0.json").exists()
    assert main([*command, "--seconds", "0"]) == 1
    assert "1 left: the same command goes on with them" in capsys.readouterr().out
    for bad, message in (
        (("--network", "resnet99"), "Expected networks out of digits_cnn, "),
        (("--at-once", "0"), "Expected devices and at least 1 job at once, found 1 and 0."),
        (("--epochs", "0"), "Expected more than 0 seconds for a network and at least 1 epoch, found 300 and 0."),
    ):
        assert main([*command, *bad]) == 2
        assert message in capsys.readouterr().err


def test_only_the_gpus_that_may_be_seen_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_of("cpu") == ("",)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert devices_of("cuda") == ("2", "3")


def test_little_more_than_pytorch_is_needed() -> None:
    """None of these may be imported on a machine that only trains."""
    code = "import sys\nfor name in ('numba', 'scipy', 'pandas', 'matplotlib', 'yaml', 'rich', 'click'):\n"
    code += (
        "    sys.modules[name] = None\nimport axhw.experiments.axmoe.trainings, axhw.train.__main__, axhw.moe.__main__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

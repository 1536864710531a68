"""``axhw retrain``: a network trained further with the multipliers it will be run with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from axhw.cli.network_options import network_options
from axhw.cli.options import PATH, json_option, multipliers_option, print_json, progress
from axhw.cli.tables import stdout
from axhw.errors import AxhwError
from axhw.lookup import named_multipliers
from axhw.retraining import DISTILLED, Products, Start, retrain
from axhw.search.assignment import Assignment
from axhw.store import Store
from axhw.train.extra import choose_device


@click.command("retrain")
@network_options
@multipliers_option
@click.option(
    "--assignment",
    "assignments",
    type=PATH,
    multiple=True,
    help="File of `axhw search` with a multiplier for every layer, filter or kernel, instead; give it several times.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=DISTILLED.epochs, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=DISTILLED.batch, show_default=True, help="Images a step.")
@click.option(
    "--learning-rate", type=float, default=DISTILLED.learning_rate, show_default=True, help="The highest rate."
)
@click.option("--weight-decay", type=float, default=DISTILLED.weight_decay, show_default=True)
@click.option(
    "--distillation",
    type=click.FloatRange(min=0.0, max=1.0),
    default=DISTILLED.distillation,
    show_default=True,
    help="Share of the loss that wants what the network answered with exact products; the rest wants the labels.",
)
@click.option("--compact", is_flag=True, help="Store weights as int8 codes: a quarter of the size.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Order and changes of images.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option("--out", type=PATH, required=True, help="Folder for weights and logs.")
@json_option
def command(
    model: str,
    data: str,
    data_dir: Path | None,
    multipliers: tuple[str, ...],
    assignments: tuple[Path, ...],
    epochs: int,
    batch: int,
    learning_rate: float,
    weight_decay: float,
    distillation: float,
    compact: bool,
    seed: int,
    device: str,
    out: Path,
    as_json: bool,
) -> None:
    """Retrain a network with approximate products (needs PyTorch: pip install 'axhw[train]').

    It is trained towards what it answered with exact products, by --distillation towards labels. The forward pass
    computes the integers that `axhw eval` computes; gradients are those of exact products. The weights of the epoch
    with the best validation accuracy are kept. A retraining that was stopped goes on from its checkpoint; one that was
    finished is left as it is, and one with other settings needs another folder.

    \b
    axhw retrain --model resnet8 --data cifar10_jpeg -m mul8s_1L2L --out retrained
    axhw eval --model retrained/evoapprox_v2022_mul8s_1L2L.safetensors --data cifar10_jpeg -m mul8s_1L2L
    axhw retrain --model resnet8 --data cifar10_jpeg --assignment results/kernel-07.json --out retrained
    """
    given = click.get_current_context().get_parameter_source("multipliers") is not ParameterSource.DEFAULT
    if given and assignments:
        raise AxhwError("Expected --multiplier without --assignment, found both: retrain with one after the other.")
    chosen = choose_device(device)
    recipe = dataclasses.replace(
        DISTILLED,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        distillation=distillation,
    )
    loaded = {path.stem: Assignment.load(path) for path in assignments}
    if len(loaded) < len(assignments):
        raise AxhwError("Expected assignments in files of different names, as the weights are named after them.")
    if loaded:
        products = [Products.of_assignment(name, assignment) for name, assignment in loaded.items()]
    else:
        products = [Products.of_multiplier(each.spec) for each in named_multipliers(multipliers, Store.default())]
    start = Start.load(model=model, data=data, root=data_dir)
    rows: list[dict[str, Any]] = []
    with progress() as report:
        for done, each in enumerate(products):

            def log(line: str, done: int = done, name: str = each.name) -> None:
                report(done, len(products), f"{name}: {line}")

            path = retrain(start, each, out=out, recipe=recipe, seed=seed, compact=compact, device=chosen, log=log)
            rows.append({"name": each.name, "weights": str(path), "log": str(path.with_suffix(".log"))})
    if as_json:
        print_json({"retrained": rows})
        return
    for row in rows:
        lines = Path(row["log"]).read_text(encoding="utf-8").splitlines()
        for line in (line for line in lines if "test accuracy" in line or line.startswith("weights ")):
            stdout().print(f"{row['name']}: {line}", soft_wrap=True)
        stdout().print(f"[dim]{row['weights']}[/dim]", soft_wrap=True)

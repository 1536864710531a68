"""The choices of a training as they come from a command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from axhw.errors import AxhwError
from axhw.nn.weights_file import SUFFIX
from axhw.train.recipe import Plan, Recipe, plan_for


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to train on what, and where to put it.

    Attributes
    ----------
    model, data : str
        Names in the zoo and of the data set (or its path).
    data_folder : Path or None
        Where to look for the data set first.
    out : Path
        Folder for ``<model>-<data>.safetensors`` and ``.log``, and for the checkpoint while it lasts.
    plan : Plan
    seed : int
    signed : bool
        Fine-tune with int8 codes, else with uint8 ones.
    device : str
    time_limit_seconds : float or None
        Shorten the schedules to keep to it.
    start : Path or None
        Weights of the dense network to start from instead of random ones.
    compact : bool
        Store weights as the int8 codes that they get.
    """

    model: str
    data: str
    data_folder: Path | None
    out: Path
    plan: Plan
    seed: int
    signed: bool
    device: str
    time_limit_seconds: float | None = None
    start: Path | None = None
    compact: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise AxhwError(f"Expected a seed of at least 0, found {self.seed}.")
        if self.time_limit_seconds is not None and not self.time_limit_seconds > 0:
            raise AxhwError(f"Expected a time limit above 0 seconds, found {self.time_limit_seconds}.")
        if self.compact and not self.signed:
            raise AxhwError("Expected signed codes to store weights as int8 codes, found unsigned ones.")

    @property
    def data_name(self) -> str:
        """The data set without the folder that it lies in."""
        return Path(self.data).stem if "/" in self.data else self.data

    @property
    def weights(self) -> Path:
        """The file of the weights; log and checkpoint are beside it."""
        return self.out / f"{self.model}-{self.data_name}{SUFFIX}"

    @classmethod
    def parsed(cls, parsed: argparse.Namespace, *, device: str) -> Options:
        """From the arguments that `add_arguments` declares."""
        plan = plan_for(parsed.model) if parsed.start is None else plan_for(parsed.model).continued()
        rates = {"epochs": parsed.epochs, "batch": parsed.batch, "learning_rate": parsed.learning_rate}
        plan = replace(
            plan,
            dense=None if plan.dense is None else _changed(plan.dense, **rates),
            real=_balanced(
                _changed(plan.real, **rates),
                parsed.load_balance,
            ),
            quantized=_changed(
                plan.quantized,
                epochs=parsed.quantized_epochs,
                batch=parsed.batch,
                learning_rate=parsed.quantized_learning_rate,
            ),
        )
        return cls(
            model=parsed.model,
            data=parsed.data,
            data_folder=parsed.data_folder,
            out=parsed.out,
            plan=plan,
            seed=parsed.seed,
            signed=not parsed.unsigned,
            device=device,
            time_limit_seconds=parsed.time_limit,
            start=parsed.start,
            compact=parsed.compact,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; those of the plan default to that of the network."""
    parser.add_argument("--model", required=True, help="network of the zoo, e.g. resnet20")
    parser.add_argument("--data", required=True, help="data set, e.g. cifar10_jpeg, or its path")
    parser.add_argument("--data-folder", type=Path, help="folder to look for the data set in")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and log")
    parser.add_argument("--epochs", type=int, help="epochs in real values, without and with experts each")
    parser.add_argument("--quantized-epochs", type=int, help="epochs with codes")
    parser.add_argument("--batch", type=int, help="images per step")
    parser.add_argument("--learning-rate", type=float, help="highest rate in real values")
    parser.add_argument("--quantized-learning-rate", type=float, help="highest rate with codes")
    parser.add_argument("--load-balance", type=float, help="factor of the loss for uneven use of experts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unsigned", action="store_true", help="fine-tune with uint8 codes instead of int8")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--start", type=Path, help="weights of the dense network to start from (.safetensors)")
    parser.add_argument("--compact", action="store_true", help="store weights as int8 codes: a quarter of the size")
    parser.add_argument("--time-limit", type=float, help="seconds that training may take: schedules are shortened")


def _balanced(recipe: Recipe, load_balance: float | None) -> Recipe:
    return recipe if load_balance is None else replace(recipe, load_balance=load_balance)


def _changed(recipe: Recipe, *, epochs: int | None, batch: int | None, learning_rate: float | None) -> Recipe:
    """The recipe with what was given; without a rate of its own, the rate keeps its ratio to the batch."""
    changed = recipe
    if batch is not None and learning_rate is None:
        changed = replace(changed, learning_rate=recipe.learning_rate * batch / recipe.batch)
    return replace(
        changed,
        epochs=changed.epochs if epochs is None else epochs,
        batch=changed.batch if batch is None else batch,
        learning_rate=changed.learning_rate if learning_rate is None else learning_rate,
    )

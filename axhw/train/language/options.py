"""The choices of a training as they come from a command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from axhw.errors import AxhwError
from axhw.lm.config import ROUTINGS, ModelConfig
from axhw.train.language.presets import PRESETS, preset
from axhw.train.language.recipe import Recipe

_CHANGEABLE = ("rounds", "steps", "batch", "length", "learning_rate", "dropout", "expert_dropout", "patience")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to train on what, and where to put it.

    Attributes
    ----------
    model, text : str
        Names of a preset and of a text.
    config : ModelConfig
    recipe : Recipe
    data_folder : Path or None
        Where to look for the text first.
    out : Path
        Folder for ``<model>-<text>``.
    seed : int
        Of weights, windows and dropout.
    device : str
    time_limit_seconds : float or None
        Shorten the schedule to keep to it.

    Raises
    ------
    AxhwError
        For a seed below 0, a time limit that is not above 0, and windows longer than the context.
    """

    model: str
    text: str
    config: ModelConfig
    recipe: Recipe
    data_folder: Path | None
    out: Path
    seed: int
    device: str
    time_limit_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise AxhwError(f"Expected a seed of at least 0, found {self.seed}.")
        if self.time_limit_seconds is not None and not self.time_limit_seconds > 0:
            raise AxhwError(f"Expected a time limit above 0 seconds, found {self.time_limit_seconds}.")
        if self.recipe.length > self.config.context:
            raise AxhwError(
                f"Expected a length of at most {self.config.context} bytes, the model's context, found "
                f"{self.recipe.length}."
            )

    @classmethod
    def parsed(cls, parsed: argparse.Namespace, *, device: str) -> Options:
        """From the arguments that `add_arguments` declares."""
        chosen = preset(parsed.model)
        given = {name: getattr(parsed, name) for name in _CHANGEABLE if getattr(parsed, name) is not None}
        return cls(
            model=parsed.model,
            text=parsed.text,
            config=replace(chosen.config, routing=parsed.routing),
            recipe=replace(chosen.recipe, **given),
            data_folder=parsed.data_folder,
            out=parsed.out,
            seed=parsed.seed,
            device=device,
            time_limit_seconds=parsed.time_limit,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; those of the recipe default to that of the preset."""
    parser.add_argument("--model", required=True, help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--text", required=True, help="tinyshakespeare, python_topics or mix")
    parser.add_argument("--data-folder", type=Path, help="folder to look for the text in")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model and its log")
    parser.add_argument(
        "--routing", choices=ROUTINGS, default=ROUTINGS[0], help="bytes choose experts, or experts bytes of a window"
    )
    parser.add_argument("--rounds", type=int, help="rounds, each with a validation after it")
    parser.add_argument("--steps", type=int, help="steps of a round")
    parser.add_argument("--batch", type=int, help="windows of a step")
    parser.add_argument("--length", type=int, help="bytes of a window")
    parser.add_argument("--learning-rate", type=float, help="highest rate")
    parser.add_argument("--dropout", type=float, help="of what is added to the residual stream")
    parser.add_argument("--expert-dropout", type=float, help="of the inner values of experts")
    parser.add_argument("--patience", type=int, help="rounds without a better validation before training ends")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--time-limit", type=float, help="seconds that training may take: the schedule is shortened")

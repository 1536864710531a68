"""Options that say which network and which images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from axhw.cli.options import PATH
from axhw.data.names import DATASETS
from axhw.nn.zoo.names import GRAPHS

Command = TypeVar("Command", bound=Callable[..., Any])


def network_options(command: Command) -> Command:
    """Add ``--model``, ``--data`` and ``--data-dir``, for `axhw.evaluation.Bench.load`."""
    for option in (
        click.option(
            "--data-dir",
            type=PATH,
            default=None,
            help="Folder to look for the data set in.",
        ),
        click.option(
            "--data",
            default="digits",
            show_default=True,
            metavar="NAME|PATH",
            help=f"Data set: {', '.join(DATASETS)}, or a folder or file of images.",
        ),
        click.option(
            "--model",
            default="digits_cnn",
            show_default=True,
            metavar="NAME|FILE",
            help=f"Network: {', '.join(GRAPHS)}, with experts as in resnet20_hard4, or a .onnx or .safetensors file.",
        ),
    ):
        command = option(command)
    return command

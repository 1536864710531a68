"""Command line options for every family's parameters, made from the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from axhw.hdl.registry import FAMILIES, Parameter, parameters_of, parse
from axhw.hdl.spec import MultiplierSpec

Command = TypeVar("Command", bound=Callable[..., Any])


def family_options(command: Command) -> Command:
    """Add ``--width``, ``--signed/--unsigned`` and one option per parameter name that any family has."""
    users: dict[str, list[str]] = {}
    about: dict[str, Parameter] = {}
    for family in FAMILIES:
        for name, parameter in parameters_of(family).items():
            users.setdefault(name, []).append(family)
            about.setdefault(name, parameter)
    # Decorators apply from the bottom, so the last option added is shown first.
    for name in reversed(users):
        if name in ("width", "signed"):
            continue
        families = ", ".join(users[name])
        command = click.option(
            f"--{name.replace('_', '-')}", name, default=None, metavar=_metavar(about[name]), help=f"{families}: {about[name].help}."
        )(command)
    command = click.option("--signed/--unsigned", "signed", default=None, help="Operands. [default: signed]")(command)
    return click.option("--width", default=None, metavar="N", help="Operand bits, 4 to 16. [default: 8]")(command)


def spec_from_options(multiplier: str, parameters: Mapping[str, Any]) -> MultiplierSpec:
    """The spec of ``--multiplier`` and the options beside it; options left out are None."""
    return parse(multiplier, **{key: value for key, value in parameters.items() if value is not None})


def _metavar(parameter: Parameter) -> str:
    return "N" if parameter.kind is int else "WORD"

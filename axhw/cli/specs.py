"""Command line options for every family's parameters, made from the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import click

from axhw.errors import AxhwError
from axhw.hdl.pe.crossbar_group import Place
from axhw.hdl.pe.mac import Overflow
from axhw.hdl.pe.systolic import MAX_SIDE
from axhw.hdl.registry import ELEMENTS, FAMILIES, DesignSpec, Parameter, create_element, parameters_of
from axhw.hdl.spec import MultiplierSpec
from axhw.lookup import NamedMultiplier, SeveralMultipliersError, named_multiplier, stored_design
from axhw.mixed.record import MixedRecord
from axhw.record import DesignRecord
from axhw.store import MIXED, Store

Command = TypeVar("Command", bound=Callable[..., Any])


def family_options(command: Command) -> Command:
    """Add ``--width``, ``--signed/--unsigned`` and one option per parameter name that any family has."""
    users: dict[str, dict[str, list[str]]] = {}
    about: dict[str, Parameter] = {}
    for family in FAMILIES:
        for name, parameter in parameters_of(family).items():
            users.setdefault(name, {}).setdefault(parameter.help, []).append(family)
            about.setdefault(name, parameter)
    # Decorators apply from the bottom, so the last option added is shown first.
    for name in reversed(users):
        if name in ("width", "signed"):
            continue
        meaning = "; ".join(f"{', '.join(families)}: {help}" for help, families in users[name].items())
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, name, default=None, metavar=_metavar(about[name]), help=f"{meaning}.")(command)
    command = click.option("--signed/--unsigned", "signed", default=None, help="Operands. [default: signed]")(command)
    return click.option("--width", default=None, metavar="N", help="Operand bits, 4 to 16. [default: 8]")(command)


def element_options(command: Command) -> Command:
    """Add ``--element`` and the parameters of processing elements."""
    command = click.option(
        "--overflow",
        type=click.Choice(get_args(Overflow)),
        default=None,
        help="mac: what happens beyond the terms. [default: wrap]",
    )(command)
    command = click.option(
        "--multiply-in",
        type=click.Choice(get_args(Place)),
        default=None,
        help="crossbar_group: a multiplier in every cell, or one set in the periphery. [default: cells]",
    )(command)
    command = click.option(
        "--depth", type=int, default=None, help="crossbar_group: requests in the queue, 2 to 64. [default: 4]"
    )(command)
    command = click.option(
        "--crossbars",
        type=int,
        default=None,
        help="crossbar_group: crossbars that share a periphery, 1 to 16. [default: 4]",
    )(command)
    command = click.option(
        "--terms",
        type=int,
        default=None,
        help="mac, systolic, crossbar_group: products that a sum has room for. [default: 64]",
    )(command)
    for side in ("columns", "rows"):
        command = click.option(
            f"--{side}",
            type=int,
            default=None,
            help=f"systolic, crossbar_group: {side} of PEs or cells, 1 to {MAX_SIDE}. [default: 4]",
        )(command)
    return click.option(
        "--element", type=click.Choice(list(ELEMENTS)), default=None, help="Put the multiplier into a clocked element."
    )(command)


def multiplier_from_options(multiplier: str, parameters: Mapping[str, Any], store: Store) -> NamedMultiplier:
    """What ``--multiplier`` names with the options beside it; options left out are None."""
    return named_multiplier(multiplier, store, {key: value for key, value in parameters.items() if value is not None})


def any_design(store: Store, design: str) -> DesignRecord | MixedRecord:
    """The design of that name or key, of one multiplier or of several."""
    try:
        return stored_design(store, design)
    except SeveralMultipliersError:
        return MixedRecord.from_entry(store.find(design, room=MIXED))


def enclosed(spec: MultiplierSpec, element: str | None, **parameters: Any) -> DesignSpec:
    """The multiplier itself, or the processing element around it; options left out are None."""
    return enclose(spec, element, {key: value for key, value in parameters.items() if value is not None})


def enclose(spec: MultiplierSpec, element: str | None, parameters: Mapping[str, Any]) -> DesignSpec:
    """The multiplier itself, or the processing element around it."""
    if element is not None:
        return create_element(element, spec, parameters)
    if parameters:
        raise AxhwError(f"Expected --element beside {', '.join(f'--{key}' for key in parameters)}, found none.")
    return spec


def _metavar(parameter: Parameter) -> str:
    return "N" if parameter.kind is int else "WORD"

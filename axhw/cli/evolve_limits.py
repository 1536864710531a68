"""The ``--max-...`` options of ``axhw evolve``: limits on errors, one of which may be a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from axhw.errors import AxhwError
from axhw.evolve.limits import IN_PER_CENT, METRICS, Limits, Metric, absolute, ladder

Command = TypeVar("Command", bound=Callable[..., Any])

_ABSOLUTE: tuple[Metric, ...] = ("mae", "wce", "mse", "bias", "wmed")
_HELP = {
    "mae": "Mean absolute error.",
    "wce": "Worst-case error.",
    "mre": "Mean relative error.",
    "ep": "Pairs with an error.",
    "mse": "Mean squared error.",
    "bias": "Magnitude of the mean error.",
    "wmed": "Mean absolute error weighted by --histogram or --layer.",
}


def limit_options(command: Command) -> Command:
    """Add an option for each metric and unit, and ``--steps``."""
    command = click.option(
        "--steps", type=click.IntRange(min=2), default=8, show_default=True, help="Limits of a range LOW..HIGH."
    )(command)
    for metric in reversed(METRICS):
        if metric in IN_PER_CENT:
            command = click.option(
                f"--max-{metric}-pct", metavar="X|LOW..HIGH", default=None, help=f"{_HELP[metric]} In per cent."
            )(command)
        if metric in _ABSOLUTE:
            command = click.option(f"--max-{metric}", metavar="X|LOW..HIGH", default=None, help=_HELP[metric])(command)
    return command


def limits_from_options(options: Mapping[str, Any], *, width: int) -> Limits:
    """The limits that the options state; the front is made for the one with a range, else the first.

    Raises
    ------
    AxhwError
        If there is none, a metric has two, two have ranges, or one cannot be read.
    """
    values: dict[Metric, tuple[float, ...]] = {}
    for metric in METRICS:
        for option, per_cent in ((f"max_{metric}", False), (f"max_{metric}_pct", True)):
            text = options.get(option)
            if text is None:
                continue
            if metric in values:
                raise AxhwError(f"Expected one limit for {metric}, found it in per cent and without.")
            bounds = _bounds(text, f"--{option.replace('_', '-')}")
            values[metric] = tuple(absolute(metric, bound, width=width) if per_cent else bound for bound in bounds)
    ranges = [metric for metric, bounds in values.items() if len(bounds) == 2]
    if not values:
        raise AxhwError("Expected a limit such as --max-mae-pct 0.1, found none: without one nothing may be wrong.")
    if len(ranges) > 1:
        raise AxhwError(f"Expected one range, found {len(ranges)}: {' and '.join(ranges)}.")
    metric = ranges[0] if ranges else next(iter(values))
    bounds = values.pop(metric)
    return Limits(
        width=width,
        metric=metric,
        ladder=ladder(*bounds, options["steps"]) if len(bounds) == 2 else bounds,
        values={metric: bounds[0] for metric, bounds in values.items()},
    )


def _bounds(text: str, option: str) -> tuple[float, ...]:
    low, dots, high = text.partition("..")
    try:
        bounds = (float(low), float(high)) if dots else (float(low),)
    except ValueError:
        raise AxhwError(f"Expected a number or a range LOW..HIGH for {option}, found {text!r}.") from None
    # Here, as the user wrote them: the limits themselves are not in per cent.
    if dots and not 0 < bounds[0] < bounds[-1]:
        raise AxhwError(f"Expected a range from above 0 upwards for {option}, found {text}.")
    return bounds

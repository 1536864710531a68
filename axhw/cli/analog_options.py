"""Options that the commands of ``axhw analog`` share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from axhw.analog.bench import Bench
from axhw.analog.drift import PcmDrift, PcmReadNoise
from axhw.analog.operators import DENSE, HybridModel, Programming
from axhw.analog.programming_noise import MODELS, ProgrammingNoise, programming_noise
from axhw.analog.tiles import TileSpec
from axhw.cli.options import PATH, Command
from axhw.emulate.gemm import Table
from axhw.errors import AxhwError
from axhw.lookup import named_multiplier
from axhw.sim.product_table import golden_table
from axhw.store import Store

DEFAULT_TEXT = "python_topics"
"""It needs no download."""

NO_NOISE = "none"

_LEAST_BITS, _MOST_BITS = 2, 16


def model_option(command: Command) -> Command:
    """Add ``--model``."""
    return click.option(
        "--model",
        required=True,
        metavar="NAME|FOLDER",
        help="Language model of bytes that comes with axhw (olmoe_bytes_small), or a folder with config.json and "
        "safetensors.",
    )(command)


def scored_text_options(*, uses: str) -> Callable[[Command], Command]:
    """Add ``--text``, ``--calibration``, whose text is for `uses`, and ``--bytes``."""

    def add(command: Command) -> Command:
        for option in (
            click.option(
                "--bytes", "most_bytes", type=click.IntRange(min=2), default=None, help="Score the beginning only."
            ),
            click.option(
                "--calibration",
                default=None,
                metavar="NAME|FILE",
                help=f"Text for {uses}: a name (its validation part) or a file. [default: that of --text; a file is "
                "cut in halves]",
            ),
            click.option(
                "--text",
                default=DEFAULT_TEXT,
                show_default=True,
                metavar="NAME|FILE",
                help="Text to score: its test part.",
            ),
        ):
            command = option(command)
        return command

    return add


def text_options(command: Command) -> Command:
    """Add ``--calibration`` and its limit, ``--data-dir``, ``--window`` and ``--jobs``."""
    for option in (
        click.option("--jobs", type=click.IntRange(min=1), default=None, help="Threads. [default: processors]"),
        click.option(
            "--window", type=click.IntRange(min=1), default=None, help="Bytes that the model sees at once. [256]"
        ),
        click.option(
            "--data-dir",
            type=PATH,
            default=None,
            help="Folder to look for the texts in.",
        ),
        click.option(
            "--calibration-bytes",
            type=click.IntRange(min=2),
            default=None,
            help="Use the beginning of that text only.",
        ),
    ):
        command = option(command)
    return command


def tile_options(command: Command) -> Command:
    """Add the options of `tiles` and `hybrid`."""
    bits = click.IntRange(min=_LEAST_BITS, max=_MOST_BITS)
    for option in (
        click.option(
            "--multiplier",
            "-m",
            "multiplier",
            default=None,
            metavar="SPEC|NAME",
            help="Digital experts multiply in int8 with this 8-bit multiplier, roup:p=1,r=4. [default: in float32]",
        ),
        click.option("--dense-analog", is_flag=True, help="Everything that is no expert is analog, too."),
        click.option("--no-converters", is_flag=True, help="Ideal DACs and ADCs."),
        click.option(
            "--lambda", "output_range", type=float, default=None, help="Range of the ADCs. [default: chosen, see --k]"
        ),
        click.option(
            "--k",
            type=float,
            default=None,
            help="Range of the DACs in standard deviations. [default: that of least error on the calibration text]",
        ),
        click.option("--adc-bits", type=bits, default=8, show_default=True),
        click.option("--dac-bits", type=bits, default=8, show_default=True),
        click.option("--tile-columns", type=click.IntRange(min=1), default=512, show_default=True),
        click.option("--tile-rows", type=click.IntRange(min=1), default=512, show_default=True),
    ):
        command = option(command)
    return command


def noise_options(command: Command) -> Command:
    """Add ``--noise``, and when conductances are read."""
    for option in (
        click.option("--compensate", is_flag=True, help="With --seconds: global drift compensation."),
        click.option(
            "--seconds",
            type=click.FloatRange(min=0),
            default=None,
            help="Read so long after programming, with drift and read noise. [default: right then, without]",
        ),
        click.option(
            "--noise",
            type=click.Choice([*MODELS, NO_NOISE]),
            default="pcm",
            show_default=True,
            help="Model of the programming noise.",
        ),
    ):
        command = option(command)
    return command


def selector_seeds_option(command: Command) -> Command:
    """Add ``--selector-seeds``."""
    return click.option(
        "--selector-seeds",
        type=click.IntRange(min=1),
        default=2,
        show_default=True,
        help="Pairs of chips that selectors measure on.",
    )(command)


def programming(noise: str, magnitude: float, *, seconds: float | None, compensate: bool) -> Programming:
    """What the options of the noise mean."""
    if compensate and seconds is None:
        raise AxhwError("Expected a time --seconds beside --compensate, found none.")
    model: ProgrammingNoise | None = None if noise == NO_NOISE else programming_noise(noise, magnitude=magnitude)
    if seconds is None:
        return Programming(noise=model)
    return Programming(
        noise=model, drift=PcmDrift(), read_noise=PcmReadNoise(), seconds=seconds, compensated=compensate
    )


def hybrid(
    bench: Bench,
    *,
    tile_rows: int,
    tile_columns: int,
    dac_bits: int,
    adc_bits: int,
    k: float | None,
    output_range: float | None,
    no_converters: bool,
    dense_analog: bool,
    multiplier: str | None,
) -> HybridModel:
    """What the options of the tiles mean."""
    tiles = TileSpec(
        rows=tile_rows,
        columns=tile_columns,
        dac_bits=None if no_converters else dac_bits,
        adc_bits=None if no_converters else adc_bits,
    )
    table = None if multiplier is None else signed_table(multiplier)
    dense = DENSE if dense_analog else frozenset()
    return bench.hybrid(tiles=tiles, k=k, output_range=output_range, table=table, dense=dense)


def bench_row(bench: Bench) -> dict[str, Any]:
    """What a bench is, for reports."""
    return {
        "model": bench.name,
        "window": bench.window,
        "calibration_bytes": len(bench.calibration),
        "test_bytes": len(bench.test),
    }


def signed_table(multiplier: str) -> Table:
    """Products of a multiplier as users name it, refused unless its operands are signed."""
    found = named_multiplier(multiplier, Store.default())
    if not found.spec.signed:
        raise AxhwError(f"Expected a multiplier of signed operands for experts, found {found.name}.")
    return golden_table(found.spec)

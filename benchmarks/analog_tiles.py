"""Crossbar tiles in numpy: products beside float32 BLAS, and how long programming takes.

Usage: python -m benchmarks.analog_tiles
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from axhw.analog.calibration import InputStatistics
from axhw.analog.cells import BitSlicing, DifferentialPairs
from axhw.analog.drift import PcmDrift, PcmReadNoise
from axhw.analog.mapping import MappedWeight
from axhw.analog.matrix import AnalogMatrix
from axhw.analog.programming_noise import MODELS, Pcm
from axhw.analog.tiles import TileSpec
from benchmarks.markdown import table

MARKDOWN = True

# What they are, outputs, inputs.
MATRICES = (
    ("a full tile", 512, 512),
    ("expert of OLMoE, gate and up", 1024, 2048),
    ("expert of DeepSeekMoE, down", 2048, 1408),
    ("small expert", 128, 256),
)
ROWS = (1, 16, 256)
LARGE, SMALL = (1024, 2048), (128, 256)
ROUNDS = 7
ROUND_SECONDS = 0.03

PRODUCTS = """\
Tiles of 512 x 512 with 8-bit converters and programming noise. Times are the best of interleaved repetitions on one
thread. An MVM is one row of activations times the matrix; a tile MVM one row of activations in one tile, so that a
matrix of four tiles makes four of an MVM. Noise alone: both converters ideal, which leaves one product with the
programmed weight."""

PROGRAMMING = """\
Mapping is done once for all noises and seeds. The rest is mostly the drawing of normal numbers: one for each
conductance, another for its exponent of drift, and another when it is read out."""

Work = dict[str, Callable[[], object]]


def seconds(works: Work) -> dict[str, float]:
    """Time of the fastest run of each, taking turns."""
    best = dict.fromkeys(works, np.inf)
    for _ in range(ROUNDS):
        for name, work in works.items():
            end = time.perf_counter() + ROUND_SECONDS
            while (start := time.perf_counter()) < end:
                work()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def product_row(what: str, outputs: int, inputs: int, count: int) -> tuple[str, ...]:
    """Times of products of one shape."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.03, (outputs, inputs)).astype(np.float32)
    rows = rng.standard_normal((count, inputs), dtype=np.float32)
    tiles = TileSpec()
    ranges = InputStatistics.of(rows, tiles=tiles).ranges()
    ideal = replace(tiles, dac_bits=None, adc_bits=None)
    both, alone = (
        AnalogMatrix.program(MappedWeight.of(weight, tiles=kind, ranges=ranges), Pcm(), rng=rng)
        for kind in (tiles, ideal)
    )
    if not np.allclose(alone(rows), rows @ alone.weight.T, atol=1e-3):
        raise SystemExit("Tiles without converters and the digital product differ.")
    times = seconds({"digital": lambda: rows @ weight.T, "both": lambda: both(rows), "alone": lambda: alone(rows)})
    per_second = count / times["both"]
    return (
        f"{what}, {outputs} x {inputs}",
        str(count),
        f"{times['digital'] * 1e6:.0f}",
        f"{times['both'] * 1e6:.0f}",
        f"{times['both'] / times['digital']:.2f}",
        f"{times['alone'] / times['digital']:.2f}",
        f"{per_second:,.0f}",
        f"{per_second * tiles.tile_count(outputs=outputs, inputs=inputs):,.0f}",
    )


def programming_times(outputs: int, inputs: int) -> dict[str, float]:
    """Seconds of what is done to a weight before it multiplies, and of as many normal numbers as it has elements."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.03, (outputs, inputs)).astype(np.float32)
    tiles = TileSpec()
    ranges = InputStatistics.of(rng.standard_normal((64, inputs), dtype=np.float32), tiles=tiles).ranges()
    mapped = MappedWeight.of(weight, tiles=tiles, ranges=ranges)
    pairs = MappedWeight.of(weight, tiles=replace(tiles, cells=DifferentialPairs()), ranges=ranges)
    sliced = MappedWeight.of(weight, tiles=replace(tiles, slicing=BitSlicing()), ranges=ranges)
    fresh = AnalogMatrix.program(mapped, Pcm(), drift=PcmDrift(), rng=rng)
    return seconds(
        {
            "normal numbers alone": lambda: rng.standard_normal(weight.shape, dtype=np.float32),
            "mapping": lambda: MappedWeight.of(weight, tiles=tiles, ranges=ranges),
            **{name: lambda kind=kind: AnalogMatrix.program(mapped, kind(), rng=rng) for name, kind in MODELS.items()},
            "pcm, differential pairs": lambda: AnalogMatrix.program(pairs, Pcm(), rng=rng),
            "pcm, two slices of 8-bit weights": lambda: AnalogMatrix.program(sliced, Pcm(), rng=rng),
            "pcm with exponents of drift": lambda: AnalogMatrix.program(mapped, Pcm(), drift=PcmDrift(), rng=rng),
            "read out later: drift, read noise, compensation": lambda: fresh.at(
                3600.0, read_noise=PcmReadNoise(), compensated=True, rng=rng
            ),
        }
    )


def main() -> None:
    """Print the report."""
    columns = ("matrix, outputs x inputs", "rows", "float32, us", "tiles, us", "ratio", "noise alone, ratio")
    with threadpool_limits(1):
        products = [product_row(*matrix, count) for matrix in MATRICES for count in ROWS]
        large, small = programming_times(*LARGE), programming_times(*SMALL)
    print(f"## Products\n\n{PRODUCTS}\n")
    print(table((*columns, "MVMs/s", "tile MVMs/s"), products))
    print(f"\n## Programming\n\n{PROGRAMMING}\n")
    names = [f"{outputs} x {inputs}" for outputs, inputs in (LARGE, SMALL)]
    rows = [
        (step, f"{large[step] * 1e3:.1f}", f"{large[step] / np.prod(LARGE) * 1e9:.1f}", f"{small[step] * 1e6:.0f}")
        for step in large
    ]
    print(table(("step", f"{names[0]}, ms", "ns a weight", f"{names[1]}, us"), rows))


if __name__ == "__main__":
    main()

"""The shipped network, and a few designs from exact to coarse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.record import DesignRecord
from axhw.search.assignment import Ids
from axhw.search.palette import Palette
from axhw.search.workbench import Workbench

DESIGNS = ("exact", "roup:p=1,r=3", "roup:p=2,r=3", "roup:p=2,r=5,rule=symmetric", "evoapprox:mul8s_1L2L")


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench.load(model="digits_cnn", data="digits", images=60)


@pytest.fixture(scope="session")
def palette(characterized: Callable[..., DesignRecord]) -> Palette:
    return Palette.of([characterized(text) for text in DESIGNS])


@pytest.fixture(scope="session")
def workbench(bench: Bench, palette: Palette) -> Workbench:
    return Workbench(bench=bench, palette=palette, images=100, threads=1)


@pytest.fixture(scope="session")
def random_choice(bench: Bench, palette: Palette) -> Callable[[int], dict[str, Ids]]:
    """A configuration whose layers are on different levels, by seed."""
    layers = bench.quantized(signed=True).graph.weight_layers

    def make(seed: int) -> dict[str, Ids]:
        rng = np.random.default_rng(seed)
        found = {}
        for name, layer in layers.items():
            shape = (layer.outputs, layer.channels)[: rng.integers(0, 3)]
            found[name] = np.asarray(rng.integers(0, len(palette), shape), np.int64)
        return found

    return make

"""What reconfiguration takes from the saving of an assignment, against sums by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.experiments.max_dnn.reconfiguration import configurable, costed, most_used
from axhw.mixed.overhead import Overhead
from axhw.record import DesignRecord
from axhw.search.assignment import Assignment, Ids
from axhw.search.palette import Palette

FIXED = np.array([100.0, 40.0, 20.0])
MODES = np.array([110.0, 60.0, 50.0])
CHANGE = 7.0


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load(model="digits_cnn", data="digits", images=20)


@pytest.fixture(scope="module")
def palette(characterized: Callable[..., DesignRecord]) -> Palette:
    return Palette.of([characterized(text) for text in ("exact", "roup:p=1,r=3", "roup:p=2,r=3")])


@pytest.fixture(scope="module")
def overhead(palette: Palette) -> Overhead:
    """With round figures in the place of measured ones."""
    fixed = tuple(
        cast(DesignRecord, SimpleNamespace(circuit_cost=SimpleNamespace(energy_fj=energy, area_um2=1.0, delay_ns=1.0)))
        for energy in FIXED
    )
    change = CHANGE * (1 - np.eye(3))
    modes = SimpleNamespace(
        name="modes", ways=[SimpleNamespace(energy_fj=energy) for energy in MODES], change_fj=change.tolist()
    )
    return Overhead(configurable=cast(Any, modes), fixed=fixed)


def assignment(bench: Bench, palette: Palette, choice: Callable[[str], Ids]) -> Assignment:
    graph = bench.quantized(signed=True).graph
    layers = {node.name: choice(node.name) for node in graph.product_nodes}
    return Assignment(network=graph.name, designs=palette.references, layers=layers)


def test_one_design_everywhere_never_changes(bench: Bench, palette: Palette, overhead: Overhead) -> None:
    graph = bench.quantized(signed=True).graph
    found = costed(assignment(bench, palette, lambda name: np.asarray(2)), graph, palette, overhead)
    assert found["fixed_saved_pct"] == pytest.approx(80)
    assert found["configurable_saved_pct"] == pytest.approx(50)
    assert found["mode_changes_per_inference"] == 0
    assert found["modes_used"] == 1
    assert found["mixed_columns_busy_pct"] == pytest.approx(100)


def test_changes_between_kernels_cost(bench: Bench, palette: Palette, overhead: Overhead) -> None:
    """The kernels of one layer take turns, all others are exact."""
    graph = bench.quantized(signed=True).graph
    chosen = max(graph.weight_layers, key=graph.multiplications.__getitem__)
    layer = graph.weight_layers[chosen]
    turns = (np.arange(layer.outputs * layer.channels) % 2).reshape(layer.outputs, layer.channels)
    names = list(graph.weight_layers)
    given = assignment(bench, palette, lambda name: turns if name == chosen else np.asarray(0))
    found = costed(given, graph, palette, overhead)
    changes = turns.size - 1 + int(bool(turns.ravel()[-1]) and chosen != names[-1])
    assert found["mode_changes_per_inference"] == changes
    products = sum(graph.multiplications[name] for name in names)
    turned = graph.multiplications[chosen] / 2
    spent = MODES[0] * (products - turned) + MODES[1] * turned + CHANGE * changes
    assert found["configurable_saved_pct"] == pytest.approx(100 * (1 - spent / (100 * products)), abs=1e-3)
    assert 0 < found["mixed_columns_busy_pct"] < 100


def test_the_modes_are_the_designs_used_most(bench: Bench, palette: Palette) -> None:
    graph = bench.quantized(signed=True).graph
    given = assignment(bench, palette, lambda name: np.asarray(2))
    modes = most_used([given.compact()], graph, palette, modes=2)
    assert [record.name for record in modes] == ["exact8s", "roup8s_p2_r3"]
    assert configurable(modes).name == "roup8s_modes_p0r0_p2r3"

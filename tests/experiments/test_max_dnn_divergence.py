"""The energy model of the searches against gates: sums by hand, and an assignment of the digits network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.experiments.max_dnn.divergence import divergence, divergence_blocks
from axhw.experiments.max_dnn.energy_model import (
    Traces,
    chosen_points,
    element_of,
    measured_points,
    weight_numbers,
)
from axhw.experiments.max_dnn.plan import Tracing
from axhw.experiments.parts import Parts
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.record import DesignRecord
from axhw.report.study import Picture, Table
from axhw.search.assignment import Assignment
from axhw.search.palette import Palette
from axhw.store import Store
from axhw.workload import layer_operands

MODELS = ("uniform", "histogram", "weight_stationary", "output_stationary", "array_cell")
TRACING = Tracing(compensations=(None,), elements=("array_cell",), images=2, pairs=64)


def row(level: str, layer: str, design: str, multiplications: int, energy: float, **other: float) -> dict[str, Any]:
    """A row with the same energy in all models but for those given, in fJ; errors are a tenth."""
    energies = {model: other.get(model, energy) for model in MODELS}
    return {
        "compensation": "none",
        "level": level,
        "layer": layer,
        "design": design,
        "multiplications": multiplications,
        **{f"{model}_fj": value for model, value in energies.items()},
        **{f"{model}_error_fj": value / 10 for model, value in energies.items()},
        "array_cell_multiplier_fj": energies["array_cell"] / 4,
        "array_cell_registers_fj": energies["array_cell"] / 4,
        "array_cell_logic_fj": 0.0,
        "array_cell_clock_fj": energies["array_cell"] / 2,
    }


ROWS = [
    row("exact", "conv1", "exact", 100, 10.0, array_cell=40.0),
    row("exact", "conv2", "exact", 300, 10.0, array_cell=40.0),
    row("filter", "conv1", "exact", 100, 10.0, array_cell=40.0),
    row("filter", "conv2", "exact", 100, 10.0, array_cell=40.0),
    row("filter", "conv2", "rough", 200, 4.0, array_cell=34.0),
]


def test_savings_by_hand() -> None:
    *exact, first, second, every = divergence(ROWS, elements=("array_cell",))
    assert [each["layer"] for each in exact] == ["conv1", "conv2", "all"]
    assert (
        {each["array_cell_saved_pct"] for each in exact}
        == {each["uniform_saved_error_points"] for each in exact}
        == {0}
    )
    assert exact[-1]["array_cell_nj"] == pytest.approx(16e-3)
    assert [each["layer"] for each in (first, second, every)] == ["conv1", "conv2", "all"]
    assert (first["uniform_saved_pct"], first["array_cell_divergence_points"]) == (0, 0)
    assert second["designs"] == "exact, rough"
    assert second["uniform_saved_pct"] == pytest.approx(100 * (1 - (100 * 10 + 200 * 4) / 3000))
    assert second["array_cell_saved_pct"] == pytest.approx(100 * (1 - (100 * 40 + 200 * 34) / 12000))
    assert every["multiplications"] == 400
    assert every["uniform_saved_pct"] == pytest.approx(30)
    assert every["array_cell_saved_pct"] == pytest.approx(7.5)
    assert every["array_cell_divergence_points"] == pytest.approx(22.5)
    assert every["array_cell_multiplier_share_pct"] == pytest.approx(25)
    assert every["array_cell_nj"] == pytest.approx(14.8e-3)
    spent = np.hypot(np.hypot(100 * 1, 100 * 1), 200 * 0.4) / 2800
    base = np.hypot(100 * 1, 300 * 1) / 4000
    assert every["uniform_saved_error_points"] == pytest.approx(100 * 0.7 * np.hypot(spent, base))


def test_the_section_tells_where_the_divergence_comes_from() -> None:
    settings = {
        "model": "net",
        "data": "data",
        "traced_elements": ["array_cell"],
        "traced_images": 8,
        "traced_pairs": 1024,
    }
    document = {"divergence": divergence(ROWS, elements=("array_cell",)), "settings": settings}
    text, totals, steps, _, energies, picture, layers = divergence_blocks(document, name="study")
    assert "operands of 8 train images" in str(text).lower()
    assert isinstance(totals, Table)
    assert totals.rows == [("filter", "none", "30.0", "30.0", "30.0", "7.5", "30.0", "25 %")]
    assert "22.5 to 22.5 points more" in str(steps)
    assert "0.0 points come from the operands, 0.0 from their order and 22.5 from adder" in str(steps)
    assert isinstance(energies, Table)
    assert [line[0] for line in energies.rows] == ["exact", "filter"]
    assert isinstance(picture, Picture)
    assert isinstance(layers, Table)
    assert [line[2] for line in layers.rows] == ["conv1", "conv2"]
    alone = divergence(ROWS[:2], elements=("array_cell",))
    assert divergence_blocks({"divergence": alone, "settings": settings}, name="study") == []


def test_the_points_that_save_most() -> None:
    def point(level: str, saved: float, loss: float, **other: str) -> dict[str, Any]:
        common = {"network": "net", "palette": "roup", "compensation": "none", "level": level}
        return {**common, "energy_saved_pct": saved, "validation_loss_pct": loss, **other}

    points = [
        point("layer", 50, 3.9),
        point("layer", 60, 4.1),
        point("filter", 55, 2),
        point("mixed", 70, 2),
        point("kernel", 90, 3, palette="published"),
        point("kernel", 90, 3, compensation="affine"),
    ]
    assert chosen_points(points, model="net", tracing=TRACING) == [points[0], points[2]]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load(model="digits_cnn", data="digits", images=20)


@pytest.fixture(scope="module")
def palette(characterized: Callable[..., DesignRecord]) -> Palette:
    return Palette.of([characterized(text) for text in ("exact", "roup:p=2,r=3")])


def test_numbers_of_kernels_lie_where_their_weights_do(bench: Bench) -> None:
    network = bench.quantized(signed=True)
    operands = layer_operands(network, bench.calibration_images[:1])
    layer = network.graph.weight_layers["conv2"]
    height, width = layer.weight_shape[2:]
    kernels = np.arange(layer.outputs * layer.channels).reshape(layer.outputs, layer.channels)
    found = weight_numbers(layer, kernels, operands["conv2"])
    codes = network.products["conv2"].codes
    for term in range(layer.terms):
        y, x, channel = np.unravel_index(term, (height, width, layer.channels))
        np.testing.assert_array_equal(found[term], kernels[:, channel])
        np.testing.assert_array_equal(operands["conv2"].weights[term], codes[:, channel, y, x])
    by_filter = weight_numbers(layer, np.arange(layer.outputs), operands["conv2"])
    assert (by_filter == np.arange(layer.outputs)).all()
    assert (weight_numbers(layer, np.asarray(1), operands["conv2"]) == 1).all()


def test_elements_have_room_for_the_longest_sum(bench: Bench) -> None:
    network = bench.quantized(signed=True)
    longest = max(layer.terms for layer in network.graph.weight_layers.values())
    assert longest <= element_of("mac", parse("exact"), network).terms < 2 * longest
    assert element_of("array_cell", parse("exact"), network).operations == 1


def test_an_assignment_of_kernels(bench: Bench, palette: Palette, store: Store, tmp_path: Path) -> None:
    flow = Flow.of(store=store)
    traces = Traces(bench=bench, palette=palette, tracing=TRACING, flow=flow)
    network = bench.quantized(signed=True)
    layer = network.graph.weight_layers["conv2"]
    layers = {node.name: np.asarray(0) for node in network.graph.product_nodes}
    layers["conv2"] = (np.arange(layer.outputs * layer.channels) % 4 == 0).reshape(layer.outputs, -1).astype(np.int64)
    given = Assignment(network=network.graph.name, designs=palette.references, layers=layers)
    given.save(tmp_path / "kernel-01.json")
    points = [{"compensation": "none", "level": "kernel", "assignment": "kernel-01.json"}]
    parts = Parts(folder=tmp_path / "parts")
    rows = measured_points(traces, points, folder=tmp_path, parts=parts)
    own = [each for each in rows if each["level"] == "kernel" and each["layer"] == "conv2"]
    assert [each["design"] for each in own] == ["exact8s", "roup8s_p2_r3"]
    assert [each["multiplications"] for each in own] == [
        network.multiplications["conv2"] * share // 4 for share in (3, 1)
    ]
    exact, rough = own
    for model in MODELS:
        assert rough[f"{model}_fj"] < exact[f"{model}_fj"]
    found = divergence(rows, elements=TRACING.elements)
    assert found[-1]["multiplications"] == sum(network.multiplications.values())
    second = next(each for each in found if (each["level"], each["layer"]) == ("kernel", "conv2"))
    rough_fj, exact_fj = (record.circuit_cost.energy_fj for record in (palette.records[1], palette.records[0]))
    assert second["uniform_saved_pct"] == pytest.approx(25 * (1 - rough_fj / exact_fj))
    assert second["array_cell_saved_pct"] < second["uniform_saved_pct"]

    def refuse(name: str) -> None:
        raise AssertionError(f"measured again: {name}")

    again = Traces(bench=bench, palette=palette, tracing=TRACING, flow=flow, stage=refuse)
    assert measured_points(again, points, folder=tmp_path, parts=parts) == rows

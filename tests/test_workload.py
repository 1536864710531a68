from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axhw.cli.main import main
from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.hdl.registry import parse
from axhw.measure import Conditions, measure_cost
from axhw.nn.histograms import operand_histograms
from axhw.record import DesignRecord
from axhw.sim.operands import from_trace
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.synthesis import Synthesis
from axhw.workload import ORDERS, LayerOperands, Order, layer_operands, workload_energy

IMAGES, POSITIONS, TERMS, OUTPUTS = 2, 5, 3, 4
LIBRARY = load_library(DEFAULT).cells
CONDITIONS = Conditions(pairs=512, seed=3)
TRACES: tuple[Order, ...] = ("weight-stationary", "output-stationary")

Characterized = Callable[..., DesignRecord]


def small_layer(low: int = -8, high: int = 7, images: int = IMAGES, seed: int = 0) -> LayerOperands:
    rng = np.random.default_rng(seed)
    return LayerOperands(
        layer="small",
        activations=rng.integers(low, high, (images, POSITIONS, TERMS), np.int8, endpoint=True),
        weights=rng.integers(low, high, (TERMS, OUTPUTS), np.int8, endpoint=True),
        zero=0,
        multiplications=POSITIONS * TERMS * OUTPUTS,
    )


def trace(layer: LayerOperands, order: Order) -> list[tuple[int, int]]:
    """The whole trace as nested loops."""
    a, w = layer.activations.tolist(), layer.weights.tolist()
    terms, positions = range(TERMS), range(POSITIONS)
    return [
        (a[image][position][term], w[term][output])
        for image in range(len(a))
        for output in range(OUTPUTS)
        for position, term in (
            [(position, term) for term in terms for position in positions]
            if order == "weight-stationary"
            else [(position, term) for position in positions for term in terms]
        )
    ]


@pytest.mark.parametrize("order", TRACES)
def test_runs_are_stretches_of_the_trace(order: Order) -> None:
    layer = small_layer(-128, 127)
    whole = trace(layer, order)
    runs = layer.runs(parse("exact"), order=order, pairs=2000, seed=5)
    assert sum(len(run) - 1 for run in runs) >= 2000
    places = [
        [
            start
            for start in range(len(whole) - len(run) + 1)
            if whole[start : start + len(run)] == list(zip(run.a.tolist(), run.b.tolist()))
        ]
        for run in runs
    ]
    assert all(places)
    # More runs than places to begin, evenly spread.
    assert {start for found in places for start in found} == set(range(len(whole) - len(runs[0]) + 1))


@pytest.mark.parametrize("order", TRACES)
def test_the_trace_of_a_part_is_the_whole_one_without_the_rest(order: Order) -> None:
    whole = small_layer(-128, 127)
    mine = np.random.default_rng(2).random((TERMS, OUTPUTS)) < 0.6
    mine[:, 1] = False
    part = whole.part(mine)
    assert part.multiplications == POSITIONS * mine.sum()
    assert part.operations == IMAGES * POSITIONS * mine.sum()
    places = whole.places(order, np.arange(whole.operations))
    chosen = mine[places.term, places.output]
    own = part.places(order, np.arange(part.operations))
    for name in ("image", "position", "term", "output"):
        np.testing.assert_array_equal(getattr(own, name), getattr(places, name)[chosen])
    # A weight is loaded, or a sum begun, wherever it is not that of the operation before.
    kept = (own.image, own.term, own.output) if order == "weight-stationary" else (own.image, own.position, own.output)
    changed = np.any([np.diff(values) != 0 for values in kept], axis=0)
    np.testing.assert_array_equal(own.first, [True, *changed])
    again = part.places(order, np.array([-1, part.operations]))
    assert again.term.tolist() == [own.term[-1], own.term[0]]
    zeros = whole.activations[own.image, own.position, own.term] == 0
    assert part.zero_share == pytest.approx(zeros.mean())
    assert whole.part(np.ones((TERMS, OUTPUTS), np.bool_)) is whole


def test_the_histogram_of_a_part() -> None:
    mine = np.zeros((TERMS, OUTPUTS), np.bool_)
    mine[1, 2] = True
    layer = small_layer().part(mine)
    runs = layer.runs(parse("exact"), order="histogram", pairs=4000, seed=1)
    assert {int(b) for run in runs for b in run.b} == {int(layer.weights[1, 2])}
    values, counts = np.unique(np.concatenate([run.a for run in runs]), return_counts=True)
    expected, frequency = np.unique(layer.activations[:, :, 1], return_counts=True)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_allclose(counts / counts.sum(), frequency / frequency.sum(), atol=0.03)


@pytest.mark.parametrize(("order", "changes"), [("weight-stationary", 1 / POSITIONS), ("output-stationary", 1.0)])
def test_how_often_the_weight_changes(order: Order, changes: float) -> None:
    runs = small_layer(-128, 127).runs(parse("exact"), order=order, pairs=640, seed=0)
    changed = np.concatenate([np.diff(run.b) != 0 for run in runs])
    assert changed.mean() == pytest.approx(changes, abs=0.03)


def test_the_histogram_has_the_pairs_of_the_layer() -> None:
    layer = small_layer()
    runs = layer.runs(parse("exact"), order="histogram", pairs=20000, seed=1)
    drawn = np.concatenate([run.a * 256 + run.b for run in runs])
    expected = np.array([a * 256 + b for a, b in trace(layer, "output-stationary")])
    values, counts = np.unique(expected, return_counts=True)
    found, frequency = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(found, values)
    np.testing.assert_allclose(frequency / len(drawn), counts / len(expected), atol=0.01)


@pytest.mark.parametrize("order", ORDERS)
def test_a_seed_is_a_sample(order: Order) -> None:
    def operands(seed: int) -> list[int]:
        runs = small_layer(-128, 127).runs(parse("exact"), order=order, pairs=64, seed=seed)
        return [int(x) for run in runs for x in (*run.a, *run.b)]

    assert operands(1) == operands(1)
    assert operands(1) != operands(2)


def test_a_layer_shorter_than_a_run_is_refused() -> None:
    layer = LayerOperands(
        layer="dot",
        activations=np.ones((1, 1, 8), np.int8),
        weights=np.ones((8, 1), np.int8),
        zero=0,
        multiplications=8,
    )
    with pytest.raises(AxhwError, match="^Expected more than 8 multiplications in dot to trace, found 8.$"):
        layer.runs(parse("exact"), order="weight-stationary", pairs=64, seed=0)


@pytest.mark.parametrize("order", TRACES)
def test_energy_is_that_of_the_whole_trace(characterized: Characterized, order: Order) -> None:
    record = characterized("exact:width=4")
    layer = small_layer(images=40)
    (sampled,) = workload_energy(record, {"small": layer}, library=LIBRARY, order=order, conditions=CONDITIONS).layers
    a, b = zip(*trace(layer, order))
    synthesis = Synthesis(
        name=record.name,
        engine="",
        rtl_verilog="",
        netlist_verilog="",
        netlist_json=record.read("netlist.json").decode(),
        seconds=0.0,
    )
    stream = from_trace(record.multiplier, a, b)
    whole = measure_cost(record.spec, synthesis, library=LIBRARY, conditions=CONDITIONS, stream=stream)
    assert sampled.pairs == 512
    assert sampled.multiplications == POSITIONS * TERMS * OUTPUTS
    assert 0 < sampled.standard_error_fj < 0.1 * sampled.energy_fj
    assert sampled.energy_fj == pytest.approx(whole.energy_fj, abs=4 * sampled.standard_error_fj)


def test_nothing_switches_while_operands_stay(characterized: Characterized) -> None:
    still = LayerOperands(
        layer="still",
        activations=np.full((1, 20, 2), 3, np.int8),
        weights=np.full((2, 1), -5, np.int8),
        zero=3,
        multiplications=40,
    )
    for order in ORDERS:
        result = workload_energy(
            characterized("exact"), {"still": still}, library=LIBRARY, order=order, conditions=CONDITIONS
        )
        assert (result.energy_nj, result.layers[0].standard_error_fj, result.layers[0].zero_share) == (0.0, 0.0, 1.0)
        assert result.uniform_nj == pytest.approx(40e-6 * result.record.cost.energy_fj)


def test_operands_of_the_network(characterized: Characterized) -> None:
    bench = Bench.load(model="digits_cnn", data="digits")
    network = bench.quantized(signed=True)
    record = characterized("evoapprox:mul8s_1L2L")
    images = bench.data.test.images[:3]
    operands = layer_operands(network, images, record)
    exact = layer_operands(network, images)
    assert {name: layer.multiplications for name, layer in operands.items()} == network.multiplications
    np.testing.assert_array_equal(operands["conv1"].activations, exact["conv1"].activations)
    # Behind conv1, the products have changed the activations.
    assert (operands["conv2"].activations != exact["conv2"].activations).any()
    by_layer = layer_operands(network, images, tables={"conv1": record.table})
    np.testing.assert_array_equal(by_layer["conv2"].activations, operands["conv2"].activations)
    assert (by_layer["conv3"].activations != operands["conv3"].activations).any()
    histogram = operand_histograms(network, images, record.table)["linear"]
    layer = operands["linear"]
    for code in (0, 1, 127):
        share = np.count_nonzero(layer.activations == code) * layer.weights.shape[1]
        assert share == histogram[128 + code].sum()


@pytest.mark.parametrize(
    ("text", "element", "message"),
    [
        ("exact:width=4", None, "8-bit multipliers for a network of 8-bit codes, found 4 bits in exact4s"),
        ("exact:signed=false", None, "tables of signed operands for a network of signed codes, found exact8u"),
    ],
)
def test_other_multipliers_are_refused(
    characterized: Characterized, text: str, element: str | None, message: str
) -> None:
    bench = Bench.load(model="digits_cnn", data="digits")
    with pytest.raises(AxhwError, match=message):
        layer_operands(bench.quantized(signed=True), bench.data.test.images[:1], characterized(text, element))


def test_registers_and_other_libraries_are_refused(characterized: Characterized) -> None:
    def energy(record: DesignRecord) -> None:
        layers = {"small": small_layer()}
        workload_energy(record, layers, library=LIBRARY, order="weight-stationary", conditions=CONDITIONS)

    with pytest.raises(AxhwError, match="Expected a multiplier without registers to trace .*, found exact4s_reg"):
        energy(characterized("exact:width=4", "registered"))
    record = characterized("exact:width=4")
    other = replace(record, cost=replace(record.cost, library="other", library_sha256="0" * 64))
    with pytest.raises(AxhwError, match="^Expected exact4s measured in the library .*, found other in its record"):
        energy(other)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["workload", "-m", "exact", "--order", "weight-stationary", "--images", "4", "--pairs", "512", "--json"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    (workload,) = document["workloads"]
    assert (document["images"], document["pairs"], workload["order"]) == (4, 512, "weight-stationary")
    layers = workload["layers"]
    assert [layer["layer"] for layer in layers] == ["conv1", "conv2", "conv3", "linear"]
    total = sum(layer["multiplications"] * layer["energy_fj"] for layer in layers)
    assert workload["energy_nj_per_inference"] == pytest.approx(1e-6 * total)
    # Activations behind a ReLU change less than noise, most of all while the weight stays.
    assert workload["energy_nj_per_inference"] < 0.5 * workload["uniform_nj_per_inference"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == document


def test_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "--images", "2", "--pairs", "64", "--order", "histogram"]) == 0
    output = capsys.readouterr().out
    for word in ("exact8s", "conv3", "histogram", "inference", "342,272", "seed 1"):
        assert word in output
    assert "stationary" not in output


def test_the_examples_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    guide = Path(__file__).parents[1] / "docs" / "workloads.md"
    element, own = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    printed = []
    for example in (element, own):
        exec(compile(example, str(guide), "exec"), {})
        printed.append([float(word) for word in capsys.readouterr().out.split()])
    (energy, share), (alone, ratio) = printed
    assert energy > alone > 0
    assert 0 < share < 0.5
    assert ratio > 1

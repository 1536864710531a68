from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from axhw.data import digits
from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.evaluation import EVALUATION_CSV, Bench, evaluation_row, select_layers, write_rows
from axhw.nn.network import Network
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord

Characterized = Callable[..., DesignRecord]


@pytest.fixture(scope="module")
def bench() -> Bench:
    """The shipped network on 100 of the test images."""
    return Bench.load(model="digits_cnn", data="digits", images=100)


def test_an_exact_multiplier_changes_nothing(bench: Bench, characterized: Characterized) -> None:
    record = characterized("exact")
    steps = []
    result = bench.evaluate(record, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (100, 100)
    assert (result.images, result.signed) == (100, True)
    assert result.approximate_accuracy == result.exact_accuracy > 0.9
    assert result.agreement == 1.0
    assert result.energy_nj == pytest.approx(result.multiplications * record.cost.energy_fj * 1e-6)


def test_signedness_chooses_the_network(bench: Bench, characterized: Characterized) -> None:
    result = bench.evaluate(characterized("roup:p=1,r=2,signed=false"))
    assert not result.signed
    assert result.exact_accuracy > 0.9
    assert result.approximate_accuracy > 0.8


def test_an_element_counts_its_registers(bench: Bench, characterized: Characterized) -> None:
    plain, registered = characterized("roup:p=2,r=3"), characterized("roup:p=2,r=3", "registered")
    results = [bench.evaluate(record) for record in (plain, registered)]
    assert results[0].approximate_accuracy == results[1].approximate_accuracy
    assert results[0].energy_nj < results[1].energy_nj


@pytest.mark.parametrize("text", ["exact:width=4", "roup:width=12,p=2,r=4,adder=ripple"])
def test_designs_of_other_widths(bench: Bench, characterized: Characterized, text: str) -> None:
    record = characterized(text)
    with pytest.raises(
        AxhwError,
        match=rf"^Expected a design with 8-bit operands to run a network with, found {record.name} with "
        rf"{record.multiplier.width} bits\.$",
    ):
        bench.evaluate(record)


def test_evaluation_csv(bench: Bench, characterized: Characterized, tmp_path: Path) -> None:
    records = [characterized("exact"), characterized("roup:p=2,r=3")]
    rows = [evaluation_row(record, bench.evaluate(record)) for record in records]
    json.dumps(rows, allow_nan=False)
    path = write_rows(rows, tmp_path / EVALUATION_CSV)
    assert path == tmp_path / EVALUATION_CSV
    frame = pd.read_csv(path)
    assert list(frame.columns) == [
        "name", "family", "network", "dataset", "split", "split_seed", "images", "float_accuracy",
        "int8_accuracy", "accuracy", "agreement", "multiplications", "energy_fj", "energy_nj_per_inference",
        "library", "lut_sha256",
    ]  # fmt: skip
    assert list(frame["name"]) == ["exact8s", "roup8s_p2_r3"]
    assert list(frame["lut_sha256"]) == [record.verification.table_sha256 for record in records]
    energy_nj = frame["multiplications"] * frame["energy_fj"] * 1e-6
    assert list(frame["energy_nj_per_inference"]) == pytest.approx(list(energy_nj))
    assert list(frame["agreement"]) == [row["agreement"] for row in rows]


def test_unknown_names() -> None:
    with pytest.raises(AxhwError, match=r"^Expected a data set out of digits, .*, found 'mnist'\.$"):
        Bench.load(model="digits_cnn", data="mnist")
    with pytest.raises(AxhwError, match=r"^Expected a network out of digits_cnn, .*, found 'resnet9' \(did you mean"):
        Bench.load(model="resnet9", data="digits")
    with pytest.raises(AxhwError, match=r"^Expected trained weights of vgg19_bn on digits; axhw comes with those of"):
        Bench.load(model="vgg19_bn", data="digits")


def test_layers_are_chosen_by_name_and_number(bench: Bench) -> None:
    assert select_layers(bench.graph, "2-3") == ("conv2", "conv3")
    assert select_layers(bench.graph, "linear, 1") == ("conv1", "linear")
    for text in ("5", "0", "3-2", "conv9", "a-b"):
        with pytest.raises(AxhwError, match=r"^Expected product layers by name \(conv1, .*\) or number \(1 to 4\)"):
            select_layers(bench.graph, text)
    with pytest.raises(AxhwError, match=r"^Expected at least one product layer out of conv1, .*, found none"):
        select_layers(bench.graph, " ,")


def test_one_layer_alone(bench: Bench, characterized: Characterized) -> None:
    record = characterized("roup:p=2,r=3")
    alone = bench.evaluate(record, layers=["conv3"], exact_energy_fj=1000.0)
    assert alone.energy_nj == pytest.approx((110_592 * record.cost.energy_fj + 231_680 * 1000.0) * 1e-6)
    assert bench.evaluate(record, layers=["conv3"]).energy_nj is None
    assert bench.evaluate(record, layers=["conv3"]).agreement >= bench.evaluate(record).agreement


def test_the_folder_of_evaluations_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"^Expected to write .*absent.*, found: .+\.$"):
        write_rows([{"name": "exact8s"}], tmp_path / "absent" / EVALUATION_CSV)


def test_gates_multiply_exactly_unless_named(characterized: Characterized) -> None:
    graph = build_graph("digits_cnn_hard2", input_shape=(1, 8, 8), classes=10)
    rng = np.random.default_rng(0)
    parameters = {
        name: np.abs(rng.normal(0.0, 0.2, shape)).astype(np.float32)
        if name.endswith("running_var")
        else rng.normal(0.0, 0.2, shape).astype(np.float32)
        for name, shape in graph.parameter_shapes.items()
    }
    bench = Bench(network=Network(graph=graph, parameters=parameters), data=limited_digits(), weights="random")
    record = characterized("roup:p=2,r=3")
    assert bench.evaluate(record).energy_nj is None
    own = record.cost.energy_fj
    result = bench.evaluate(record, exact_energy_fj=3 * own)
    gates = {node.name for node in bench.graph.gate_nodes}
    expected = sum(count * (3 * own if name in gates else own) for name, count in result.layer_multiplications.items())
    assert result.energy_nj == pytest.approx(1e-6 * expected)
    named = bench.evaluate(record, layers=[name for name in result.layer_multiplications if name not in gates])
    assert named.approximate_accuracy == result.approximate_accuracy


def limited_digits() -> Splits:
    splits = digits.load()
    return replace(splits, train=splits.train.limited(32), test=splits.test.limited(32))

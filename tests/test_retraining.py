"""Retraining: what it multiplies with, where it starts, and what it leaves alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.hdl.registry import describe, parse
from axhw.nn.executor import Executor
from axhw.nn.quantizer import quantize_network
from axhw.nn.weights_file import read_weights
from axhw.retraining import DISTILLED, Products, Start, retrain
from axhw.search.assignment import Assignment
from axhw.search.palette import DesignReference
from axhw.sim.product_table import golden_table
from axhw.train.finished import finished

LAYERS = {
    "conv1": np.array(0),
    "conv2": np.tile([0, 1], 8),
    "conv3": np.array(1),
    "linear": np.array(0),
}


def assignment(*, digest: str | None = None) -> Assignment:
    """Exact products and mul8s_1L2N, by layer and by filter."""
    graph = Start.load(model="digits_cnn", data="digits").trained.network.graph
    tables = [golden_table(parse(text)) for text in ("exact", "evoapprox:mul8s_1L2N")]
    references = tuple(
        DesignReference(name=table.name, key="k", table_sha256=digest or table.sha256, spec=table.source)
        for table in tables
    )
    layers = {node.name: LAYERS.get(node.name, np.array(0)) for node in graph.product_nodes}
    layers["conv2"] = np.arange(graph.weight_layers["conv2"].outputs) % 2
    return Assignment(network=graph.name, designs=references, layers=layers)


def test_products_of_an_assignment_are_those_of_its_designs_without_any_circuit() -> None:
    products = Products.of_assignment("mine", assignment())
    assert products.signed
    assert isinstance(products.tables, dict)
    of_filters = products.tables["conv2"]
    assert [table.name for table in of_filters.tables] == ["exact8s", "evoapprox_v2022_mul8s_1L2N"]
    assert of_filters.table_of.tolist() == [place % 2 for place in range(len(of_filters.table_of))]


def test_a_design_that_computes_something_else_by_now_is_refused() -> None:
    with pytest.raises(AxhwError, match=r"^Expected exact8s with the product table 0000.*search again\.$"):
        Products.of_assignment("mine", assignment(digest="0" * 64))


def test_products_of_wide_multipliers_are_refused() -> None:
    with pytest.raises(AxhwError, match=r"^Expected a multiplier of 8-bit operands, found .* with 12 bits\.$"):
        Products.of_multiplier(parse("roup:p=1,r=4,width=12"))


def test_networks_of_another_image_shape_are_refused() -> None:
    start = Start.load(model="digits_cnn", data="digits")
    assert start.trained.model == "digits_cnn"
    with pytest.raises(AxhwError, match=r"^Expected a network of the zoo or a \.safetensors file to retrain"):
        Start.load(model="net.onnx", data="digits")


def test_golden_products_are_those_of_the_definition() -> None:
    table = golden_table(parse("roup:p=2,r=3", signed=True))
    spec = parse("roup:p=2,r=3")
    for a, b in ((-128, 127), (3, -77), (127, 127)):
        assert int(table.product(a, b)) == int(spec.reference(np.array(a), np.array(b)))
    assert table.source == describe(spec)


def test_retraining_gives_better_weights_and_is_not_done_twice(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    start = Start.load(model="digits_cnn", data="digits")
    products = Products.of_assignment("mine", assignment())
    recipe = dataclasses.replace(DISTILLED, epochs=2, batch=32)
    lines: list[str] = []
    path = retrain(start, products, out=tmp_path, recipe=recipe, log=lines.append)
    assert any("after training: test accuracy" in line for line in lines)
    validated = [float(line.rpartition(" ")[2]) for line in lines if "validation accuracy" in line]
    best = validated.index(max(validated))
    chosen = f"of epoch {best}, the best" if best else "as before: no epoch did better"
    assert f"weights {chosen} on validation images" in lines
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.json", "mine.log", "mine.safetensors"]
    bench = Bench.load(model="digits_cnn", data="digits")
    before = bench.evaluate_tables(products.tables, signed=True).approximate_accuracy
    network = read_weights(path).network
    after = dataclasses.replace(bench, network=network).evaluate_tables(products.tables, signed=True)
    # The log tells what the integer network gives here, to the digit.
    told = [float(line.rpartition(" ")[2]) for line in lines if "test accuracy" in line]
    accuracies = {
        "exact_accuracy": bench.evaluate_tables({}, signed=True).approximate_accuracy,
        "accuracy_before": before,
        "accuracy_after": after.approximate_accuracy,
    }
    assert told == [round(accuracy, 4) for accuracy in accuracies.values()]
    summary = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {name: summary[name] for name in accuracies} == accuracies
    assert summary["images"] == len(bench.data.test)
    kept = path.read_bytes()
    assert retrain(start, products, out=tmp_path, recipe=recipe, log=lambda line: pytest.fail(line)) == path
    assert path.read_bytes() == kept
    # Other settings leave it as it is, and need no PyTorch to be refused.
    other = dataclasses.replace(recipe, epochs=1)
    with pytest.raises(AxhwError, match=r"mine\.safetensors .* trained with other settings: choose another --out or"):
        retrain(start, products, out=tmp_path, recipe=other, log=lambda line: pytest.fail(line))
    assert path.read_bytes() == kept
    # Stopped between weights and log, it goes on from its checkpoint.
    record = path.with_suffix(".log")
    told = record.read_text(encoding="utf-8")
    record.unlink()
    with pytest.raises(AxhwError, match=r"found ones without their settings in mine\.log: choose another --out or"):
        retrain(start, products, out=tmp_path, recipe=recipe, log=lambda line: pytest.fail(line))
    assert not finished(path, told.splitlines()[0], checkpoint=tmp_path / "mine.json")


def test_compact_weights_are_the_same_integer_network(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    start = Start.load(model="digits_cnn", data="digits")
    products = Products.of_assignment("mine", assignment())
    recipe = dataclasses.replace(DISTILLED, epochs=1, batch=32)
    paths = [
        retrain(start, products, out=tmp_path / str(compact), recipe=recipe, compact=compact)
        for compact in (False, True)
    ]
    real, compact = (read_weights(path).network for path in paths)
    assert paths[1].stat().st_size < paths[0].stat().st_size / 2
    images = start.data.test.images
    first, second = (
        Executor(quantize_network(network, images[:0], signed=True), products.tables)(images)
        for network in (real, compact)
    )
    np.testing.assert_array_equal(first, second)
    told = [json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) for path in paths]
    assert told[0]["accuracy_after"] == told[1]["accuracy_after"]
    # Another retraining, of which the folder keeps others out.
    with pytest.raises(AxhwError, match="trained with other settings"):
        retrain(start, products, out=paths[1].parent, recipe=recipe)


def test_compact_weights_are_of_signed_products(tmp_path: Path) -> None:
    start = Start.load(model="digits_cnn", data="digits")
    products = Products.of_multiplier(parse("roup:p=2,r=3", signed=False))
    with pytest.raises(AxhwError, match=r"^Expected products of signed operands .*, found roup8u_p2_r3\.$"):
        retrain(start, products, out=tmp_path / "new", compact=True)
    assert not (tmp_path / "new").exists()


def test_a_refused_retraining_leaves_no_folder(tmp_path: Path) -> None:
    start = Start.load(model="digits_cnn", data="digits")
    wrong = Products.of_multiplier(parse("exact"), layers=["conv9"])
    with pytest.raises(AxhwError, match="conv9"):
        retrain(start, wrong, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()

"""Files: what is refused, and with which words."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.nn.layers.products import Conv2d
from axhw.nn.network import Network
from axhw.nn.onnx_import.read import read_onnx

onnx = pytest.importorskip("onnx")


def test_names_are_those_of_the_operators(architecture: Callable[[str], Path]) -> None:
    network = read_onnx(architecture("cnn"))
    assert network.graph.name == "cnn"
    assert list(network.graph.weight_layers) == ["features_0_Conv", "features_4_Conv", "head_Gemm"]
    assert network.graph.classes == 10


def test_names_are_made_unique(writer: Any, tmp_path: Path) -> None:
    net = writer(4)
    x = net("Tanh", net("Sigmoid", net("Erf", "image", name="a/b"), name="a:b"), name="input")
    network = read_onnx(net.save(tmp_path / "names.onnx", net("Exp", x, name="/")))
    assert [node.name for node in network.graph] == ["a_b", "a_b_2", "input_2", "node"]


def test_open_sides_are_given_by_the_caller(writer: Any, tmp_path: Path) -> None:
    net = writer(3, "height", "width")
    path = net.save(tmp_path / "open.onnx", net("GlobalAveragePool", net.conv("image", (4, 3, 3, 3))))
    assert read_onnx(path, image_shape=(3, 8, 9)).graph.input_shape == (3, 8, 9)
    with pytest.raises(
        AxhwError,
        match=r"Expected sides of the images of open, found \(3, \?, \?\): say which image_shape, or export with",
    ):
        read_onnx(path)
    with pytest.raises(AxhwError, match=r"Expected images of shape \(3, \?, \?\) for open, found \(1, 8, 9\)."):
        read_onnx(path, image_shape=(1, 8, 9))


def test_channels_first_into_a_network_with_channels_last(architecture: Callable[[str], Path]) -> None:
    path = architecture("tensorflow")
    last, first = read_onnx(path), read_onnx(path, image_shape=(3, 11, 11))
    assert isinstance(last, Network)
    assert isinstance(first, Network)
    assert last.graph.input_shape == (11, 11, 3)
    assert first.graph.input_shape == (3, 11, 11)
    assert isinstance(first.graph.nodes[0].layer, Conv2d), "two transposes are none"
    images = np.random.default_rng(0).normal(size=(2, 3, 11, 11)).astype(np.float32)
    np.testing.assert_array_equal(first.forward(images), last.forward(images.transpose(0, 2, 3, 1)))


def test_external_data(writer: Any, tmp_path: Path) -> None:
    net = writer(3, 8, 8)
    output = net.conv("image", (16, 3, 3, 3))
    inside = read_onnx(net.save(tmp_path / "inside.onnx", output))
    model, path = net.model(output), tmp_path / "outside.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="outside.data", size_threshold=0)
    outside = read_onnx(path)
    assert isinstance(inside, Network)
    assert isinstance(outside, Network)
    for name, values in inside.parameters.items():
        np.testing.assert_array_equal(outside.parameters[name], values)
    (tmp_path / "outside.data").write_bytes(b"1234")
    with pytest.raises(AxhwError, match=r"Expected a valid ONNX model in .*outside.onnx, found: "):
        read_onnx(path)
    (tmp_path / "outside.data").unlink()
    with pytest.raises(
        AxhwError,
        match=r"Expected the weights of outside.onnx beside it in .*, found no outside.data: keep the files of",
    ):
        read_onnx(path)


def test_local_functions(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    from onnx import helper

    body = [helper.make_node("Neg", ["a"], ["b"]), helper.make_node("Exp", ["b"], ["c"])]
    function = helper.make_function("local", "NegExp", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    net = writer(5)
    model = net.model(net("NegExp", "image", domain="local"), functions=[function])
    model.opset_import.append(helper.make_opsetid("local", 1))
    path = tmp_path / "function.onnx"
    onnx.save(model, str(path))
    network = read_onnx(path)
    assert isinstance(network, Network)
    images = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    np.testing.assert_allclose(network.forward(images), run(path, images), rtol=1e-6)


def test_all_missing_operators_are_named_at_once(writer: Any, tmp_path: Path) -> None:
    net = writer(3, 8, 8)
    x = net("Elu", net("Softsign", "image", name="first"), name="second")
    x = net("Elu", net("Gridded", net("Relu", x), domain="com.microsoft", name="third"), name="fourth")
    model = net.model(x)
    path = tmp_path / "unknown.onnx"
    onnx.save(model, str(path))
    with pytest.raises(
        AxhwError,
        match=re.escape(
            "Expected operators that axhw has layers for in unknown, found Softsign (first), Elu (second, fourth), "
            "com.microsoft.Gridded (third)."
        ),
    ):
        read_onnx(path)


@pytest.mark.parametrize(
    ("batch", "opset", "kind", "outputs", "message"),
    [
        (8, 17, 1, 1, "Expected a batch of 1 or of any size into bad, found 8: export with a batch of 1 or a dynamic"),
        ("N", 6, 1, 1, "Expected an ONNX operator set from 7 to 28 in .*, found 6: export with opset_version=17"),
        ("N", 99, 1, 1, "Expected an ONNX operator set from 7 to 28 in .*, found 99"),
        ("N", 17, 2, 1, "Expected images of real values into bad.onnx, found UINT8: export with a float input"),
        ("N", 17, 1, 2, "Expected one output of bad.onnx, found abs_1, neg_2: export the logits alone"),
    ],
)
def test_models_that_do_not_fit(
    batch: int | str, opset: int, kind: int, outputs: int, message: str, writer: Any, tmp_path: Path
) -> None:
    net = writer(3, 4, 4, batch=batch, opset=opset)
    names = [net("Abs", "image"), net("Neg", "image")]
    with pytest.raises(AxhwError, match=message):
        read_onnx(net.save(tmp_path / "bad.onnx", names[:outputs], kind=kind))


def test_several_inputs(writer: Any, tmp_path: Path) -> None:
    from onnx import helper

    net = writer(3)
    model = net.model(net("Add", "image", "mask"))
    model.graph.input.append(helper.make_tensor_value_info("mask", 1, [1, 3]))
    onnx.save(model, str(tmp_path / "two.onnx"))
    with pytest.raises(AxhwError, match="Expected one input of two.onnx, the images, found image, mask."):
        read_onnx(tmp_path / "two.onnx")


def test_vectors_without_a_batch(writer: Any, tmp_path: Path) -> None:
    net = writer()
    with pytest.raises(
        AxhwError, match="Expected a batch axis and at least one more in the input image of one.onnx, found 1"
    ):
        read_onnx(net.save(tmp_path / "one.onnx", net("Neg", "image")))


def test_sparse_weights(writer: Any, tmp_path: Path) -> None:
    from onnx import helper

    net = writer(4)
    model = net.model(net("MatMul", "image", "sparse"))
    values = helper.make_tensor("sparse", 1, [2], [1.0, 2.0])
    places = helper.make_tensor("places", 7, [2], [0, 5])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4, 2]))
    onnx.save(model, str(tmp_path / "sparse.onnx"))
    with pytest.raises(AxhwError, match="Expected dense weights, found sparse ones for sparse"):
        read_onnx(tmp_path / "sparse.onnx")


def test_an_output_that_is_no_result(writer: Any, tmp_path: Path) -> None:
    net = writer(4)
    constant = net("Neg", net.scalar(1.0))
    with pytest.raises(AxhwError, match="Expected an output of constant computed from the images, found neg_2."):
        read_onnx(net.save(tmp_path / "constant.onnx", constant))


def test_constants_that_cannot_be_computed(writer: Any, tmp_path: Path) -> None:
    net = writer(4)
    wrong = net("Reshape", net.vector(4), net.integers(3), name="shape")
    with pytest.raises(
        AxhwError,
        match=r"In shape \(Reshape\) of wrong: Expected an operator on constants that the onnx package can compute",
    ):
        read_onnx(net.save(tmp_path / "wrong.onnx", net("Add", "image", wrong)))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"Expected an ONNX model at .*none.onnx: No such file or directory."):
        read_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello, this is no network")
    with pytest.raises(AxhwError, match=r"Expected an ONNX model at .*text.onnx, found something else: "):
        read_onnx(tmp_path / "text.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(AxhwError, match=r"Expected an ONNX model at .*empty.onnx, found no operators in it."):
        read_onnx(tmp_path / "empty.onnx")


def test_without_the_package(architecture: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = architecture("cnn")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        AxhwError, match=r"Expected the package onnx to read ONNX files, found none: pip install 'axhw\[onnx\]'"
    ):
        read_onnx(path)


@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_nothing_else(data: st.DataObject, architecture: Callable[[str], Path]) -> None:
    path = architecture(data.draw(st.sampled_from(["cnn", "mlp", "vit"]), label="name"))
    content = bytearray(path.read_bytes())
    places = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4), label="places")
    for place in places:
        content[place] = data.draw(st.integers(0, 255), label="byte")
    length = data.draw(st.sampled_from([len(content), len(content) // 2]), label="length")
    path.write_bytes(bytes(content[:length]))
    with contextlib.suppress(AxhwError):
        read_onnx(path)

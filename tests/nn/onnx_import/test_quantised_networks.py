"""Networks quantised by onnxruntime, code by code against onnxruntime at its default optimisation level.

In the QOperator format everything has its own operator on codes; the QDQ format becomes that where onnxruntime fuses.
Weights have 7 bits (`reduce_range`), see `test_quantised_operators`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.executor import Executor
from axhw.nn.onnx_import.read import read_onnx
from axhw.nn.quantized import QuantizedNetwork

pytest.importorskip("onnx")

INTEGER_NETWORKS = ("cnn", "mobile", "squeeze_excite", "inception", "tensorflow")
"""Without sums of two tensors and without what has no operator on codes."""


@pytest.fixture
def quantise(architecture: Callable[[str], Path], onnxruntime: Any, tmp_path: Path) -> Callable[..., Path]:
    """The file of a quantised architecture: ``quantise("cnn", "QDQ", per_channel=True, activations="QInt8")``."""
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Images(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self, images: Any) -> None:
            self.batches = iter([{"image": image[None]} for image in images])

        def get_next(self) -> Any:
            return next(self.batches, None)

    def quantise(
        name: str, form: str, *, per_channel: bool = True, activations: str = "QUInt8", **options: Any
    ) -> Path:
        import onnx

        path = architecture(name)
        _, *shape = (side.dim_value for side in onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim)
        images = np.random.default_rng(1).normal(size=(8, *shape)).astype(np.float32)
        target = tmp_path / f"{name}_{form}.onnx"
        logging.getLogger().setLevel(logging.ERROR)
        quantization.quantize_static(
            str(path),
            str(target),
            Images(images),
            quant_format=quantization.QuantFormat[form],
            per_channel=per_channel,
            reduce_range=True,
            activation_type=quantization.QuantType[activations],
            weight_type=quantization.QuantType.QInt8,
            **options,
        )
        return target

    return quantise


def _differences(path: Path, run: Callable[..., Any], **options: Any) -> Any:
    """Differences in codes of the output, or in steps of 1e-6 of the largest value where it is real."""
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    images = np.random.default_rng(2).normal(size=(12, *network.graph.input_shape)).astype(np.float32)
    result = Executor(network, threads=1)(images)
    expected = run(path, images, **options).reshape(result.shape)
    last = network.graph[network.graph.output]
    coding = network.codings.get(last.inputs[0])
    step = float(coding.scale) if coding is not None else 1e-6 * float(np.abs(expected).max())
    return np.rint((result - expected) / step)


@pytest.mark.parametrize("activations", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", INTEGER_NETWORKS)
def test_operators_on_codes(
    name: str, per_channel: bool, activations: str, quantise: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = quantise(name, "QOperator", per_channel=per_channel, activations=activations)
    np.testing.assert_array_equal(_differences(path, run), 0)


@pytest.mark.parametrize(
    ("name", "per_channel"),
    # Operator sets before 13 have no scales by channel.
    [
        ("cnn", False),
        ("cnn", True),
        ("mobile", False),
        ("mobile", True),
        ("inception", True),
        ("squeeze_excite", False),
    ],
)
def test_graphs_that_quantise_and_dequantise(
    name: str, per_channel: bool, quantise: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = quantise(name, "QDQ", per_channel=per_channel)
    np.testing.assert_array_equal(_differences(path, run), 0)


@pytest.mark.parametrize("form", ["QOperator", "QDQ"])
@pytest.mark.parametrize("name", ["residual", "cnn"])
def test_sums_and_real_convolutions_are_off_by_one_code_at_most(
    name: str, form: str, quantise: Callable[..., Path], run: Callable[..., Any]
) -> None:
    # onnxruntime decides ties of sums in its own way, and leaves convolutions of int8 in QDQ graphs real.
    path = quantise(name, form, activations="QInt8")
    differences = _differences(path, run)
    assert np.abs(differences).max() <= 1
    assert np.count_nonzero(differences) <= 0.15 * differences.size


@pytest.mark.parametrize("name", ["vit", "sequence_first"])
def test_transformers_as_onnx_defines_them(name: str, quantise: Callable[..., Path], run: Callable[..., Any]) -> None:
    # Norms and GELU are real; where two machines round them apart, a code is another one and so is what follows.
    path = quantise(name, "QDQ", per_channel=name != "vit", activations="QInt8")
    differences = _differences(path, run, optimise=False)
    assert np.abs(differences).max() <= 3
    assert np.count_nonzero(differences) <= 0.15 * differences.size


def test_layers_keep_their_names(quantise: Callable[..., Path]) -> None:
    network = read_onnx(quantise("cnn", "QOperator"))
    assert isinstance(network, QuantizedNetwork)
    names = [node.name for node in network.graph]
    assert list(network.products) == ["features_0_Conv_quant", "features_4_Conv_quant", "head_Gemm_quant"]
    assert names[-1] == "head_Gemm_quant_real"
    assert set(network.codings) == {"input", *names[:-1]}
    assert network.signed
    assert {product.codes.dtype for product in network.products.values()} == {np.dtype(np.int8)}


def test_networks_quantised_in_part(quantise: Callable[..., Path]) -> None:
    path = quantise("cnn", "QDQ", nodes_to_exclude=["/features/4/Conv"])
    with pytest.raises(
        AxhwError,
        match="Expected a network whose convolutions and matrix products are all quantised, found cnn_QDQ with real "
        "values in features_4_Conv: quantise these as well, or import the float network.",
    ):
        read_onnx(path)

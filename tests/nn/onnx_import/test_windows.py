"""Attributes of convolutions and pools, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axhw.nn.onnx_import.read import read_onnx

pytest.importorskip("onnx")

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
SETTINGS = settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def paddings(draw: st.DrawFn, kernel: tuple[int, int]) -> dict[str, Any]:
    """Pads below the kernel, or a rule for them."""
    automatic = draw(st.sampled_from(["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if automatic != "NOTSET":
        return {"auto_pad": automatic}
    return {"pads": [draw(st.integers(0, side - 1)) for side in (*kernel, *kernel)]}


def _compare(run: Callable[..., Any], path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(3).normal(size=(2, *shape)).astype(np.float32)
    expected = run(path, images)
    result = read_onnx(path).forward(images)  # type: ignore[union-attr]
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@SETTINGS
@given(data=st.data())
def test_convolutions(data: st.DataObject, writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    kernel = data.draw(PAIRS, label="kernel")
    groups = data.draw(st.sampled_from([1, 2, 4]), label="groups")
    padding = data.draw(paddings(kernel), label="padding")
    # onnxruntime pads by SAME as if there were no gaps.
    dilations = (1, 1) if padding.get("auto_pad", "").startswith("SAME") else data.draw(PAIRS, label="dilations")
    net = writer(4, 9, 8)
    shape = (4, 4 // groups, *kernel)
    output = net.conv(
        "image",
        shape,
        bias=data.draw(st.booleans(), label="bias"),
        group=groups,
        strides=data.draw(PAIRS, label="strides"),
        dilations=dilations,
        **padding,
    )
    _compare(run, net.save(tmp_path / "conv.onnx", output), (4, 9, 8))


@SETTINGS
@given(data=st.data())
def test_pools(data: st.DataObject, writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    kernel = data.draw(PAIRS, label="kernel")
    kind = data.draw(st.sampled_from(["MaxPool", "AveragePool"]), label="kind")
    padding = data.draw(paddings(kernel), label="padding")
    strides = data.draw(PAIRS, label="strides")
    if padding.get("auto_pad", "").startswith("SAME"):
        # For windows that leave pixels out, onnxruntime makes negative paddings.
        strides = (min(strides[0], kernel[0]), min(strides[1], kernel[1]))
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, **padding}
    if "pads" in padding:
        attributes["ceil_mode"] = data.draw(st.integers(0, 1), label="ceil_mode")
    if kind == "AveragePool" and not attributes.get("ceil_mode"):
        attributes["count_include_pad"] = data.draw(st.integers(0, 1), label="count_include_pad")
    net = writer(3, 9, 8, opset=19)
    _compare(run, net.save(tmp_path / "pool.onnx", net(kind, "image", **attributes)), (3, 9, 8))


@pytest.mark.parametrize("kind", ["GlobalMaxPool", "GlobalAveragePool", "ReduceMax", "ReduceMean", "ReduceSum"])
def test_global_pools(kind: str, writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(3, 5, 4, opset=13)
    attributes: dict[str, Any] = {} if kind.startswith("Global") else {"keepdims": 1}
    inputs: tuple[str, ...] = ("image",)
    if kind == "ReduceSum":
        inputs = ("image", net.integers(2, 3))
    elif not kind.startswith("Global"):
        attributes["axes"] = [2, 3]
    _compare(run, net.save(tmp_path / "pool.onnx", net(kind, *inputs, **attributes)), (3, 5, 4))


@pytest.mark.parametrize("axes", [(1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_means(axes: tuple[int, ...], keepdims: int, writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(3, 5, 4)
    output = net("ReduceMean", "image", axes=axes, keepdims=keepdims)
    _compare(run, net.save(tmp_path / "mean.onnx", output), (3, 5, 4))


def test_convolutions_and_pools_over_one_side(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(4, 21)
    x = net("Conv", "image", net.weight(6, 2, 5), net.vector(6), group=2, strides=[2], pads=[2, 1], dilations=[2])
    x = net("AveragePool", x, kernel_shape=[3], pads=[1, 1])
    x = net("MaxPool", x, kernel_shape=[2], strides=[2], ceil_mode=1)
    _compare(run, net.save(tmp_path / "side.onnx", net("GlobalAveragePool", x)), (4, 21))

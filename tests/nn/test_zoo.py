"""The shipped network is the one its log tells about."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from axhw.errors import AxhwError
from axhw.nn.dataset import Splits
from axhw.nn.evaluate import evaluate
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.zoo import DIGITS_CNN, load_network, read_network

WEIGHTS = resources.files("axhw.nn") / "weights"


@pytest.fixture(scope="module")
def log() -> str:
    return (WEIGHTS / "digits_cnn.log").read_text(encoding="utf-8")


def test_the_weights_are_those_of_the_log(log: str) -> None:
    weights = (WEIGHTS / "digits_cnn.safetensors").read_bytes()
    assert f"weights sha256: {hashlib.sha256(weights).hexdigest()}" in log
    assert len(weights) < 200_000


def test_accuracies_are_those_of_the_log(log: str, quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    stated = [float(value) for value in re.findall(r"test accuracy.*: ([\d.]+)$", log, re.MULTILINE)]
    signed, unsigned = (evaluate(quantized[kind], splits.test, None) for kind in (True, False))
    assert stated == [signed.float_accuracy, signed.exact_accuracy, unsigned.exact_accuracy]
    assert signed.float_accuracy >= 0.98
    assert min(signed.exact_accuracy, unsigned.exact_accuracy) >= signed.float_accuracy - 0.005


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected a network out of digits_cnn, found 'digit_cnn' \(did you mean"):
        load_network("digit_cnn")


def test_unreadable_weights_are_refused(tmp_path: Path, network: Network) -> None:
    with pytest.raises(AxhwError, match=r"Expected weights of digits_cnn at .*: No such file"):
        read_network(DIGITS_CNN, tmp_path / "none.safetensors")
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes((WEIGHTS / "digits_cnn.safetensors").read_bytes()[:1000])
    with pytest.raises(
        AxhwError, match=r"Expected a safetensors file at .*truncated.safetensors, found something else"
    ):
        read_network(DIGITS_CNN, truncated)
    other = tmp_path / "other.safetensors"
    save_file({**network.parameters, "conv1.bias": np.zeros(3, np.float32)}, other)
    with pytest.raises(AxhwError, match=r"Expected shape \(16,\) for the parameter conv1.bias, found \(3,\)"):
        read_network(DIGITS_CNN, other)

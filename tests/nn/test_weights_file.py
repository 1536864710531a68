"""Weights stored as int8 codes: the same integer network, in a quarter of the space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from axhw.errors import AxhwError
from axhw.nn.quantizer import signed_products, with_code_weights
from axhw.nn.weights_file import TrainedNetwork, load_shipped, read_weights, shipped_weights, write_weights


@pytest.mark.parametrize(("model", "data"), shipped_weights())
def test_codes_are_the_same_integer_network(model: str, data: str, tmp_path: Path) -> None:
    trained = load_shipped(model, data)
    path = tmp_path / "w.safetensors"
    write_weights(path, trained, folded=True, compact=True)
    found = read_weights(path)
    assert (found.model, found.data, found.network.ranges) == (model, data, trained.network.ranges)
    before, after = signed_products(trained.network), signed_products(found.network)
    for name, product in before.items():
        assert np.array_equal(after[name].codes, product.codes), name
        assert np.array_equal(after[name].weights.scale, product.weights.scale), name
        assert np.array_equal(after[name].bias, product.bias), name
    weights = {f"{name}.weight" for name in before}
    rounded = with_code_weights(trained.network).parameters
    assert all(np.array_equal(rounded[name], array) for name, array in found.network.parameters.items())
    for name, array in trained.network.parameters.items():
        if name not in weights:
            assert np.array_equal(found.network.parameters[name], array), name
    stored = load_file(path)
    assert {name for name, array in stored.items() if array.dtype == np.int8} == weights
    again = tmp_path / "again.safetensors"
    write_weights(again, found, folded=True, compact=True)
    assert again.read_bytes() == path.read_bytes()


@pytest.fixture
def trained() -> TrainedNetwork:
    return load_shipped("digits_cnn", "digits")


def test_codes_without_their_scales_are_refused(trained: TrainedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, trained, folded=True, compact=True)
    stored = load_file(path)
    name = next(name for name, array in stored.items() if array.dtype == np.int8)
    outputs = len(stored[name])
    header = {"axhw": _header(path)}
    for changed, found in ((stored[f"{name}_scale"][:-1], outputs - 1), (None, 0)):
        tensors = {key: array for key, array in stored.items() if key != f"{name}_scale"}
        if changed is not None:
            tensors[f"{name}_scale"] = changed
        save_file(tensors, path, metadata=header)
        with pytest.raises(AxhwError) as error:
            read_weights(path)
        assert str(error.value) == (
            f"Expected a scale for each of {outputs} outputs beside the codes {name} in {path}, found {found}."
        )


def test_codes_need_ranges(trained: TrainedNetwork, tmp_path: Path) -> None:
    bare = replace(trained, network=replace(trained.network, ranges={}))
    path = tmp_path / "w.safetensors"
    with pytest.raises(AxhwError, match=r"^Expected a network without batch norms and with the ranges of all activat"):
        write_weights(path, bare, folded=True, compact=True)
    assert not path.exists()


def _header(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return str(file.metadata()["axhw"])

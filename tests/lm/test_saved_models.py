"""Checkpoints, written and read: dtypes, shards, and what is damaged or missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.lm.checkpoint import INDEX, SINGLE, Checkpoint
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import FILE_NAME, read_config
from axhw.lm.layout import tensor_shapes
from axhw.lm.model import load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.safetensors_file import SafetensorsFile, write_safetensors
from axhw.lm.save import write_checkpoint

Tensors = dict[str, npt.NDArray[np.float32]]
ROUTER = "model.layers.1.mlp.gate.weight"
UP = "model.layers.1.mlp.experts.2.up_proj.weight"


@pytest.fixture
def olmoe(small_config: Callable[..., ModelConfig]) -> ModelConfig:
    return small_config("olmoe")


@pytest.fixture
def tensors(olmoe: ModelConfig) -> Tensors:
    return random_tensors(olmoe, np.random.default_rng(3))


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_float32_is_read_as_it_was(tmp_path: Path, config: ModelConfig, shards: int) -> None:
    tensors = random_tensors(config, np.random.default_rng(3))
    write_checkpoint(tmp_path, config, tensors, shards=shards)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.check(tensor_shapes(config))
    assert read_config(tmp_path) == config
    assert len(list(tmp_path.glob("*.safetensors"))) == shards
    for name, array in tensors.items():
        np.testing.assert_array_equal(checkpoint.tensor(name), array)


def test_a_shard_for_each_tensor(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    write_checkpoint(tmp_path, olmoe, tensors, shards=len(tensors))
    index = json.loads((tmp_path / INDEX).read_text(encoding="utf-8"))
    assert sorted(index["weight_map"]) == sorted(tensors)
    assert len(set(index["weight_map"].values())) == len(tensors)
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in tensors.values())


@pytest.mark.parametrize(("dtype", "relative"), [("float16", 2.0**-11), ("bfloat16", 2.0**-8)])
def test_halves_are_nearest(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors, dtype: Any, relative: float) -> None:
    write_checkpoint(tmp_path, olmoe, tensors, dtype=dtype)
    found = Checkpoint(tmp_path).tensor(UP)
    assert found.dtype == np.float32
    error = np.abs(found - tensors[UP])
    assert np.all(error <= relative * np.abs(tensors[UP]) + 2.0**-25)
    assert error.max() > 0
    assert json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))["torch_dtype"] == dtype


def test_bfloat16_rounds_to_even(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    scale = tensors["model.norm.weight"]
    scale[:4] = [1.0, 1 + 2.0**-8, 1 + 3 * 2.0**-8, -(1 + 2.0**-8 + 2.0**-20)]
    write_checkpoint(tmp_path, olmoe, tensors, dtype="bfloat16")
    found = Checkpoint(tmp_path).tensor("model.norm.weight")[:4]
    np.testing.assert_array_equal(found, np.float32([1.0, 1.0, 1 + 2.0**-6, -(1 + 2.0**-7)]))


def test_int8_rows_have_scales_of_their_own(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    tensors[UP][0] = 0
    write_checkpoint(tmp_path, olmoe, tensors, dtype="int8", shards=2)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.check(tensor_shapes(olmoe))
    found = checkpoint.tensor(UP)
    steps = np.abs(tensors[UP]).max(axis=1, keepdims=True) / 127
    assert np.all(np.abs(found - tensors[UP]) <= steps * 0.501)
    assert not found[0].any()
    np.testing.assert_array_equal(checkpoint.tensor(UP, rows=np.array([3, 1])), found[[3, 1]])
    np.testing.assert_array_equal(checkpoint.tensor(ROUTER), tensors[ROUTER].astype(np.float16).astype(np.float32))
    data = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    assert data["quantization_config"]["quant_method"] == "compressed-tensors"
    assert np.isfinite(load_model(tmp_path).logits([[1, 2, 3]])).all()


def test_what_is_not_the_models_is_not_written(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    with pytest.raises(AxhwError, match=f"Expected the tensor {ROUTER} of the model, found none"):
        write_checkpoint(tmp_path, olmoe, {name: array for name, array in tensors.items() if name != ROUTER})
    with pytest.raises(AxhwError, match=r"mlp.gate.weight of shape \[5, 24\], found \[24, 5\]"):
        write_checkpoint(tmp_path, olmoe, tensors | {ROUTER: tensors[ROUTER].T})
    with pytest.raises(AxhwError, match="only tensors of the model, found other"):
        write_checkpoint(tmp_path, olmoe, tensors | {"other": tensors[ROUTER]})
    with pytest.raises(AxhwError, match="dtype out of float32, float16, bfloat16, int8, found 'float64'"):
        write_checkpoint(tmp_path, olmoe, tensors, dtype="float64")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match=f"from 1 to {len(tensors)} shards, one for each tensor at most, found 0"):
        write_checkpoint(tmp_path, olmoe, tensors, shards=0)
    with pytest.raises(AxhwError, match="finite numbers in .*gate.weight"):
        write_checkpoint(tmp_path, olmoe, tensors | {ROUTER: tensors[ROUTER] * np.nan})
    with pytest.raises(AxhwError, match="within float16 in .*gate.weight, found .*: choose bfloat16"):
        write_checkpoint(tmp_path, olmoe, tensors | {ROUTER: np.full((5, 24), 1e5)}, dtype="float16")


def test_folders_keep_one_set_of_weights(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    write_checkpoint(tmp_path, olmoe, tensors)
    write_checkpoint(tmp_path, olmoe, tensors, dtype="float16")
    with pytest.raises(AxhwError, match="a folder without other weights, found model.safetensors in .*: remove it"):
        write_checkpoint(tmp_path, olmoe, tensors, shards=2)


def test_weights_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match="Expected model.safetensors or .*index.json in .*, found neither"):
        Checkpoint(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(
        AxhwError, match="found pytorch_model.bin, which may run code when it is opened and is never read"
    ):
        Checkpoint(tmp_path)


def rewritten(folder: Path, change: Callable[[dict[str, tuple[str, Any]]], None]) -> None:
    """Change what a file holds: by name, the dtype and the array."""
    file = SafetensorsFile(folder / SINGLE)
    held = {name: (entry.dtype, np.array(file.read(name))) for name, entry in file.entries.items()}
    change(held)
    write_safetensors(folder / SINGLE, [(name, dtype, array) for name, (dtype, array) in held.items()])


@pytest.mark.parametrize(
    ("dtype", "change", "message"),
    [
        ("float32", lambda held: held.pop(UP), r"found none called model.*2.up_proj.weight: are these the weights"),
        ("float32", lambda held: (held.pop(UP), held.pop(ROUTER)), r"found none called .* \(nor 1 others\)"),
        (
            "float32",
            lambda held: held.update({UP: ("F32", held[UP][1].T)}),
            r"2.up_proj.weight in .* of shape \[10, 24\], found \[24, 10\]",
        ),
        (
            "float32",
            lambda held: held.update({"model.layers.0.self_attn.q_proj.bias": ("F32", np.zeros(24))}),
            "no tensor model.layers.0.self_attn.q_proj.bias in .*: the model of config.json has no place for it",
        ),
        (
            "int8",
            lambda held: held.pop(UP + "_scale"),
            "Expected the tensor .*2.up_proj.weight_scale in .*, found none",
        ),
        (
            "int8",
            lambda held: held.update({UP + "_scale": ("F32", np.ones(10))}),
            r"scales of shape \(10, 1\) for the int8 matrix .* found float32 \(10,\)",
        ),
        (
            "float32",
            lambda held: held.update(
                {"model.norm.weight": ("I8", np.ones(24)), "model.norm.weight_scale": ("F32", np.ones(1))}
            ),
            "for the int8 matrix model.norm.weight",
        ),
    ],
)
def test_weights_that_are_not_the_models(
    tmp_path: Path,
    olmoe: ModelConfig,
    tensors: Tensors,
    dtype: Any,
    change: Callable[[dict[str, tuple[str, Any]]], None],
    message: str,
) -> None:
    write_checkpoint(tmp_path, olmoe, tensors, dtype=dtype)
    rewritten(tmp_path, change)
    with pytest.raises(AxhwError, match=message):
        load_model(tmp_path)


def test_what_old_versions_wrote_is_ignored(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    write_checkpoint(tmp_path, olmoe, tensors)
    rewritten(tmp_path, lambda held: held.update({"model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", np.ones(3))}))
    load_model(tmp_path)


def test_dtypes_that_are_not_read(tmp_path: Path, olmoe: ModelConfig, tensors: Tensors) -> None:
    from safetensors.numpy import save

    write_checkpoint(tmp_path, olmoe, tensors)
    doubles = {name: array.astype(np.float64) if name == UP else array for name, array in tensors.items()}
    (tmp_path / SINGLE).write_bytes(save(doubles))
    with pytest.raises(AxhwError, match="2.up_proj.weight in .* as one of F32, F16, BF16, I8, found F64"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index["weight_map"].update({ROUTER: "gone.safetensors"}), "the shard gone.safetensors that"),
        (lambda index: index["weight_map"].update({ROUTER: "../a.safetensors"}), "names of files beside .*'../a.safet"),
        (
            lambda index: index["weight_map"].update({"more": "model-00001-of-00002.safetensors"}),
            "Expected more in mod",
        ),
        (lambda index: index["weight_map"].update({ROUTER: 3}), "a weight_map from tensors to files"),
        (lambda index: index.pop("weight_map"), "a weight_map from tensors to files in .*, found none"),
        (lambda index: index["weight_map"].pop(ROUTER), f"found none called {ROUTER}"),
    ],
)
def test_damaged_indices(
    tmp_path: Path, olmoe: ModelConfig, tensors: Tensors, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    write_checkpoint(tmp_path, olmoe, tensors, shards=2)
    index = json.loads((tmp_path / INDEX).read_text(encoding="utf-8"))
    change(index)
    (tmp_path / INDEX).write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(AxhwError, match=message):
        load_model(tmp_path)


def test_an_index_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("{", encoding="utf-8")
    with pytest.raises(AxhwError, match="Expected JSON in .*index.json, found something else"):
        Checkpoint(tmp_path)

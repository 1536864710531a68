"""The format, held against the safetensors library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from axhw.errors import AxhwError
from axhw.lm.safetensors_file import SafetensorsFile, write_safetensors

ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.array([0.5, -2.0], np.float16),
    "codes": np.array([[-128], [127]], np.int8),
    "scalar": np.array(3.0, np.float32),
    "nothing": np.empty((0, 4), np.float32),
}


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save(ARRAYS, metadata={"format": "pt"}))
    file = SafetensorsFile(path)
    assert sorted(file.entries) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        found = file.read(name)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    codes = {"matrix": "F32", "half": "F16", "codes": "I8", "scalar": "F32", "nothing": "F32"}
    bits = np.array([0x3F80, 0xC000], np.uint16)
    tensors = [(name, codes[name], array) for name, array in ARRAYS.items()]
    size = write_safetensors(path, [*tensors, ("bfloat16", "BF16", bits)], metadata={"format": "pt"})
    assert size == sum(array.nbytes for array in ARRAYS.values()) + bits.nbytes
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert file.get_slice("bfloat16").get_dtype() == "BF16"
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(file.get_tensor(name), array)
    np.testing.assert_array_equal(SafetensorsFile(path).read("bfloat16"), bits)


def test_other_dtypes_are_refused_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"long": np.arange(3), "fine": np.ones(1, np.float32)}))
    file = SafetensorsFile(path)
    assert file.read("fine").tolist() == [1.0]
    with pytest.raises(AxhwError, match="Expected long in .* as one of F32, F16, BF16, I8, found I64: convert it"):
        file.read("long")
    with pytest.raises(AxhwError, match="Expected the tensor gone in .*, found none"):
        file.read("gone")


def with_header(header: object) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


def of_a(**entry: object) -> bytes:
    return with_header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}})


DAMAGED = {
    "empty": (b"", "it ends before its header does"),
    "short": (b"\x01\x00", "it ends before its header does"),
    "huge header": (b"\xff" * 16, "it ends before its header does"),
    "cut header": ((20).to_bytes(8, "little") + b"{}", "it ends before its header does"),
    "no JSON": ((2).to_bytes(8, "little") + b"{]", "its header is no JSON"),
    "deep": ((100_000).to_bytes(8, "little") + b"[" * 100_000, "its header is no JSON"),
    "list": (with_header([]), "its header is no JSON object"),
    "number": (with_header({"a": 3}), "it says nothing about the place of a"),
    "no offsets": (with_header({"a": {"dtype": "F32", "shape": [2]}}), "it says nothing about the place of a"),
    "one offset": (of_a(data_offsets=[0]), "it says nothing about the place of a"),
    "real side": (of_a(shape=[2.0]), "it says nothing about the place of a"),
    "negative side": (of_a(shape=[-2]), "it says nothing about the place of a"),
    "listed dtype": (of_a(dtype=["F32"]), "it says nothing about the place of a"),
    "past the end": (of_a(shape=[3], data_offsets=[0, 12]), "it ends before a does"),
    "backwards": (of_a(shape=[0], data_offsets=[8, 0]), "it ends before a does"),
    "other size": (of_a(shape=[1]), "a has another size than its shape"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, kind: str) -> None:
    content, message = DAMAGED[kind]
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(
        AxhwError, match=f"Expected a safetensors file at .*, found another or a damaged one: {message}"
    ):
        SafetensorsFile(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match="Expected weights at .*: No such file"):
        SafetensorsFile(tmp_path / "a.safetensors")


@given(data=st.data())
def test_any_damage_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(save({name: ARRAYS[name] for name in ("matrix", "half")}))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        file = SafetensorsFile(path)
        for name in file.entries:
            file.read(name)
    except AxhwError:
        pass

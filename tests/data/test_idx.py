"""The idx format, both ways and damaged."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.data.idx import encode_idx, parse_idx, read_idx
from axhw.errors import AxhwError

LABELS = np.array([3, 1, 2], np.uint8)


@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_what_is_written_is_read(shape: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    found = parse_idx(io.BytesIO(encode_idx(values)), dimensions=len(shape), source="x")
    assert found.dtype == np.uint8
    assert np.array_equal(found, values)


def test_the_layout_is_the_published_one() -> None:
    assert encode_idx(LABELS) == bytes.fromhex("00000801 00000003 030102")
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert encode_idx(image) == bytes.fromhex("00000803 00000001 00000002 00000003 000102030405")


@given(content=st.binary(max_size=40), prefix=st.sampled_from([b"", b"\0\0\x08\x01", b"\0\0\x08\x03", b"\0\0\x0d\x03"]))
def test_any_bytes_are_an_array_or_one_sentence(content: bytes, prefix: bytes) -> None:
    try:
        found = parse_idx(io.BytesIO(prefix + content), dimensions=3, source="x")
    except AxhwError:
        return
    assert encode_idx(found) == prefix + content


@pytest.mark.parametrize("compressed", [False, True])
def test_files_are_compressed_or_not_whatever_their_name(compressed: bool, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(encode_idx(LABELS), mtime=0) if compressed else encode_idx(LABELS))
    assert read_idx(path, dimensions=1).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"^Expected x to start with 00000801, as idx files of bytes with 1 dimensions do, found nothing\.$"),
        (encode_idx(LABELS[None]), r"to start with 00000801, .* found 00000802\.$"),
        (bytes.fromhex("00000d01 00000001 00000000"), r"found 00000d01\.$"),
        (encode_idx(LABELS)[:6], r"^Expected 1 sizes behind the start of x, found its end\.$"),
        (encode_idx(LABELS)[:-1], r"^Expected 3 values in x, for its sizes \(3,\), found 2\.$"),
        (encode_idx(LABELS) + b"x", r"^Expected 3 values in x, for its sizes \(3,\), found more\.$"),
        (bytes.fromhex("00000801 ffffffff"), r"^Expected at most 1073741824 values in x, found sizes \(4294967295,\)"),
        (gzip.compress(encode_idx(LABELS), mtime=0)[:-9], r"^Expected to read .*x, found: .*[Ee]nd"),
        (gzip.compress(encode_idx(LABELS), mtime=0)[:-1] + b"!", r"^Expected to read .*x, found: "),
    ],
)
def test_damaged_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(AxhwError, match=message):
        read_idx(tmp_path / "x", dimensions=1)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"^Expected to read .*absent, found: No such file or directory\.$"):
        read_idx(tmp_path / "absent", dimensions=1)

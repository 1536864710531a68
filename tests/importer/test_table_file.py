from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.importer.table_file import first_difference, read_table
from axhw.sim.product_table import ProductTable
from axhw.sim.table_files import save_table

SIGNED, UNSIGNED = "evoapprox:mul8s_1L2J", "bam:ha=2,v=4,signed=false"


def products(text: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    spec = parse(text)
    codes = spec.operand_codes()
    return spec.reference(codes[:, None], codes)


def table(text: str) -> ProductTable:
    spec = parse(text)
    return ProductTable(
        values=products(text).astype(np.int32), width=spec.width, signed=spec.signed, name="t", source={}
    )


@pytest.mark.parametrize("kind", ["i4", "i2", "i8", "u2"])
def test_numpy_arrays_of_every_type(tmp_path: Path, kind: str) -> None:
    values = products(SIGNED)
    path = tmp_path / "t.npy"
    np.save(path, values.astype(kind))
    # Two bytes without a sign are two's complement codes of a 16-bit product.
    assert np.array_equal(read_table(path, signed=True, index_origin="lowest").values, values)
    np.save(path, np.roll(values, 128, axis=(0, 1)).astype(kind))
    assert np.array_equal(read_table(path, signed=True, index_origin="codes").values, values)
    values = products(UNSIGNED)
    np.save(path, values.T.astype("u4"))
    assert np.array_equal(read_table(path, signed=False, order="ba").values, values)


@pytest.mark.parametrize("size", [2, 4])
def test_bare_words(tmp_path: Path, size: int) -> None:
    path = tmp_path / "t.bin"
    np.roll(products(SIGNED), 128, axis=(0, 1)).astype(f"<i{size}").tofile(path)
    assert np.array_equal(read_table(path, signed=True, index_origin="codes").values, products(SIGNED))
    products(UNSIGNED).astype(f"<u{size}").tofile(path)
    assert np.array_equal(read_table(path, signed=False).values, products(UNSIGNED))


def test_csv_of_both_kinds(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    values = products("roup:width=4,p=1,r=2")
    np.savetxt(path, values, fmt="%d", delimiter=",")
    assert np.array_equal(read_table(path, signed=True, index_origin="lowest").values, values)
    rows = [f"{a},{b},{values[a + 8, b + 8]}" for b in range(-8, 8) for a in range(7, -9, -1)]
    path.write_text("\n".join(["a,b,product", *rows]))
    assert np.array_equal(read_table(path, signed=True).values, values)
    for suffix in (".csv", ".npz"):
        save_table(table(SIGNED), tmp_path / f"own{suffix}")
        assert read_table(tmp_path / f"own{suffix}", signed=True).sha256 == table(SIGNED).sha256


def test_a_wrong_index_origin_is_told(tmp_path: Path) -> None:
    lowest, codes = tmp_path / "lowest.npy", tmp_path / "codes.npy"
    np.save(lowest, products(SIGNED))
    np.save(codes, np.roll(products(SIGNED), 128, axis=(0, 1)))
    for path, options, advice in (
        (lowest, {"signed": True, "index_origin": "codes"}, "--signed --index-origin lowest"),
        (codes, {"signed": True, "index_origin": "lowest"}, "--signed --index-origin codes"),
        (lowest, {"signed": False}, "--signed --index-origin lowest"),
        (codes, {"signed": False}, "--signed --index-origin codes"),
    ):
        with pytest.raises(AxhwError, match=rf"^Expected .* in {path.name}, found products of .*: say {advice}\.$"):
            read_table(path, **options)
    np.save(lowest, products(UNSIGNED))
    with pytest.raises(AxhwError, match=r"found products of unsigned operands in increasing order: say --unsigned\.$"):
        read_table(lowest, signed=True, index_origin="lowest")


def test_a_signed_bare_array_needs_its_index_origin(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", products(SIGNED))
    told = "Expected to be told which operand the first row of t.npy belongs to, found a bare array"
    with pytest.raises(AxhwError, match=rf"^{told}: say --index-origin lowest if .* or --index-origin codes if .*\.$"):
        read_table(tmp_path / "t.npy", signed=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.npy", b"\x93NUMPY", "Expected an array of numbers as .npy at .*t.npy, found no file numpy can read."),
        ("t.npy", b"", "Expected an array of numbers as .npy at .*t.npy, found no file numpy can read."),
        ("t.npy", np.array([[{}]]), "Expected an array of numbers as .npy at .*t.npy, found no file numpy can read."),
        ("t.npy", np.zeros(16), r"Expected a square table in t.npy, found a list of 16 values."),
        ("t.npy", np.zeros((16, 8), int), r"Expected a square table with a power of two rows in t.npy, found shape "
         r"\(16, 8\)."),
        ("t.npy", np.full((16, 16), np.nan), "Expected a table of integers in t.npy, found NaN."),
        ("t.npy", np.zeros((16, 16)), "Expected a table of integers in t.npy, found float64 values."),
        ("t.npy", np.full((16, 16), 1 << 40), "Expected products of 32 bits in t.npy, found 1099511627776 to "
         "1099511627776."),
        ("t.bin", b"123",
         "Expected 16-bit or 32-bit words for all pairs of operands in t.bin, such as 131072 bytes for 8 "
         "bits, found 3 bytes."),
        ("t.csv", b"1,2\n3", "Expected a matrix of integers in t.csv, found 'nan' in row 2, column 2."),
        ("t.csv", b"1,2\n3,x", "Expected a matrix of integers in t.csv, found 'x' in row 2, column 2."),
        ("t.csv", b"1,2,3\n4,5,6\n7,8,9", "Expected a square table with a power of two rows in t.csv, found shape .*"),
        ("t.csv", b"", "Expected a matrix of integers as CSV in t.csv, found other text."),
        ("t.csv", b"a,b,c\n1,2,3", "Expected the columns a, b, product, exact in t, found a, b, c."),
    ],
)  # fmt: skip
def test_files_that_are_no_tables_are_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(AxhwError, match=f"^{message}$"):
        read_table(path, signed=False)


def test_options_beside_a_table_that_names_its_operands(tmp_path: Path) -> None:
    save_table(table(SIGNED), tmp_path / "t.npz")
    message = (
        "Expected --index-origin and --operands for bare arrays only, found one of them beside t.npz, which names "
    )
    with pytest.raises(AxhwError, match=re.escape(message)):
        read_table(tmp_path / "t.npz", signed=True, order="ba")
    with pytest.raises(AxhwError, match=r"^Expected a table for unsigned operands in t.npz, found signed ones\.$"):
        read_table(tmp_path / "t.npz", signed=False)
    with pytest.raises(AxhwError, match=r"^Expected a table of products at .*none.npy, found no such file\.$"):
        read_table(tmp_path / "none.npy", signed=False)


@pytest.mark.parametrize("name", ["mul.v", "t.dat", "t.NPY"])
def test_tables_are_known_by_their_endings(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    message = f"Expected a table of products that ends in .npy, .npz, .csv or .bin, found {name}."
    with pytest.raises(AxhwError, match=f"^{re.escape(message)}$"):
        read_table(tmp_path / name, signed=False)


def test_the_first_difference_is_named() -> None:
    one, other = table(SIGNED), table("evoapprox:mul8s_1L2L")
    assert first_difference(one, one) is None
    found = first_difference(one, other)
    assert found is not None
    count = np.count_nonzero(one.values != other.values)
    assert found == (
        f"{count} of 65536 pairs that differ, the first being a = -128, b = -126: "
        f"t gives {one.product(-128, -126)}, the reference {other.product(-128, -126)}"
    )
    with pytest.raises(AxhwError, match=r"^Expected a reference for signed 8-bit operands, found t for unsigned 8-bit"):
        first_difference(one, table(UNSIGNED))

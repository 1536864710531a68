from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.registry import describe, parse
from axhw.sim.product_table import ProductTable
from axhw.sim.table_files import csv_text, load_table, save_table, table_from_csv


def golden_table(text: str) -> ProductTable:
    spec = parse(text)
    codes = spec.operand_codes()
    return ProductTable(
        values=spec.reference(codes[:, None], codes).astype(np.int32),
        width=spec.width,
        signed=spec.signed,
        name=spec.name,
        source=describe(spec),
        netlist_sha256="0" * 64,
    )


SIGNED = golden_table("roup:p=1,r=4,width=4")
UNSIGNED = golden_table("truncated:k=2,width=4,signed=false")


@pytest.mark.parametrize(
    "table", [SIGNED, UNSIGNED, golden_table("evoapprox:mul8s_1L2L")], ids=lambda table: table.name
)
@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv"])
def test_round_trip(table: ProductTable, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"lut{suffix}"
    save_table(table, path)
    read = load_table(path, signed=table.signed)
    np.testing.assert_array_equal(read.values, table.values)
    assert (read.width, read.signed, read.sha256) == (table.width, table.signed, table.sha256)
    if suffix == ".npz":
        assert (read.name, read.source, read.netlist_sha256) == (table.name, table.source, table.netlist_sha256)
    else:
        assert (read.name, read.source, read.netlist_sha256) == ("lut", {"file": path.name}, None)


def test_csv_needs_nothing_but_pandas(tmp_path: Path) -> None:
    table = golden_table("evoapprox:mul8s_1L2J")
    save_table(table, tmp_path / "lut.csv")
    frame = pd.read_csv(tmp_path / "lut.csv")
    assert list(frame.columns) == ["a", "b", "product", "exact"]
    assert len(frame) == 65536
    assert (frame.exact == frame.a * frame.b).all()
    np.testing.assert_array_equal(frame["product"], table.product(frame.a.to_numpy(), frame.b.to_numpy()))
    assert frame.iloc[1].tolist() == [-128, -127, int(table.product(-128, -127)), 16256]


def test_csv_rows_may_come_in_any_order() -> None:
    header, *rows = csv_text(SIGNED).splitlines()
    shuffled = np.random.default_rng(0).permutation(rows)
    assert table_from_csv("\n".join([header, *shuffled]), name="x").sha256 == SIGNED.sha256


def edited(old: str, new: str) -> str:
    text = csv_text(SIGNED)
    assert f"\n{old}\n" in text
    return text.replace(f"\n{old}\n", f"\n{new}" + ("\n" if new else ""))


ROW = next(line for line in csv_text(SIGNED).splitlines() if line.startswith("-8,-8,"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^Expected CSV with the columns a, b, product, exact in x, found no table"),
        ("a,b\n1,2\n", "^Expected the columns a, b, product, exact in x, found a, b"),
        ("a,b,product,exact\n", "^Expected integers in column a of x, found object values"),
        (
            "a,b,product,exact\n1,2,3,4,5\n",
            "^Expected the columns a, b, product, exact in x, found a, b, product, exact",
        ),
        (edited(ROW, ""), "^Expected each of the 256 operand pairs once in x, found a = -8, b = -8 0 times"),
        (
            edited(ROW, f"{ROW}\n{ROW}"),
            "^Expected each of the 256 operand pairs once in x, found a = -8, b = -8 2 times",
        ),
        (edited(ROW, "-8,-8,64.5,64"), "^Expected integers in column product of x, found float64 values"),
        (edited(ROW, "-8,-8,nan,64"), "^Expected a number in every cell of x, found none for product in row 1"),
        (edited(ROW, "-8,-8,,64"), "^Expected a number in every cell of x, found none for product in row 1"),
        (edited(ROW, "-8,-8,six,64"), "^Expected integers in column product of x, found (object|str) values"),
        (edited(ROW, "-8,-8,64,-64"), "^Expected 64 in column exact of x for a = -8, b = -8, found -64"),
        (edited(ROW, "-9,-8,64,72"), "^Expected all operands of a width in columns a and b of x, such as"),
        (edited(ROW, "-8,-8,99999,64"), "^Expected products from -256 to 255 for signed 4-bit operands of x"),
        (edited(ROW, "-8,-8,99999999999999999999,64"), "^Expected integers in column product of x, found"),
    ],
)
def test_csv_errors(text: str, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        table_from_csv(text, name="x")


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_wrong_signedness(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"lut{suffix}"
    save_table(SIGNED, path)
    with pytest.raises(
        AxhwError, match=rf"^Expected a table for unsigned operands in lut{suffix}, found signed ones\.$"
    ):
        load_table(path, signed=False)


def test_npy_does_not_say_its_signedness(tmp_path: Path) -> None:
    save_table(UNSIGNED, tmp_path / "lut.npy")
    with pytest.raises(AxhwError, match=r"^Expected to be told whether the operands of lut.npy are signed"):
        load_table(tmp_path / "lut.npy")
    with pytest.raises(AxhwError, match="found products of unsigned operands"):
        load_table(tmp_path / "lut.npy", signed=True)


def test_arrays_that_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "lut.npy"
    for shape in ((3, 3), (16,), (16, 8), (1, 1), ()):
        np.save(path, np.zeros(shape, int))
        with pytest.raises(
            AxhwError, match=r"^Expected a square table with a power of two rows in lut.npy, found shape"
        ):
            load_table(path, signed=True)
    np.save(path, np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(AxhwError, match="found no file numpy can read"):
        load_table(path, signed=True)


def test_npz_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "lut.npz"
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(AxhwError, match=r"^Expected the arrays values, metadata in lut.npz, found weights\.$"):
        load_table(path)
    for metadata in ("{", "[]", "{}", '{"width": "8"}'):
        np.savez(path, values=SIGNED.values, metadata=np.array(metadata))
        with pytest.raises(
            AxhwError, match=r"^Expected the metadata width, signed, name, source, netlist_sha256, sha256"
        ):
            load_table(path)


def test_changed_values_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "lut.npz"
    save_table(SIGNED, path)
    content = dict(np.load(path))
    content["values"][0, 0] += 1
    np.savez(path, **content)
    with pytest.raises(AxhwError, match=r"^Expected values with digest [0-9a-f]{12} in lut.npz, found [0-9a-f]{12}\.$"):
        load_table(path)


def test_missing_files_and_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"^Expected a product table at .*lut.npz, found no such file\.$"):
        load_table(tmp_path / "lut.npz")
    with pytest.raises(AxhwError, match=r"^Expected a table file ending in .npz, .npy or .csv, found lut.txt\.$"):
        save_table(SIGNED, tmp_path / "lut.txt")
    (tmp_path / "lut.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(AxhwError, match="found a file that is no ASCII text"):
        load_table(tmp_path / "lut.csv")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([".npz", ".npy", ".csv"]), st.data())
def test_damaged_files_are_read_right_or_refused(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"lut{suffix}"
    save_table(SIGNED, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        table = load_table(path, signed=True)
    except AxhwError:
        return
    if suffix == ".npz":
        assert table.sha256 == SIGNED.sha256

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from axhw.errors import AxhwError
from axhw.export import export_designs
from axhw.record import DesignRecord


@pytest.fixture(scope="module")
def records(characterized: Callable[..., DesignRecord]) -> list[DesignRecord]:
    return [characterized("exact:width=4"), characterized("bam:width=5,v=3,signed=false")]


def test_parquet_holds_what_csv_holds(records: list[DesignRecord], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    export_designs(records, tmp_path / "csv", format="csv")
    written = export_designs(records, tmp_path / "parquet", format="parquet")
    luts = tmp_path / "parquet" / "luts"
    assert written == [tmp_path / "parquet" / "multipliers.parquet", *(luts / f"{r.name}.parquet" for r in records)]
    frame = pd.read_parquet(written[0])
    text = pd.read_csv(tmp_path / "csv" / "multipliers.csv", keep_default_na=False)
    assert list(frame["lut_file"]) == [f"luts/{record.name}.parquet" for record in records]
    same = [column for column in text.columns if column != "lut_file"]
    pd.testing.assert_frame_equal(frame[same].fillna({"element": ""}), text[same], check_dtype=False)
    assert frame.dtypes["rank"] == "Int64"
    for record, path in zip(records, written[1:]):
        table = pd.read_parquet(path)
        assert list(table.columns) == ["a", "b", "product", "exact"]
        assert set(table.dtypes) == {np.dtype(np.int32)}
        expected = pd.read_csv(tmp_path / "csv" / "luts" / f"{record.name}.csv")
        assert np.array_equal(table.to_numpy(), expected.to_numpy())
        assert record.table is not None
        assert np.array_equal(table["product"].to_numpy().reshape(record.table.values.shape), record.table.values)


def test_parquet_without_pyarrow(records: list[DesignRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pyarrow" else find_spec(name, *rest)
    )
    message = r"^Expected pyarrow for Parquet files, found none: install it with `pip install 'axhw\[parquet\]'`\.$"
    with pytest.raises(AxhwError, match=message):
        export_designs(records, tmp_path / "out", format="parquet")
    assert not (tmp_path / "out").exists()

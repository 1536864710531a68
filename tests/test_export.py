from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from axhw import __version__
from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.export import CSV_VERSION, export_designs, write_design
from axhw.export.tables import TableFormat
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.record import DesignRecord
from axhw.sim.table_files import load_table
from axhw.store import Store
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library

Characterized = Callable[..., DesignRecord]

COLUMNS = [
    "name", "family", "width", "signed", "params", "element", "library", "area_um2", "delay_ns", "energy_fj",
    "leakage_nw", "mae", "mae_pct", "wce", "wce_pct", "mre_pct", "ep_pct", "mse", "bias", "variance", "rank",
    "lut_file", "lut_sha256", "axhw_version", "engine", "library_sha256", "corner", "input_slew_ns", "output_load_ff",
    "wire_load", "stream", "sampled", "key",
]  # fmt: skip
CONDITIONS = ("library", "engine", "library_sha256", "corner", "input_slew_ns", "output_load_ff", "wire_load", "stream")
DESIGNS = (
    "roup:p=2,r=3",
    "exact:width=4",
    "exact:width=5,signed=false",
    "roup:p=4",
    "roup:width=12,p=2,r=4,adder=ripple",
)

# A user's script: no axhw, no repository.
READER = """
import hashlib, json, sys
import numpy as np
import pandas as pd

designs = pd.read_csv("multipliers.csv")
found = {}
for row in designs.itertuples():
    if pd.isna(row.lut_file):
        continue
    lut = pd.read_csv(row.lut_file)
    size = 1 << row.width
    codes = np.arange(size) - (size // 2 if row.signed else 0)
    assert list(lut.columns) == ["a", "b", "product", "exact"] and len(lut) == size * size
    assert (lut["a"] == np.repeat(codes, size)).all() and (lut["b"] == np.tile(codes, size)).all()
    assert (lut["exact"] == lut["a"] * lut["b"]).all()
    table = lut["product"].to_numpy("<i4").reshape(size, size)
    assert hashlib.sha256(table.tobytes()).hexdigest() == row.lut_sha256
    error = lut["product"] - lut["exact"]
    assert np.isclose(error.abs().mean(), row.mae) and error.abs().max() == row.wce
    assert np.isclose(error.mean(), row.bias) and np.isclose((error != 0).mean() * 100, row.ep_pct)
    found[row.name] = table.tolist()
assert "axhw" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def records(characterized: Characterized) -> list[DesignRecord]:
    return [characterized(text) for text in DESIGNS]


def test_multipliers_csv(records: list[DesignRecord], tmp_path: Path) -> None:
    assert CSV_VERSION == 2
    library = load_library(DEFAULT).cells.sha256
    written = export_designs(records, tmp_path / "out", format="csv")
    frame = pd.read_csv(tmp_path / "out" / "multipliers.csv")
    assert list(frame.columns) == COLUMNS
    assert list(frame["name"]) == ["roup8s_p2_r3", "exact4s", "exact5u", "roup8s_p4_r0", "roup12s_p2_r4_ripple"]
    for row, record in zip(frame.itertuples(), records):
        for figure in ("area_um2", "delay_ns", "energy_fj", "leakage_nw", *CONDITIONS):
            assert getattr(row, figure) == getattr(record.cost, figure), "all digits"
        for figure in ("mae", "mae_pct", "wce", "wce_pct", "mre_pct", "ep_pct", "mse", "bias", "variance"):
            assert getattr(row, figure) == getattr(record.metrics, figure)
        assert (row.family, row.width, row.signed) == (
            record.multiplier.family, record.multiplier.width, record.multiplier.signed,
        )  # fmt: skip
        assert parse(f"{row.family}:{row.params}", width=row.width, signed=row.signed) == record.spec
        assert (row.axhw_version, row.engine) == (__version__, str(find_engine()))
        assert (row.key, row.sampled, row.library_sha256) == (record.key, record.metrics.sampled, library)
    assert frame["element"].isna().all()
    tables = [tmp_path / "out" / "luts" / f"{name}.csv" for name in frame["name"][:-1]]
    assert written == [tmp_path / "out" / "multipliers.csv", *tables]
    assert sorted((tmp_path / "out" / "luts").iterdir()) == sorted(tables)


def test_whole_numbers_stay_whole_beside_gaps(records: list[DesignRecord], tmp_path: Path) -> None:
    export_designs(records, tmp_path, format="csv")
    frame = pd.read_csv(tmp_path / "multipliers.csv", dtype=str, keep_default_na=False)
    assert list(frame["rank"]) == ["2", "1", "1", "0", "3"]
    assert list(frame["width"]) == ["8", "4", "5", "8", "12"]
    assert list(frame["wce"])[:4] == ["1224", "0", "0", "16384"]
    assert list(frame["signed"]) == ["True", "True", "False", "True", "True"]
    assert frame["lut_file"].iloc[-1] == frame["lut_sha256"].iloc[-1] == ""


def test_tables_are_read_with_pandas_alone(records: list[DesignRecord], tmp_path: Path) -> None:
    export_designs(records, tmp_path / "out", format="csv")
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    reader = subprocess.run(
        [sys.executable, "-c", READER],
        cwd=tmp_path / "elsewhere",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert reader.returncode == 0, reader.stderr
    found = json.loads(reader.stdout)
    tables = {record.name: record.table for record in records}
    assert set(found) == {name for name, table in tables.items() if table is not None}
    for name, values in found.items():
        assert np.array_equal(tables[name].values, values)


def test_a_table_has_a_row_for_every_pair(records: list[DesignRecord], tmp_path: Path) -> None:
    export_designs(records[:1], tmp_path, format="csv")
    text = (tmp_path / "luts" / "roup8s_p2_r3.csv").read_text(encoding="ascii")
    lines = text.split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("a,b,product,exact", "", 65536 + 2)
    product = records[0].multiplier.reference(-128, 127)
    assert (lines[1], lines[256]) == (
        f"-128,-128,{records[0].multiplier.reference(-128, -128)},16384",
        f"-128,127,{product},-16256",
    )


def test_npz_tables(records: list[DesignRecord], tmp_path: Path) -> None:
    written = export_designs(records, tmp_path, format="npz")
    frame = pd.read_csv(tmp_path / "multipliers.csv", keep_default_na=False)
    assert [path.name for path in written[1:]] == [f"{name}.npz" for name in frame["name"][:-1]]
    for row, record in zip(frame.itertuples(), records):
        if record.table is None:
            assert row.lut_file == ""
            continue
        with np.load(tmp_path / row.lut_file, allow_pickle=False) as file:
            assert set(file) == {"values", "metadata"}
            values, metadata = file["values"], json.loads(str(file["metadata"]))
        assert values.dtype == np.int32
        assert hashlib.sha256(values.astype("<i4").tobytes()).hexdigest() == row.lut_sha256 == metadata["sha256"]
        assert metadata["netlist_sha256"] == record.verification.netlist_sha256
        table = load_table(tmp_path / row.lut_file)
        assert np.array_equal(table.values, record.table.values)
        assert (table.name, table.width, table.signed) == (record.name, row.width, row.signed)


def test_one_multiplier_on_two_libraries_has_one_table(records: list[DesignRecord], tmp_path: Path) -> None:
    written = export_designs([records[1], records[1]], tmp_path, format="csv")
    assert [path.name for path in written] == ["multipliers.csv", "exact4s.csv"]
    assert len(pd.read_csv(tmp_path / "multipliers.csv")) == 2


def test_two_tables_of_one_name_are_refused(records: list[DesignRecord], tmp_path: Path) -> None:
    # As if the family's formula had changed between two records.
    other = characterize(parse("bam:width=4,v=3"), flow=Flow.of(store=Store(tmp_path / "store")))
    object.__setattr__(other, "spec", records[1].spec)
    with pytest.raises(
        AxhwError, match=r"^Expected one table for designs of the name exact4s, found two in the store:"
    ):
        export_designs([records[1], other], tmp_path, format="csv")
    assert not (tmp_path / "multipliers.csv").exists()


@pytest.mark.parametrize("format", ["csv", "npz", "parquet"])
def test_tables_of_other_designs_are_not_replaced(
    records: list[DesignRecord], tmp_path: Path, format: TableFormat
) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    (overview, *_) = export_designs(records[:3], tmp_path, format=format)
    assert export_designs(records[:4], tmp_path, format=format)[0] == overview
    before = overview.read_bytes()
    with pytest.raises(
        AxhwError,
        match=rf"^Expected no table of other designs in .*, found {overview.name} with exact5u, roup8s_p2_r3, "
        r"roup8s_p4_r0: choose another --out, or remove it\.$",
    ):
        export_designs(records[1:2], tmp_path, format=format)
    assert overview.read_bytes() == before
    overview.write_text("something else")
    with pytest.raises(AxhwError, match=r"found multipliers\.\w+ with no table of designs: choose another --out"):
        export_designs(records[:4], tmp_path, format=format)


def test_exported_elements_hold_the_multiplier(characterized: Characterized, tmp_path: Path) -> None:
    record = characterized("roup:p=2,r=3", "registered")
    export_designs([record], tmp_path, format="csv")
    row = pd.read_csv(tmp_path / "multipliers.csv").iloc[0]
    assert row["element"] == "registered"
    assert (row["name"], row["family"], row["lut_file"]) == ("roup8s_p2_r3_reg", "roup", "luts/roup8s_p2_r3_reg.csv")
    assert row["lut_sha256"] == characterized("roup:p=2,r=3").verification.table_sha256


def test_a_design_in_a_folder(records: list[DesignRecord], tmp_path: Path) -> None:
    record = records[0]
    written = write_design(record, tmp_path / "design")
    assert {name: tmp_path / "design" / name for name in written} == written
    assert set(written) == {
        "design.v", "netlist.v", "netlist.json", "cells.v", "design.json", "lut.npy", "lut.csv",
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "design").iterdir()} == set(written)
    for name in set(written) - {"lut.csv"}:
        assert written[name].read_bytes() == (record.folder / name).read_bytes()
    assert record.table is not None
    values = np.load(written["lut.npy"], allow_pickle=False)
    assert (values.dtype, values.shape) == (np.int32, (256, 256))
    assert np.array_equal(values, record.table.values)
    lut = pd.read_csv(written["lut.csv"])
    assert np.array_equal(lut["product"].to_numpy().reshape(256, 256), values)


def test_files_of_a_design_are_replaced_whole(records: list[DesignRecord], tmp_path: Path) -> None:
    record = records[4]
    write_design(record, tmp_path)
    # Of another day, and with a table that it has not.
    document = json.loads((tmp_path / "design.json").read_text())
    document["provenance"]["created"] = "2020-01-01"
    (tmp_path / "design.json").write_text(json.dumps(document))
    (tmp_path / "lut.csv").write_text("")
    (tmp_path / "lut_0.npy").write_text("")
    (tmp_path / "notes.txt").write_text("mine")
    written = write_design(record, tmp_path)
    assert set(written) == {"design.v", "netlist.v", "netlist.json", "cells.v", "design.json"}
    assert {path.name for path in tmp_path.iterdir()} == {*written, "notes.txt"}


def test_files_of_another_design_are_not_replaced(records: list[DesignRecord], tmp_path: Path) -> None:
    folder = tmp_path / "design"
    write_design(records[1], folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    expected = f"Expected a folder without files of other designs for {records[0].name}, found design.json of exact4s"
    with pytest.raises(
        AxhwError, match=f"^{re.escape(expected)} in .*: choose another one with --out, or remove these"
    ):
        write_design(records[0], folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    write_design(records[1], folder)
    document = json.loads((folder / "design.json").read_text())
    document["cost"]["library"] = "another"
    (folder / "design.json").write_text(json.dumps(document))
    with pytest.raises(AxhwError, match=r"found design\.json of exact4s measured otherwise in"):
        write_design(records[1], folder)
    for content in (None, "{", "[]", "{}"):
        folder = tmp_path / f"other{content}"
        folder.mkdir()
        (folder / "lut_0.npy").write_text("mine")
        if content is not None:
            (folder / "design.json").write_text(content)
        with pytest.raises(AxhwError, match=r"found \w+\.\w+ without a design\.json that says of which in"):
            write_design(records[0], folder)
        assert (folder / "lut_0.npy").read_text() == "mine"


def test_no_designs(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"^Expected at least one design to export, found none: make some with `axhw"):
        export_designs([], tmp_path / "out", format="csv")
    assert not (tmp_path / "out").exists()


def test_an_unknown_format(records: list[DesignRecord], tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"^Expected a format out of csv, npz, .*, found 'xml'\.$"):
        export_designs(records, tmp_path / "out", format="xml")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to(records: list[DesignRecord], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (
        lambda folder: export_designs(records, folder, format="csv"),
        lambda folder: write_design(records[0], folder),
    ):
        with pytest.raises(AxhwError, match=r"^Expected an output folder that can be written to, found .*: .+\.$"):
            write(tmp_path / "file")


def test_a_record_whose_files_are_gone(records: list[DesignRecord], tmp_path: Path) -> None:
    key = records[1].key
    shutil.copytree(records[1].folder, tmp_path / "designs" / key)
    entry = Store(tmp_path).get(key)
    assert entry is not None
    record = DesignRecord.from_entry(entry)
    (record.folder / "cells.v").unlink()
    message = f"Expected cells.v of exact4s in {record.folder}, found No such file or directory: remove that folder"
    with pytest.raises(AxhwError, match=re.escape(message)):
        write_design(record, tmp_path / "out")

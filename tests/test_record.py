from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw import __version__
from axhw.errors import AxhwError
from axhw.hdl.pe.mac import MacSpec
from axhw.record import DesignRecord
from axhw.store import Store

Characterized = Callable[..., DesignRecord]


@pytest.fixture
def copied(characterized: Characterized, tmp_path: Path) -> DesignRecord:
    """A record in a store of its own, to be damaged."""
    record = characterized("exact:width=4")
    shutil.copytree(record.folder, tmp_path / "designs" / record.key)
    return read(tmp_path, record.key)


def read(root: Path, key: str) -> DesignRecord:
    entry = Store(root).get(key)
    assert entry is not None
    return DesignRecord.from_entry(entry)


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_a_record_is_read_as_it_was_written(characterized: Characterized, store: Store) -> None:
    record = characterized("exact:width=4", "mac", terms=4, overflow="saturate")
    again = read(store.root, record.key)
    assert again.key == record.key
    assert again.spec == record.spec
    assert isinstance(again.spec, MacSpec)
    assert again.multiplier == record.spec.multiplier
    assert (again.metrics, again.cost, again.rank) == (record.metrics, record.cost, record.rank)
    assert (again.verification, again.provenance) == (record.verification, record.provenance)
    assert again.summary() == record.summary()
    assert again.table is not None
    assert again.table.name == again.multiplier.name == "exact4s"
    assert not again.table.values.flags.writeable


def test_the_summary_is_flat_and_complete(characterized: Characterized) -> None:
    summary = characterized("roup:p=2,r=3").summary()
    assert summary["name"] == "roup8s_p2_r3"
    assert (summary["family"], summary["width"], summary["signed"]) == ("roup", 8, True)
    assert summary["params"] | {"p": 2, "r": 3} == summary["params"]
    assert summary["element"] is None
    assert summary["verified"] is True
    assert summary["verification"]["pairs"] == 65536
    assert characterized("roup:p=2,r=3", "registered").summary()["element"] == "registered"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (npy(np.arange(256, dtype=np.int32).reshape(16, 16)), "values that were not proved"),
        (npy(np.zeros((16, 16), np.int32)), "values that were not proved"),
        (npy(np.array([[{}]])), "no array"),
        (npy(np.zeros((16, 16), np.int32))[:-1], "no array"),
        (b"PK\x03\x04", "no array"),
        (b"", "no array"),
        (None, "No such file or directory"),
    ],
)
def test_a_tampered_table_is_refused(
    copied: DesignRecord, seal: Callable[[Path], None], content: bytes | None, found: str
) -> None:
    path = copied.folder / "lut.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    seal(copied.folder)
    message = (
        f"Expected lut.npy of exact4s in {copied.folder}, found {found}: remove that folder and make the design again."
    )
    with pytest.raises(AxhwError, match=f"^{re.escape(message)}$"):
        _ = copied.table


def test_one_wrong_product_is_refused(copied: DesignRecord, seal: Callable[[Path], None]) -> None:
    values = np.load(copied.folder / "lut.npy")
    values[3, 5] += 1
    np.save(copied.folder / "lut.npy", values)
    with pytest.raises(AxhwError, match="found other bytes than SHA256SUMS tells: remove that folder"):
        _ = copied.table
    seal(copied.folder)
    with pytest.raises(AxhwError, match="found values that were not proved: remove that folder"):
        _ = copied.table


@pytest.mark.parametrize("signed", [True, False])
def test_a_table_of_other_operands_is_refused(copied: DesignRecord, seal: Callable[[Path], None], signed: bool) -> None:
    size = 8 if signed else 32
    np.save(copied.folder / "lut.npy", np.zeros((size, size), np.int32))
    seal(copied.folder)
    with pytest.raises(AxhwError, match=rf"^Expected 4-bit products of shape \(16, 16\) for exact4s, found \({size},"):
        _ = copied.table


def test_a_tampered_netlist_is_refused(copied: DesignRecord, seal: Callable[[Path], None]) -> None:
    path = copied.folder / "netlist.json"
    document = json.loads(path.read_text())
    document["modules"]["exact4s"]["cells"].popitem()
    path.write_text(json.dumps(document))
    seal(copied.folder)
    with pytest.raises(AxhwError, match=r"^Expected netlist.json of exact4s in .*, found gates that were not proved"):
        _ = copied.netlist
    path.write_text("{")
    seal(copied.folder)
    with pytest.raises(AxhwError, match=r"^Expected netlist.json of exact4s in .*, found no JSON document"):
        _ = read(copied.folder.parents[1], copied.key).netlist


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda document: document.pop("cost"), "'cost'"),
        (lambda document: document["cost"].pop("toggles"), "toggles"),
        (lambda document: document["metrics"].update(new=1.0), "new"),
        (lambda document: document.update(verification=None), "None"),
    ],
)
def test_a_document_of_another_version(
    copied: DesignRecord, seal: Callable[[Path], None], change: Callable[[dict[str, Any]], object], found: str
) -> None:
    path = copied.folder / "design.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(AxhwError, match=r"^Expected the file .*design.json of the store, found other bytes than SHA"):
        read(copied.folder.parents[1], copied.key)
    seal(copied.folder)
    with pytest.raises(
        AxhwError,
        match=rf"^Expected design.json in {re.escape(str(copied.folder))} to hold what axhw {__version__} writes, "
        rf"found .*{found}.*: remove that folder and make the design again\.$",
    ):
        read(copied.folder.parents[1], copied.key)

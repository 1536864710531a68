"""Shipped designs: an archive gives back what was put in, and stands behind the user's store."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.library.archive import Archive, write_archive
from axhw.library.catalogue import Catalogue
from axhw.store import Store, UnknownDesignError

SPECS = ("exact:width=4", "roup:width=4,p=1,r=2")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("made"))
    return [characterize(parse(text), flow=Flow.of(store=store)) for text in SPECS]


@pytest.fixture(scope="module")
def archive(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "designs.zip"
    write_archive(path, records)
    return Archive(path)


def test_summaries_are_those_of_the_records(archive, records):
    assert archive.summaries == [record.summary() for record in records]


def test_an_unpacked_design_is_the_record_with_table_and_netlist(archive, records, tmp_path):
    record = Catalogue(Store(tmp_path), archive).find(records[1].name)
    assert record.document == records[1].document
    assert record.netlist.sha256 == records[1].netlist.sha256
    assert np.array_equal(record.table.values, records[1].table.values)
    assert record.read("design.v") == records[1].read("design.v")
    # The second time it is there already.
    assert Catalogue(Store(tmp_path), archive).find(records[1].key[:8]).folder == record.folder


def test_unpacking_leaves_the_designs_of_the_store_alone(archive, records, tmp_path):
    store = Store(tmp_path)
    Catalogue(store, archive).find(records[0].name)
    assert list(store.designs()) == []
    assert [summary["shipped"] for summary in Catalogue(store, archive).summaries()] == [True, True]


def test_a_design_of_the_store_hides_the_shipped_one_of_its_name(archive, records, tmp_path):
    store = Store(tmp_path)
    own = characterize(parse(SPECS[0]), flow=Flow.of(store=store))
    catalogue = Catalogue(store, archive)
    assert [(summary["name"], summary["shipped"]) for summary in catalogue.summaries()] == [
        (records[1].name, True),
        (own.name, False),
    ]
    assert catalogue.find(own.name).folder == own.folder
    for name in (records[1].name, own.name, "mul8s_none"):
        assert catalogue.summaries(name=name) == [each for each in catalogue.summaries() if each["name"] == name]


def test_unknown_names_are_refused(archive, tmp_path):
    with pytest.raises(UnknownDesignError, match="found 'mul8s_none'"):
        Catalogue(Store(tmp_path), archive).find("mul8s_none")


def test_a_damaged_design_of_the_store_is_not_replaced_by_a_shipped_one(archive, tmp_path, seal):
    store = Store(tmp_path)
    own = characterize(parse(SPECS[0]), flow=Flow.of(store=store))
    document = json.loads((own.folder / "design.json").read_text())
    del document["cost"]
    (own.folder / "design.json").write_text(json.dumps(document))
    with pytest.raises(AxhwError, match="found other bytes than SHA256SUMS tells"):
        Catalogue(store, archive).find(own.name)
    seal(own.folder)
    with pytest.raises(AxhwError, match="to hold what axhw"):
        Catalogue(store, archive).find(own.name)


def test_writing_twice_gives_the_same_file(archive, records, tmp_path):
    write_archive(tmp_path / "again.zip", records)
    assert (tmp_path / "again.zip").read_bytes() == archive.path.read_bytes()


def test_a_changed_golden_model_is_noticed(archive, records, tmp_path):
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive.path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"p": 1', b'"p": 0'))
    record = Catalogue(Store(tmp_path), Archive(changed)).find(records[1].key)
    with pytest.raises(AxhwError, match="found values that were not proved"):
        _ = record.table


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_a_damaged_archive_is_named(content, tmp_path):
    path = tmp_path / "designs.zip"
    path.write_bytes(content)
    with pytest.raises(AxhwError, match="Expected the designs that come with axhw in .*install axhw again"):
        _ = Archive(path).summaries

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.lookup import designs_measured_alike, named_design, named_multiplier, named_multipliers, stored_design
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.store import Store

Characterized = Callable[..., DesignRecord]


def test_families_and_designs_are_found_alike(characterized: Characterized, store: Store) -> None:
    record = characterized("roup:width=4,p=1,r=2")
    for text in ("roup:width=4,p=1,r=2", record.name, record.key, record.key[:12]):
        found = named_multiplier(text, store)
        assert found.spec == record.spec
        assert (found.record is None) == (text == "roup:width=4,p=1,r=2")
        assert stored_design(store, text).spec == record.spec
        assert named_design(text, store) == record.spec
    assert named_multiplier("roup", store, {"p": 1, "r": 2, "width": "4"}).spec == record.spec


def test_a_named_design_is_measured_as_it_was(characterized: Characterized, store: Store) -> None:
    record = characterized("roup:width=4,p=1,r=2")
    again = named_multiplier(record.name, store).measured(Flow.of(store=store))
    assert again.key == record.key


def test_grids_and_names_together(characterized: Characterized, store: Store) -> None:
    record = characterized("exact:width=4")
    found = named_multipliers(["roup:width=4,p=1,r=1..2", record.name, "exact:width=4"], store)
    assert [each.name for each in found] == ["roup4s_p1_r1", "roup4s_p1_r2", "exact4s"]


def test_parameters_beside_a_design(characterized: Characterized, store: Store) -> None:
    name = characterized("exact:width=4").name
    assert named_multiplier(name, store, {"width": 4, "signed": True}).spec == parse("exact:width=4")
    with pytest.raises(AxhwError, match=r"^Expected width = 4 beside the design exact4s, found width = 8\.$"):
        named_multiplier(name, store, {"width": 8})
    with pytest.raises(
        AxhwError, match=r"^Expected no parameters of families beside the design exact4s, found p = 1\.$"
    ):
        named_multiplier(name, store, {"p": 1})


def test_an_element_is_no_multiplier(characterized: Characterized, store: Store) -> None:
    record = characterized("exact:width=4", "mac", terms=4)
    with pytest.raises(AxhwError, match=rf"^Expected a multiplier, found {record.name}, which has one inside\.$"):
        named_multiplier(record.name, store)
    assert named_design(record.name, store) == record.spec


def test_designs_are_compared_as_they_were_measured_alike(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def made(text: str, output_load_ff: float | None = None) -> str:
        conditions = Conditions(pairs=512, output_load_ff=output_load_ff)
        return characterize(parse(text), flow=Flow.of(store=store, conditions=conditions)).key

    exact, loaded = made("exact:width=4"), made("exact:width=4", 9.0)
    roup = made("roup:width=4,p=1,r=1")

    def compared(*words: str) -> list[str]:
        return [record.key for record in designs_measured_alike(store, words)]

    # The newest exact design drives another load than the only one it is to be held against.
    assert stored_design(store, "exact4s").key == loaded
    assert compared("exact4s", "roup4s_p1_r1") == [exact, roup]
    assert compared("roup:width=4,p=1,r=1", "exact4s") == [roup, exact]
    # A key says which one, and nothing is like it.
    assert compared(loaded[:12], "roup4s_p1_r1") == [loaded, roup]
    loaded_roup = made("roup:width=4,p=1,r=1", 9.0)
    assert compared("exact4s", "roup4s_p1_r1") == [loaded, loaded_roup], "the newest of those that are alike"
    assert compared("exact4s", roup) == [exact, roup]


def test_unknown_names(characterized: Characterized, store: Store, tmp_path: Path) -> None:
    characterized("exact:width=4")
    with pytest.raises(
        AxhwError,
        match=r"^Expected a multiplier family out of exact, .*, or the name or key of a design \(see `axhw ls`\), "
        r"found 'exact4' \(did you mean exact4s\?\)\.$",
    ):
        named_multiplier("exact4", store)
    (tmp_path / "mine.npy").touch()
    with pytest.raises(AxhwError, match=r"found '.*mine\.npy': `axhw import` makes a design of a file\.$"):
        named_multiplier(str(tmp_path / "mine.npy"), store)
    with pytest.raises(AxhwError, match=r"found 'mul8s_9999': of EvoApproxLib axhw knows mul8s_1KV6, .* `axhw import`"):
        named_multiplier("mul8s_9999", store)
    with pytest.raises(AxhwError, match=r"found 'roupe:p=1' \(did you mean roup\?\)\.$"):
        named_multiplier("roupe:p=1", Store(tmp_path))

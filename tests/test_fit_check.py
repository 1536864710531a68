from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from axhw import fit_check
from axhw.fit_check import DESIGNS, CostDifference, compare_costs
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.store import Store
from axhw.synth.liberty.library import Cell, CellLibrary
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library

FULL = Path(__file__).parents[2] / "shared" / "pdk" / "sg13g2_stdcell_typ_1p20V_25C.lib"
FEW = ("exact:width=4", "roup:p=4")


@pytest.fixture
def few_designs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_check, "DESIGNS", FEW)


def compare(full: LibrarySource, fitted: CellLibrary, store: Store) -> list[CostDifference]:
    return compare_costs(Flow.of(library=full, store=store), fitted)


def scaled(library: CellLibrary, *, area: float, leakage: float) -> CellLibrary:
    """The library with other areas and leakage."""

    def cell(old: Cell) -> Cell:
        states = tuple((state, value * leakage) for state, value in old.leakage_states)
        return dataclasses.replace(
            old, area_um2=old.area_um2 * area, leakage_nw=old.leakage_nw * leakage, leakage_states=states
        )

    return dataclasses.replace(library, cells={name: cell(old) for name, old in library.cells.items()})


def test_the_designs_are_ten_different_ones() -> None:
    assert len({parse(text).name for text in DESIGNS}) == 10


@pytest.mark.usefixtures("few_designs")
def test_a_library_equals_itself(store: Store) -> None:
    library = load_library(DEFAULT)
    steps = []
    differences = compare_costs(Flow.of(store=store), library.cells, progress=lambda *step: steps.append(step))
    assert steps == [(0, 2, "exact4s"), (1, 2, "roup8s_p4_r0")]
    assert [row.name for row in differences] == ["exact4s", "roup8s_p4_r0"]
    for row in differences:
        assert row.full == row.fitted
        assert (row.area_pct, row.delay_pct, row.energy_pct, row.leakage_pct) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.usefixtures("few_designs")
def test_differences_are_in_per_cent_of_the_full_library(store: Store) -> None:
    library = load_library(DEFAULT)
    row = compare(library, scaled(library.cells, area=1.25, leakage=0.5), store)[0]
    assert row.area_pct == pytest.approx(25.0)
    assert row.leakage_pct == pytest.approx(-50.0)
    assert (row.delay_pct, row.energy_pct) == (0.0, 0.0)


@pytest.mark.usefixtures("few_designs")
def test_a_library_without_leakage(store: Store) -> None:
    library = load_library(DEFAULT)
    silent = dataclasses.replace(library, cells=scaled(library.cells, area=1.0, leakage=0.0))
    rows = compare(silent, silent.cells, store)
    assert rows[0].full.leakage_nw == 0.0
    assert rows[0].leakage_pct == 0.0


@pytest.mark.usefixtures("few_designs")
def test_the_embedded_library_beside_the_full_one(store: Store) -> None:
    if not FULL.exists():
        pytest.skip(f"needs {FULL.name} in shared/pdk beside the repository")
    row = compare(load_library(str(FULL)), load_library(DEFAULT).cells, store)[0]
    assert row.area_pct == pytest.approx(0.0, abs=1e-9)
    assert abs(row.delay_pct) < 3.0
    assert abs(row.energy_pct) < 3.0
    assert abs(row.leakage_pct) < 1e-3

"""Tiles against the published core, and against sums made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.analog.cells import BitSlicing
from axhw.analog.tile_cost import HERMES, TileCosts
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError

CORE = TileSpec(rows=256, columns=256)


def test_the_core_is_the_published_one() -> None:
    """1.59 TOPS/mm2 and 10.5 TOPS/W."""
    operations = 2 * 256 * 256
    assert HERMES.tile_mvm_ns(CORE) == 130
    assert HERMES.tile_mvm_nj(CORE) == 12.5
    assert HERMES.tile_mm2(CORE) == pytest.approx(0.634)
    assert 1e-3 * operations / (130 * 0.634) == pytest.approx(1.59, rel=1e-3)
    assert 1e-3 * operations / 12.5 == pytest.approx(10.5, rel=2e-3)


def test_shared_converters_are_the_published_factors_of_the_area() -> None:
    """1.0, 0.6 and 0.4 for 1, 2 and 4 crossbars (arXiv 2602.10254)."""
    areas = [HERMES.tile_mm2(CORE, sharing=tiles) / HERMES.tile_mm2(CORE) for tiles in (1, 2, 4)]
    assert areas == pytest.approx([1.0, 0.6, 0.4])


def test_other_tiles_by_hand() -> None:
    """Four times the cells with twice the ADCs; cells conduct four times as long with 10-bit pulses."""
    assert HERMES.tile_mvm_nj(TileSpec()) == pytest.approx(12.5 * (0.2 * 4 + 0.8 * 2))
    assert HERMES.tile_mm2(TileSpec()) == pytest.approx(0.634 * (0.2 * 4 + 0.8 * 2))
    assert HERMES.tile_mvm_ns(TileSpec()) == 130
    fine = TileSpec(rows=256, columns=128, dac_bits=10, adc_bits=6)
    assert HERMES.tile_mvm_nj(fine) == pytest.approx(12.5 * (0.2 * 4 / 2 + 0.8 / 2 / 4))
    assert HERMES.tile_mvm_ns(fine) == 520
    assert HERMES.tile_mvm_ns(replace(fine, dac_bits=6, adc_bits=6)) == 32.5


def test_an_expert_of_olmoe() -> None:
    """1024 x 2048 twice and 2048 x 1024: 32 cores each, 96 MVMs and 1.2 uJ a row."""
    wide = HERMES.matrix(1024, 2048, CORE)
    narrow = HERMES.matrix(2048, 1024, CORE)
    assert wide.tiles == narrow.tiles == 32
    assert wide.area_mm2 == pytest.approx(32 * 0.634)
    assert 2 * wide.energy_nj + narrow.energy_nj == pytest.approx(1200, rel=2e-3)
    # Eight tiles below one another are added up in three steps of 256 values.
    assert wide.latency_ns == pytest.approx(12 + 130 + 3 * (4 + 8) + 12)
    assert HERMES.matrix(1024, 2048, TileSpec()).tiles == 8


def test_a_matrix_by_hand() -> None:
    """5 x 9 on tiles of 4 x 2: three rows and three columns of tiles, all of them whole MVMs."""
    costs = TileCosts(rows=4, columns=2, mvm_ns=100.0, mvm_nj=1.0, area_mm2=0.5, transfer_pj=256.0, addition_pj=512.0)
    matrix = costs.matrix(5, 9, TileSpec(rows=4, columns=2))
    assert matrix.tiles == 9
    assert matrix.energy_nj == pytest.approx(9 + 0.001 * (9 + 5) + 0.002 * 2 * 5)
    assert matrix.busy_ns == 100
    assert matrix.latency_ns == pytest.approx(12 * 4 / 256 + 100 + 2 * (4 + 8 * 2 / 256) + 12 * 2 / 256)
    assert matrix.area_mm2 == pytest.approx(4.5)
    shared = costs.matrix(5, 9, TileSpec(rows=4, columns=2), sharing=4)
    assert (shared.busy_ns, shared.energy_nj) == (400, matrix.energy_nj)
    assert shared.area_mm2 == pytest.approx(4.5 * (0.2 + 0.8 / 4))
    # A bank has no more tiles than there are.
    assert costs.matrix(2, 4, TileSpec(rows=4, columns=2), sharing=4).busy_ns == 100


def test_slices_are_tiles_of_their_own() -> None:
    sliced = TileSpec(rows=256, columns=256, slicing=BitSlicing(weight_bits=8, cell_bits=4))
    one, two = HERMES.matrix(256, 256, CORE), HERMES.matrix(256, 256, sliced)
    assert (one.tiles, two.tiles) == (1, 2)
    assert two.energy_nj == pytest.approx(2 * 12.5 + 1e-3 * (2 * 12.93 + 9.43))
    assert two.latency_ns == one.latency_ns + 12


@given(outputs=st.integers(1, 3000), inputs=st.integers(1, 3000), more=st.integers(0, 300), sharing=st.integers(1, 8))
def test_larger_matrices_never_cost_less(outputs: int, inputs: int, more: int, sharing: int) -> None:
    small = HERMES.matrix(outputs, inputs, CORE, sharing=sharing)
    for other in ((outputs + more, inputs), (outputs, inputs + more)):
        large = HERMES.matrix(*other, CORE, sharing=sharing)
        assert large.tiles >= small.tiles
        assert large.energy_nj >= small.energy_nj
        assert large.latency_ns >= small.latency_ns


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mvm_nj": 0.0}, "Expected mvm_nj of a crossbar core above 0, found 0.0."),
        ({"addition_ns": -1.0}, "Expected addition_ns of a crossbar core of at least 0, found -1.0."),
        ({"converter_share": 1.5}, "Expected a share of the converters from 0 to 1, found 1.5."),
    ],
)
def test_impossible_cores_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        TileCosts(**change)


def test_what_has_no_known_cost_is_refused() -> None:
    with pytest.raises(AxhwError, match="Expected converters with a number of bits to cost tiles, found ideal ones"):
        HERMES.matrix(4, 4, TileSpec(adc_bits=None))
    with pytest.raises(AxhwError, match="Expected at least 1 tile for a bank of converters, found 0."):
        HERMES.matrix(4, 4, CORE, sharing=0)

"""Formulas of operations, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.pim.parameters import PUBLISHED, CrossbarCore


def test_published_formulas() -> None:
    assert PUBLISHED.add_time_ns(4096) == 132
    assert PUBLISHED.add_time_ns(688) == 26
    assert PUBLISHED.add_nj(256) == pytest.approx(0.00943)
    assert PUBLISHED.norm_time_ns(4096) == 800
    assert PUBLISHED.norm_nj(4096) == pytest.approx(0.33536)
    assert PUBLISHED.activation_time_ns(688, smooth=False) == 1
    assert PUBLISHED.activation_time_ns(512, smooth=True) == 38
    assert PUBLISHED.activation_nj(512, smooth=True) == pytest.approx(0.01926)
    assert PUBLISHED.activation_nj(512, smooth=False) == pytest.approx(4e-5)
    assert PUBLISHED.crossing_time_ns(256) == 12
    assert PUBLISHED.crossing_nj(256) == pytest.approx(0.01293)
    assert PUBLISHED.attention_time_ns(np.array([32.0]), 4096).tolist() == [261_753]
    assert PUBLISHED.attention_nj(np.array([32.0]), 4096) == pytest.approx(2 * 1168.5855)
    assert PUBLISHED.dram.transfer_ns(np.array([2 * 33 * 4096.0, 0.0])).tolist() == [50_701, 0]


def test_tiles_of_the_reference() -> None:
    core = PUBLISHED.core
    sizes = {(4096, 4096): 256, (4096, 16): 16, (4096, 688): 48, (688, 4096): 48, (4096, 32_000): 2000, (1, 4096): 16}
    assert {size: core.tiles(inputs=size[0], outputs=size[1]) for size in sizes} == sizes


def test_the_core_is_hermes() -> None:
    """1.59 TOPS/mm2 and 10.5 TOPS/W, of 2 x 256 x 256 operations an MVM."""
    core = PUBLISHED.core
    operations = 2 * 256 * 256
    assert operations / core.mvm_ns * 1e-3 / core.area_mm2 == pytest.approx(1.59, rel=2e-3)
    assert operations / core.mvm_nj * 1e-3 == pytest.approx(10.5, rel=2e-3)


def test_sharing() -> None:
    assert [round(PUBLISHED.core.sharing_factor(group), 12) for group in (1, 2, 4, 8)] == [1.0, 0.6, 0.4, 0.3]
    with pytest.raises(AxhwError, match="Expected at least 1 crossbar at a shared periphery, found 0."):
        PUBLISHED.core.sharing_factor(0)


def test_cores_of_gates() -> None:
    core = CrossbarCore.from_gates(
        name="digital", rows=64, columns=32, group=4, area_um2=4e6, period_ns=2.5, cycles=64, mvm_fj=2e6
    )
    assert (core.mvm_ns, core.mvm_nj, core.area_mm2) == pytest.approx((160.0, 2.0, 1.0))
    assert core.sharing_factor(4) == 1
    assert PUBLISHED.with_core(core).name == "published, digital"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mvm_ns", 0.0, "Expected mvm_ns of the crossbar core HERMES above 0, found 0.0."),
        ("peripheral_share", 1.5, "Expected a share of the periphery of HERMES from 0 to 1, found 1.5."),
    ],
)
def test_cores_are_checked(field: str, value: float, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        replace(PUBLISHED.core, **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("digital_units", 0, "Expected at least 1 of the digital_units of published, found 0."),
        ("add_pj", -1.0, "Expected add_pj of published of at least 0, found -1.0."),
    ],
)
def test_parameters_are_checked(field: str, value: float, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        replace(PUBLISHED, **{field: value})

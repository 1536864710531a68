"""Fits of known surfaces, and of the real libraries against themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.fit import FitRange, fit_errors, fit_library
from axhw.synth.liberty.library import CellLibrary, Pin, Table
from axhw.synth.liberty.reader import embedded_library

RANGE = FitRange(slew_ns=(0.02, 0.5), load_ff=(1.0, 20.0))


def _with_rise(library: CellLibrary, table: Table) -> CellLibrary:
    """The library with `table` as the delay and energy of the inverter's rising output."""
    inverter = library.cells["INV"]
    pin = inverter.pins["Y"]
    pin = replace(
        pin,
        timing=(replace(pin.timing[0], rise=table),),
        power=(replace(pin.power[0], rise=table),),
    )
    return replace(library, cells={**library.cells, "INV": replace(inverter, pins={**inverter.pins, "Y": pin})})


def _rise(library: CellLibrary) -> tuple[Table, Table]:
    pin: Pin = library.cells["INV"].pins["Y"]
    delay, energy = pin.timing[0].rise, pin.power[0].rise
    assert delay is not None
    assert energy is not None
    return delay, energy


def _surface(slew: np.ndarray, load: np.ndarray) -> np.ndarray:
    s, c = np.meshgrid(slew, load, indexing="ij")
    result: np.ndarray = 0.02 + 0.3 * s + 0.004 * c + 0.002 * s * c
    return result


def test_a_bilinear_surface_is_fitted_exactly(small: CellLibrary) -> None:
    slew, load = np.array([0.01, 0.1, 0.4, 1.0]), np.array([0.5, 3.0, 30.0])
    original = Table(slew_ns=slew, load_ff=load, values=_surface(slew, load))
    for points in (2, 3):
        for table in _rise(fit_library(_with_rise(small, original), fit_range=RANGE, points=points)):
            assert table.values.shape == (points, points)
            np.testing.assert_allclose(table.slew_ns[[0, -1]], RANGE.slew_ns)
            np.testing.assert_allclose(table.values, _surface(table.slew_ns, table.load_ff), rtol=1e-9)


def test_a_curved_delay_is_best_where_netlists_are(small: CellLibrary) -> None:
    slew, load = np.geomspace(0.01, 1, 30), np.geomspace(0.5, 40, 30)
    values = np.sqrt(_surface(slew, load))
    library = _with_rise(small, Table(slew_ns=slew, load_ff=load, values=values))
    fitted, _ = _rise(fit_library(library, fit_range=RANGE, points=2))
    middle = np.sqrt(RANGE.slew_ns[0] * RANGE.slew_ns[1]), np.sqrt(RANGE.load_ff[0] * RANGE.load_ff[1])
    (a, b), (c, d) = fitted.values
    s, t = ((m - low) / (high - low) for m, (low, high) in zip(middle, (RANGE.slew_ns, RANGE.load_ff), strict=True))
    fit = (1 - s) * ((1 - t) * a + t * b) + s * ((1 - t) * c + t * d)
    exact = np.sqrt(_surface(np.array([middle[0]]), np.array([middle[1]])))[0, 0]
    assert fit == pytest.approx(exact, rel=0.03)
    coarse = fit_errors(library, fit_library(library, fit_range=RANGE, points=2), fit_range=RANGE)
    fine = fit_errors(library, fit_library(library, fit_range=RANGE, points=4), fit_range=RANGE)
    assert [error.quantity for error in coarse] == ["delay", "transition", "energy"]
    assert fine[0].p95_pct < coarse[0].p95_pct / 2


def test_everything_but_tables_is_kept(small: CellLibrary) -> None:
    fitted = fit_library(small)
    assert fitted.name == "small_fit"
    assert fit_library(small, points=2).name == "small_fit2"
    for name, cell in fitted.cells.items():
        original = small.cells[name]
        assert (cell.area_um2, cell.leakage_nw, cell.leakage_states) == (
            original.area_um2,
            original.leakage_nw,
            original.leakage_states,
        )
        assert cell.flip_flop == original.flip_flop
        for pin in cell.pins.values():
            before = original.pins[pin.name]
            assert replace(pin, timing=(), power=()).__dict__ == replace(before, timing=(), power=()).__dict__
    setup = fitted.cells["DFFR"].pins["D"].timing[0]
    assert setup.rise is not None
    assert setup.rise.values.shape == (4, 4)
    clock_to_q = fitted.cells["DFFR"].pins["Q"].timing[0].rise
    assert clock_to_q is not None
    assert clock_to_q.values.tolist() == [[pytest.approx(0.2)]]


def test_cells_that_mapping_cannot_use_are_left_out(sg13g2: CellLibrary) -> None:
    left_out = set(sg13g2.cells) - set(fit_library(sg13g2).cells)
    kinds = ("fill", "decap", "antenna", "sighold", "dl", "lgcp", "slgcp", "ebufn", "einvn", "sdfbbp")
    assert all(name.removeprefix("sg13g2_").startswith(kinds) for name in left_out)
    assert len(left_out) == 22


def test_stronger_cells_are_fitted_for_larger_loads(sg13g2: CellLibrary) -> None:
    fitted = fit_library(sg13g2)
    ranges = {}
    for strength in (1, 2, 4, 8, 16):
        table = fitted.cells[f"sg13g2_inv_{strength}"].pins["Y"].timing[0].rise
        assert table is not None
        ranges[strength] = table.load_ff[-1]
    assert [ranges[strength] / ranges[1] for strength in ranges] == pytest.approx([1, 2, 4, 8, 16])


@pytest.mark.parametrize("name", ["sg13g2", "sky130"])
def test_errors_over_the_range(name: str, request: pytest.FixtureRequest) -> None:
    library: CellLibrary = request.getfixturevalue(name)
    for error in fit_errors(library, fit_library(library)):
        assert error.tables > 400
        assert error.median_pct < 1.5, error
        assert error.p95_pct < 7, error


def test_range_follows_from_the_library(sg13g2: CellLibrary, sky130: CellLibrary) -> None:
    assert FitRange.of(sg13g2) == FitRange(slew_ns=(0.0178, 0.641), load_ff=(2.15, 86.0))
    assert FitRange.of(sky130) == FitRange(slew_ns=(0.0307, 1.11), load_ff=(2.31, 92.3))


def test_embedded_library_is_the_fit_of_the_full_one(sg13g2: CellLibrary) -> None:
    embedded, fitted = embedded_library(), fit_library(sg13g2)
    assert embedded.name == fitted.name
    assert (embedded.corner, embedded.max_transition_ns) == (fitted.corner, fitted.max_transition_ns)
    assert list(embedded.cells) == list(fitted.cells)
    for name, cell in embedded.cells.items():
        other = fitted.cells[name]
        assert cell.area_um2 == other.area_um2
        assert dict(cell.leakage_states) == pytest.approx(dict(other.leakage_states))
        for pin in cell.pins.values():
            twin = other.pins[pin.name]
            assert pin.capacitance_ff == pytest.approx(twin.capacitance_ff, rel=1e-8)
            assert len(pin.timing) == len(twin.timing)
            for a, b in zip(pin.timing, twin.timing, strict=True):
                assert (a.rise is None) == (b.rise is None)
                if a.rise is not None and b.rise is not None:
                    np.testing.assert_allclose(a.rise.values, b.rise.values, rtol=1e-3, atol=1e-6)
            for c, d in zip(pin.power, twin.power, strict=True):
                if c.rise is not None and d.rise is not None:
                    np.testing.assert_allclose(c.rise.values, d.rise.values, rtol=1e-3, atol=1e-6)


def test_impossible_fits_are_refused(small: CellLibrary) -> None:
    with pytest.raises(AxhwError, match="Expected 2 to 5 points per axis of a fit, found 1"):
        fit_library(small, points=1)
    with pytest.raises(AxhwError, match="Expected a rising pair of positive numbers as slew_ns of a fit, found 0, 1"):
        FitRange(slew_ns=(0, 1), load_ff=(1, 2))
    with pytest.raises(AxhwError, match="Expected an inverter that may be used in library small, found none"):
        fit_library(replace(small, cells={"NAND2": small.cells["NAND2"]}))
    inverter = small.cells["INV"]
    bare = replace(inverter, pins={**inverter.pins, "Y": replace(inverter.pins["Y"], timing=())})
    with pytest.raises(AxhwError, match="Expected transition tables and an input capacitance on cell INV"):
        fit_library(replace(small, cells={"INV": bare}))

"""Crossbars against the digital product, and against the same arithmetic written out tile by tile in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.analog.calibration import InputRanges, InputStatistics
from axhw.analog.cells import BitSlicing, Cells, DifferentialPairs
from axhw.analog.drift import PcmDrift, PcmReadNoise
from axhw.analog.mapping import MappedWeight
from axhw.analog.matrix import AnalogMatrix
from axhw.analog.programming_noise import Additive, Hermes, Pcm, ProgrammingNoise, Proportional
from axhw.analog.tiles import Cut, TileSpec
from axhw.errors import AxhwError

Array = npt.NDArray[np.float32]

IDEAL = TileSpec(dac_bits=None, adc_bits=None)
BORDERS = (1, 511, 512, 513, 1025)


def floats(values: npt.ArrayLike) -> Array:
    return np.asarray(values, np.float32)


def random_matrix(outputs: int, inputs: int, rows: int = 8, *, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 0.05, (outputs, inputs)) * rng.uniform(0.1, 2, (outputs, 1))
    return weight.astype(np.float32), rng.standard_normal((rows, inputs), dtype=np.float32)


def mapped(weight: Array, rows: Array, tiles: TileSpec, *, k: float = 4.0) -> MappedWeight:
    ranges = InputStatistics.of(rows, tiles=tiles).ranges(k=k)
    return MappedWeight.of(weight, tiles=tiles, ranges=ranges)


def by_hand(weight: Array, rows: Array, tiles: TileSpec, beta: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Whole weights in tiles with both converters, from the reference's formulas."""
    assert tiles.dac_bits is not None
    assert tiles.adc_bits is not None
    dac, adc = 2 ** (tiles.dac_bits - 1) - 1, 2 ** (tiles.adc_bits - 1) - 1
    x, w = rows.astype(np.float64), weight.astype(np.float64)
    total = np.zeros((len(x), len(w)))
    for number, (start, stop) in enumerate(tiles.input_spans(w.shape[1])):
        for column in range(len(w)):
            part = w[column, start:stop]
            step = beta[number] / dac
            driven = np.clip(np.rint(x[:, start:stop] / step), -dac, dac) * step
            bound = tiles.output_range * beta[number] * np.abs(part).max()
            total[:, column] += np.clip(np.rint(driven @ part / (bound / adc)), -adc, adc) * (bound / adc)
    return total


@pytest.mark.parametrize("cells", [IDEAL.cells, DifferentialPairs()])
@pytest.mark.parametrize("inputs", BORDERS)
@pytest.mark.parametrize("outputs", [1, 512, 513])
def test_without_noise_and_converters_it_is_the_product(inputs: int, outputs: int, cells: Cells) -> None:
    weight, rows = random_matrix(outputs, inputs)
    product = AnalogMatrix.program(MappedWeight.of(weight, tiles=replace(IDEAL, cells=cells)))(rows)
    x, w = rows.astype(np.float64), weight.astype(np.float64)
    assert product.shape == (8, outputs)
    assert product.dtype == np.float32
    assert (np.abs(product - x @ w.T) <= 1e-6 * (np.abs(x) @ np.abs(w).T)).all()


@pytest.mark.parametrize("inputs", BORDERS)
@pytest.mark.parametrize("cut", ["full", "even"])
def test_converters_as_written_out(inputs: int, cut: Cut) -> None:
    weight, rows = random_matrix(37, inputs)
    tiles = TileSpec(columns=16, cut=cut, output_range=3.0)
    layout = mapped(weight, rows, tiles)
    assert layout.ranges is not None
    found = AnalogMatrix.program(layout)(rows)
    expected = by_hand(weight, rows, tiles, layout.ranges.beta)
    step = 3.0 * layout.ranges.beta.max() * np.abs(weight).max(axis=1) / 127
    # Sums in float32 may fall to the other side of a boundary.
    wrong = np.abs(found - expected) > 0.01 * step
    assert wrong.mean() < 1e-3
    assert (np.abs(found - expected) <= 1.01 * step).all()
    assert np.abs(found - rows @ weight.T).max() > step.min() / 4, "converters do something"


def test_outputs_are_on_the_grid_of_the_adc() -> None:
    weight, rows = random_matrix(20, 40, rows=200)
    tiles = TileSpec(adc_bits=6, output_range=0.5)
    layout = mapped(weight, 10 * rows, tiles)
    assert layout.ranges is not None
    noisy = AnalogMatrix.program(layout, Pcm(), rng=np.random.default_rng(0))(30 * rows)
    bound = 0.5 * layout.ranges.beta[0] * np.abs(weight).max(axis=1).astype(np.float64)
    codes = noisy / (bound / 31)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-5)
    assert np.rint(codes).max() == 31, "clamped"
    assert np.rint(codes).min() == -31
    assert len(np.unique(np.rint(codes))) == 63


def test_the_adc_reads_each_tile_before_the_digital_sum() -> None:
    """Two tiles of 2 rows with ADCs of codes -1, 0, 1 and bound 1."""
    tiles = TileSpec(rows=2, dac_bits=None, adc_bits=2, output_range=1.0)
    weight = floats([[1.0, 0.5, 1.0, 0.25]])
    matrix = AnalogMatrix.program(MappedWeight.of(weight, tiles=tiles, ranges=InputRanges(beta=np.ones(2))))
    rows = floats(
        [[0.5] * 4, [0.4, 0.0, 0.4, 0.0], [3.0, 0.0, -0.4, 0.0], [-0.6, 0.0, -9.0, -9.0], [0.5, 0.0, 0.75, 0.0]]
    )
    # Sums by tile (0.75, 0.625), (0.4, 0.4), (3, -0.4), (-0.6, -11.25), (0.5, 0.75); one ADC for all would read
    # 1, 1, 1, -1, 1.
    assert matrix(rows).ravel().tolist() == [2, 0, 1, -2, 1]


def test_the_dac_by_hand() -> None:
    """Codes -3 to 3 in steps of 1 for the first row of tiles, of 2 for the second one."""
    tiles = TileSpec(rows=1, dac_bits=3, adc_bits=None)
    layout = MappedWeight.of(floats([[1, 10]]), tiles=tiles, ranges=InputRanges(beta=np.array([3.0, 6.0])))
    rows = floats([[1.4, 0.0], [1.6, 0.0], [-9.0, 0.0], [0.0, 0.9], [0.0, 1.1], [0.0, 100.0]])
    assert AnalogMatrix.program(layout)(rows).ravel().tolist() == [1, 2, -3, 0, 20, 60]


@pytest.mark.parametrize("tiles", [TileSpec(adc_bits=None), TileSpec(dac_bits=None), TileSpec()])
def test_tiles_side_by_side_change_nothing(tiles: TileSpec) -> None:
    weight, rows = random_matrix(100, 70)
    wide, narrow = (
        AnalogMatrix.program(mapped(weight, rows, replace(tiles, columns=columns)), Pcm(), rng=np.random.default_rng(5))
        for columns in (512, 7)
    )
    assert np.array_equal(wide(rows), narrow(rows))


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 20), st.sampled_from(["full", "even"]), st.booleans())
def test_fine_converters_come_close_to_the_product(
    outputs: int, inputs: int, tile_rows: int, cut: Cut, pairs: bool
) -> None:
    weight, rows = random_matrix(outputs, inputs, seed=outputs)
    tiles = TileSpec(rows=tile_rows, dac_bits=16, adc_bits=16, cut=cut)
    if pairs:
        tiles = replace(tiles, cells=DifferentialPairs())
    layout = mapped(weight, np.concatenate([rows, -rows]), tiles)
    found = AnalogMatrix.program(layout)(rows)
    scale = np.abs(rows).max() * np.abs(weight).max() * inputs
    assert np.abs(found - rows @ weight.T).max() < 5e-3 * scale


@pytest.mark.parametrize("weight_bits", [2, 5, 8])
@pytest.mark.parametrize("cell_bits", [1, 2, 4])
def test_bit_slices_are_the_quantised_weight(weight_bits: int, cell_bits: int) -> None:
    weight, rows = random_matrix(30, 70)
    slicing = BitSlicing(weight_bits=weight_bits, cell_bits=min(cell_bits, weight_bits - 1))
    tiles = replace(IDEAL, rows=32, slicing=slicing)
    expected = np.empty(weight.shape)
    for start, stop in tiles.input_spans(70):
        part = weight[:, start:stop].astype(np.float64)
        unit = np.abs(part).max(axis=1, keepdims=True) / slicing.largest_code
        expected[:, start:stop] = np.rint((part / unit).astype(np.float32)) * unit
    matrix = AnalogMatrix.program(MappedWeight.of(weight, tiles=tiles))
    np.testing.assert_allclose(matrix.weight, expected, atol=1e-6 * np.abs(weight).max())
    np.testing.assert_allclose(matrix(rows), rows @ expected.T.astype(np.float32), atol=1e-4)
    # Each slice has its own ADC, fine enough here not to matter.
    converted = mapped(weight, rows, replace(tiles, dac_bits=16, adc_bits=16))
    np.testing.assert_allclose(AnalogMatrix.program(converted)(rows), matrix(rows), atol=5e-3)


def test_slices_are_read_one_by_one() -> None:
    """Codes 5 = 101 and -7 = -111 of 4-bit weights in cells of 2 bits: digits 1 and 1, -3 and -1."""
    tiles = TileSpec(dac_bits=None, adc_bits=3, output_range=1.0, slicing=BitSlicing(weight_bits=4, cell_bits=2))
    weight = floats([[5, -7]])
    layout = MappedWeight.of(weight, tiles=tiles, ranges=InputRanges(beta=np.ones(1)))
    # Both slices have bound 1 in relative conductances, in steps of 1/3, which are worth 1 and 4/3.
    rows = floats([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.4, 0.0]])
    low = [1, -3, -2, 0]
    high = [3, -3, 0, 1]
    expected = [a + 4 * b / 3 for a, b in zip(low, high)]
    np.testing.assert_allclose(AnalogMatrix.program(layout)(rows).ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("noise", [Pcm(magnitude=1.5), Hermes(), Proportional(magnitude=0.1), Additive()])
def test_noise_is_that_of_the_tile_column(noise: ProgrammingNoise) -> None:
    """Deviations in units of the largest |w| that a column has within its tile."""
    weight, _ = random_matrix(6, 48)
    layout = MappedWeight.of(weight, tiles=replace(IDEAL, rows=32))
    rng = np.random.default_rng(0)
    errors = np.array([AnalogMatrix.program(layout, noise, rng=rng).weight - weight for _ in range(3000)])
    for start, stop in ((0, 32), (32, 48)):
        part = weight[:, start:stop]
        largest = np.abs(part).max(axis=1, keepdims=True)
        expected = noise.magnitude * noise.sigma(np.abs(part) / largest) * largest
        aimed_at = noise.reachable(part / largest) * largest
        found = errors[:, :, start:stop] + part - aimed_at
        np.testing.assert_allclose(found.std(axis=0), expected, rtol=0.08, atol=1e-7)
        assert (np.abs(found.mean(axis=0)) <= 5 * expected / math.sqrt(3000) + 1e-7).all()


def test_noise_of_outputs() -> None:
    """Variance sum over k of x_k^2 sigma_k^2, of independent cells."""
    weight, rows = random_matrix(5, 24, rows=3)
    layout = MappedWeight.of(weight, tiles=IDEAL)
    rng = np.random.default_rng(1)
    outputs = np.array([AnalogMatrix.program(layout, Pcm(), rng=rng)(rows) for _ in range(4000)])
    largest = np.abs(weight).max(axis=1, keepdims=True)
    sigma = Pcm().sigma(np.abs(weight) / largest) * largest
    expected = rows**2 @ (sigma**2).T
    np.testing.assert_allclose(outputs.var(axis=0), expected, rtol=0.12)
    np.testing.assert_allclose(outputs.mean(axis=0), rows @ weight.T, atol=5 * math.sqrt(expected.max() / 4000))


@pytest.mark.parametrize("cells", [IDEAL.cells, DifferentialPairs()])
def test_zeros(cells: Cells) -> None:
    """A column of zeros has no conductances to use, and tiles without a range are not driven."""
    weight, rows = random_matrix(6, 20)
    weight[2] = 0
    weight[4, :8] = 0
    tiles = TileSpec(rows=8, cells=cells)
    layout = MappedWeight.of(weight, tiles=tiles, ranges=InputRanges(beta=np.array([4.0, 0.0, 4.0])))
    matrix = AnalogMatrix.program(layout, Additive(), drift=PcmDrift(), rng=np.random.default_rng(0))
    for now in (matrix, matrix.at(1e6, read_noise=PcmReadNoise(), compensated=True, rng=np.random.default_rng(1))):
        assert np.isfinite(now(rows)).all()
        assert not now(rows)[:, 2].any()
        assert not now.weight[2].any()
        shuffled = rows.copy()
        shuffled[:, 8:16] = 1e6
        assert np.array_equal(now(shuffled), now(rows))
    assert not AnalogMatrix.program(layout)(np.zeros((3, 20), np.float32)).any()
    empty = MappedWeight.of(np.zeros((2, 3)), tiles=IDEAL)
    assert not AnalogMatrix.program(empty, Pcm(), rng=np.random.default_rng(0))(np.ones((1, 3), np.float32)).any()


def test_a_mapped_weight_serves_all_seeds() -> None:
    weight, rows = random_matrix(20, 30)
    layout = mapped(weight, rows, TileSpec())
    noiseless = AnalogMatrix.program(layout)(rows)
    first, again, other = (
        AnalogMatrix.program(layout, Pcm(), drift=PcmDrift(), rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    later = first.at(1e4, read_noise=PcmReadNoise(), compensated=True, rng=np.random.default_rng(3))
    assert not np.array_equal(later(rows), first(rows))
    assert np.array_equal(first(rows), again(rows))
    assert np.array_equal(first.at(0)(rows), first(rows))
    assert np.array_equal(later.at(1e4)(rows), first.at(1e4)(rows)), "time counts from programming"
    assert not np.array_equal(first(rows), other(rows))
    assert np.array_equal(AnalogMatrix.program(layout)(rows), noiseless)
    without = AnalogMatrix.program(layout, Pcm(), rng=np.random.default_rng(1))
    assert np.array_equal(without(rows), first(rows)), "exponents are drawn after the noise"
    assert np.array_equal(without.at(1e6)(rows), without(rows)), "nothing drifts without drift"


@pytest.mark.parametrize("cells", [IDEAL.cells, DifferentialPairs()])
@pytest.mark.parametrize("seconds", [3600.0, 3.15e7])
def test_drift_and_its_compensation(cells: Cells, seconds: float) -> None:
    weight, rows = random_matrix(200, 300, rows=40)
    layout = MappedWeight.of(weight, tiles=replace(IDEAL, rows=128, columns=64, cells=cells))
    matrix = AnalogMatrix.program(layout, drift=PcmDrift(), rng=np.random.default_rng(0))
    fresh = matrix(rows).astype(np.float64).ravel()

    def slope(now: AnalogMatrix) -> float:
        return float(fresh @ now(rows).ravel() / (fresh @ fresh))

    drifted = slope(matrix.at(seconds))
    # mu is 0.049 for the largest weights, 0.06 for a tenth of them.
    assert (seconds / 20) ** -0.06 < drifted < (seconds / 20) ** -0.048
    noisy = matrix.at(seconds, read_noise=PcmReadNoise(), rng=np.random.default_rng(1))
    assert slope(noisy) == pytest.approx(drifted, abs=0.01)
    # Large weights count for more in products than in the readout, and drift a little less.
    assert slope(matrix.at(seconds, compensated=True)) == pytest.approx(1.005, abs=0.01)
    converted = replace(matrix, mapped=mapped(weight, rows, replace(layout.tiles, dac_bits=8, adc_bits=8)))
    assert slope(converted.at(seconds)) == pytest.approx(drifted, abs=0.02)
    assert slope(converted.at(seconds, compensated=True)) == pytest.approx(1, abs=0.02)


def test_compensation_by_hand() -> None:
    """Each tile has its own factor, that of the magnitudes it held after programming."""
    weight = floats([[1, -1, 1, 1], [1, 1, -1, 1]])
    layout = MappedWeight.of(weight, tiles=replace(IDEAL, rows=2, columns=1))
    matrix = AnalogMatrix.program(layout, drift=PcmDrift(), rng=np.random.default_rng(0))
    faded = floats([[0.5, 0.25, 1, 1], [0.1, 0.1, 0.5, 1]])
    exponents = (-np.log(faded) / math.log(5))[None, None]
    later = replace(matrix, exponents=exponents.astype(np.float32)).at(100.0, compensated=True)
    expected = weight * faded * [[2 / 0.75, 2 / 0.75, 1, 1], [10, 10, 2 / 1.5, 2 / 1.5]]
    np.testing.assert_allclose(later.weight, expected, rtol=1e-5)


def test_rows() -> None:
    weight, rows = random_matrix(3, 5)
    matrix = AnalogMatrix.program(mapped(weight, rows, TileSpec(rows=2)))
    before = rows.copy()
    assert matrix(rows[:0]).shape == (0, 3)
    assert np.array_equal(matrix(rows)[3:4], matrix(rows[3:4]))
    assert np.array_equal(matrix(np.asfortranarray(rows)), matrix(rows))
    assert np.array_equal(rows, before)
    saturated = matrix(np.full((1, 5), np.inf, np.float32))
    assert np.array_equal(saturated, matrix(np.full((1, 5), 1e9, np.float32)))
    rows[1, 2] = np.nan
    assert np.isnan(matrix(rows)).any(axis=1).tolist() == [False, True] + [False] * 6
    for wrong in (rows[0], rows[:, :4], rows[None]):
        with pytest.raises(AxhwError) as error:
            matrix(wrong)
        assert str(error.value) == f"Expected rows of shape (n, 5), found {wrong.shape}."


def test_weights_that_are_refused() -> None:
    for shape in ((3,), (0, 4), (4, 0), (1, 2, 3)):
        with pytest.raises(AxhwError) as error:
            MappedWeight.of(np.zeros(shape), tiles=IDEAL)
        assert str(error.value) == f"Expected a weight of shape (outputs, inputs), found {shape}."
    weight = np.ones((3, 4))
    weight[0, 1], weight[2, 2] = np.nan, 1e300
    with pytest.raises(AxhwError, match="^Expected finite weights, found 2 of 12 that are NaN or infinite.$"):
        MappedWeight.of(weight, tiles=IDEAL)
    with pytest.raises(AxhwError, match="^Expected input ranges for tiles with converters, found none: take them from"):
        MappedWeight.of(np.ones((3, 4)), tiles=TileSpec())
    ranges = InputRanges(beta=np.ones(2))
    with pytest.raises(AxhwError, match="^Expected input ranges of 3 rows of tiles for 1025 inputs, found 2.$"):
        MappedWeight.of(np.ones((3, 1025)), tiles=TileSpec(), ranges=ranges)


def test_other_converters_for_the_same_cells() -> None:
    weight, rows = random_matrix(30, 40)
    ideal = MappedWeight.of(weight, tiles=IDEAL)
    noisy = AnalogMatrix.program(ideal, Pcm(), rng=np.random.default_rng(0))
    converted = replace(noisy, mapped=mapped(weight, rows, TileSpec()))
    again = AnalogMatrix.program(mapped(weight, rows, TileSpec()), Pcm(), rng=np.random.default_rng(0))
    assert np.array_equal(converted.weight, noisy.weight)
    assert np.array_equal(converted(rows), again(rows))
    with pytest.raises(
        AxhwError,
        match=r"^Expected conductances of shape \(1, 3, 4\) \(slices, .*\) for each cell .*, found \(1, 30, 40\)\.$",
    ):
        replace(noisy, mapped=MappedWeight.of(weight[:3, :4], tiles=IDEAL))


def test_missing_generators_and_times_that_are_refused() -> None:
    layout = MappedWeight.of(np.ones((3, 4)), tiles=IDEAL)
    matrix = AnalogMatrix.program(layout)
    message = r"^Expected a random generator for {}, found none: give rng=numpy.random.default_rng\(seed\)\.$"
    with pytest.raises(AxhwError, match=message.format("programming noise")):
        AnalogMatrix.program(layout, Pcm())
    with pytest.raises(AxhwError, match=message.format("drift")):
        AnalogMatrix.program(layout, drift=PcmDrift())
    with pytest.raises(AxhwError, match=message.format("read noise")):
        matrix.at(100.0, read_noise=PcmReadNoise())
    with pytest.raises(AxhwError, match="^Expected a time of at least 0 s after programming, found -5.0 s.$"):
        matrix.at(-5.0)

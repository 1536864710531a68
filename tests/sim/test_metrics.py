from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.hdl.registry import parse
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.metrics import ErrorMetrics, Moments, exact_metrics, factor_moments, sampled_metrics
from axhw.sim.product_table import ProductTable


def golden_metrics(spec: MultiplierSpec) -> ErrorMetrics:
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    return exact_metrics(ProductTable(values=values, width=spec.width, signed=spec.signed, name=spec.name, source={}))


@pytest.mark.parametrize(
    ("p", "r", "mae", "wce", "ep", "mre", "mse"),
    [
        (0, 1, 0.5000, 2, 37.5000, 0.1088, 0.7500),
        (0, 4, 6.3750, 28, 84.3750, 1.0718, 70.2500),
        (0, 6, 32.0762, 164, 94.9219, 4.2096, 1678.2500),
        (0, 8, 149.3062, 860, 98.4375, 13.6741, 35726.2500),
        (1, 0, 64.0000, 256, 74.7070, 4.5301, 8192.2500),
        (1, 2, 65.0938, 268, 88.7695, 4.8288, 8230.2500),
        (1, 4, 73.2422, 356, 95.8008, 6.5056, 9358.2500),
        (2, 0, 256.0000, 1024, 93.3838, 14.7839, 117422.2500),
        (2, 3, 266.1021, 1224, 98.0713, 17.0939, 122766.2500),
        (3, 0, 1024.0000, 4096, 98.0530, 42.9323, 1865102.2500),
    ],
)
def test_roup_oracles(p: int, r: int, mae: float, wce: int, ep: float, mre: float, mse: float) -> None:
    metrics = golden_metrics(parse(f"roup:p={p},r={r}"))
    assert metrics.mae == pytest.approx(mae, abs=5.1e-5)
    assert metrics.wce == wce
    assert metrics.ep_pct == pytest.approx(ep, abs=5e-5)
    assert metrics.mre_pct == pytest.approx(mre, abs=5e-5)
    assert metrics.mse == mse
    assert metrics.bias == -0.25
    assert metrics.variance == mse - 0.0625


@pytest.mark.parametrize(
    ("p", "r", "mae", "wce", "mre"),
    [(0, 2, 64.0, 256, 4.530), (1, 2, 98.680, 508, 7.949), (2, 3, 298.453, 1504, 19.636)],
)
def test_roup_oracles_of_the_symmetric_rule(p: int, r: int, mae: float, wce: int, mre: float) -> None:
    metrics = golden_metrics(parse(f"roup:p={p},r={r},rule=symmetric"))
    assert metrics.mae == pytest.approx(mae, abs=5e-4)
    assert metrics.wce == wce
    assert metrics.mre_pct == pytest.approx(mre, abs=5e-4)


MOMENTS = {
    "mul8s_1KV6": (0, 0),
    "mul8s_1KV8": (-1.25, 2.1875),
    "mul8s_1KV9": (-4.25, 16.1875),
    "mul8s_1KVA": (-12.25, 98.1875),
    "mul8s_1KVM": (0.25, 2730.6875),
    "mul8s_1KVP": (-2.25, 2741.1875),
    "mul8s_1KVQ": (-8.25, 2804.1875),
    "mul8s_1L2J": (0.75, 5461.1875),
    "mul8s_1KX5": (-16.25, 19426.1875),
    "mul8s_1KXF": (1.75, 95573.1875),
    "mul8s_1L2L": (3.75, 38222.1875),
    "mul8s_1L2N": (15.75, 190990.1875),
    "mul8s_1L12": (15.75, 7282662.1875),
}


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_moments_of_the_published_circuits(circuit: str) -> None:
    metrics = golden_metrics(parse(f"evoapprox:{circuit}"))
    assert (metrics.bias, metrics.variance) == MOMENTS[circuit]


def test_percentages_and_denominators() -> None:
    signed, unsigned = golden_metrics(parse("roup:p=1,r=4")), golden_metrics(parse("truncated:k=4,signed=false"))
    for metrics, largest in ((signed, 2**14), (unsigned, 255**2)):
        assert metrics.mae_pct == 100 * metrics.mae / 2**16
        assert metrics.wce_pct == 100 * metrics.wce / 2**16
        assert metrics.nmed_denominator == largest
        assert metrics.nmed == metrics.mae / largest
        assert metrics.pairs == 65536
        assert not metrics.sampled
        assert metrics.half_widths is None


def test_relative_errors_leave_zero_products_out() -> None:
    # 1 too much everywhere: 1 / (a * b) over the nonzero products, 100 % at worst.
    codes = np.arange(16)
    values = np.multiply.outer(codes, codes).astype(np.int32) + 1
    metrics = exact_metrics(ProductTable(values=values, width=4, signed=False, name="t", source={}))
    harmonic = (1 / codes[1:]).sum()
    assert metrics.mre_pct == pytest.approx(100 * harmonic**2 / 15**2)
    assert metrics.wcre_pct == 100
    assert (metrics.mae, metrics.wce, metrics.ep_pct, metrics.bias, metrics.variance) == (1, 1, 100, 1, 0)


def test_an_exact_multiplier_has_no_error() -> None:
    document = dataclasses.asdict(golden_metrics(parse("exact")))
    zero = {"mae", "mae_pct", "wce", "wce_pct", "mre_pct", "wcre_pct", "ep_pct", "mse", "bias", "variance", "nmed"}
    assert {key for key, value in document.items() if value == 0} == zero | {"sampled"}


@pytest.mark.parametrize(
    "text",
    [
        "roup:p=1,r=4",
        "roup:p=4",
        "roup:p=2,r=5,signed=false",
        "evoapprox:mul8s_1KX5",
        "drum",
        "kulkarni:signed=false",
        "truncated:k=6,correction=constant,signed=false",
        "bam:ha=1,hb=2,v=7,width=6",
    ],
)
def test_closed_form_moments_equal_the_exhaustive_ones(text: str) -> None:
    spec = parse(text)
    factors = spec.factors()
    assert factors is not None
    metrics = golden_metrics(spec)
    expected = Moments(bias=metrics.bias, mse=metrics.mse, variance=metrics.variance)
    np.testing.assert_allclose(factor_moments(factors, spec.operand_codes()), expected, rtol=1e-12)


def test_closed_form_moments_at_16_bits() -> None:
    spec = parse("bam:ha=16,width=16")
    factors = spec.factors()
    assert factors is not None
    # Without any cell the error is -a * b: moments of the sum 0**2 + .. + of all codes, in closed form.
    size = 1 << 16
    mean_square = (size**2 + 2) / 12
    moments = factor_moments(factors, spec.operand_codes())
    assert moments.bias == -0.25
    assert moments.mse == pytest.approx(mean_square**2, rel=1e-15)


def sample(text: str, pairs: int, seed: int) -> ErrorMetrics:
    spec = parse(text)
    low, high = spec.operand_range
    a, b = np.random.default_rng(seed).integers(low, high, (2, pairs), endpoint=True)
    return sampled_metrics(spec.reference(a, b), a * b, width=spec.width, signed=spec.signed)


def test_confidence_intervals_cover_the_truth_95_times_of_100() -> None:
    exact = dataclasses.asdict(golden_metrics(parse("roup:p=1,r=4")))
    runs = [sample("roup:p=1,r=4", 4000, seed) for seed in range(300)]
    for name in ("mae", "mae_pct", "nmed", "mre_pct", "ep_pct", "mse", "bias", "variance"):
        covered = 0
        for run in runs:
            assert run.half_widths is not None
            covered += abs(getattr(run, name) - exact[name]) <= run.half_widths[name]
        # Binomial(300, 0.95) has a standard deviation of 3.8; mre_pct and the second moments are heavy-tailed.
        assert 270 <= covered <= 300, name


def test_the_worst_case_of_a_sample_is_a_lower_bound() -> None:
    spec = parse("roup:p=1,r=4")
    codes = spec.operand_codes()
    magnitude = np.abs(spec.reference(codes[:, None], codes) - np.multiply.outer(codes, codes))
    held = 0
    for seed in range(200):
        run = sample("roup:p=1,r=4", 500, seed)
        assert run.wce <= magnitude.max()
        assert run.wce_exceeded_pct == pytest.approx(100 * 3 / 500, rel=5e-3)
        held += 100 * (magnitude > run.wce).mean() <= run.wce_exceeded_pct
    assert held >= 180


def test_error_probability_of_a_sample_without_errors() -> None:
    metrics = sampled_metrics(np.arange(1000), np.arange(1000), width=8, signed=True)
    assert metrics.half_widths is not None
    # Wilson: z**2 / (n + z**2).
    assert metrics.half_widths["ep_pct"] == pytest.approx(100 * 3.8415 / 1003.8415, rel=1e-4)
    assert metrics.ep_pct == metrics.mae == metrics.half_widths["mae"] == 0


def test_known_moments_replace_the_estimates() -> None:
    exact = np.arange(100)
    metrics = sampled_metrics(exact + 1, exact, width=8, signed=True, moments=Moments(bias=0.5, mse=2.0, variance=1.75))
    assert metrics.half_widths is not None
    assert (metrics.bias, metrics.mse, metrics.variance, metrics.mae) == (0.5, 2.0, 1.75, 1.0)
    assert [metrics.half_widths[name] for name in ("bias", "mse", "variance")] == [0, 0, 0]


def test_json_round_trip() -> None:
    metrics = sample("drum:width=12", 1000, 3)
    assert ErrorMetrics(**json.loads(json.dumps(dataclasses.asdict(metrics)))) == metrics


def test_too_few_products() -> None:
    with pytest.raises(
        AxhwError, match=r"^Expected two equally long lists of at least 2 products .* found shapes \(1,\)"
    ):
        sampled_metrics([1], [1], width=8, signed=True)
    with pytest.raises(AxhwError, match=r"found shapes \(3,\) and \(2,\)"):
        sampled_metrics([1, 2, 3], [1, 2], width=8, signed=True)

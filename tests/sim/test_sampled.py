from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.registry import parse
from axhw.sim.sampled import RANDOM_PAIRS, corner_operands, verify_sampled


@pytest.mark.parametrize("text", ["roup:p=2,r=3,width=16", "mitchell:width=12,signed=false"])
def test_wide_designs_equal_their_golden_model(mapped: Callable[[str], Any], text: str) -> None:
    design = mapped(text)
    result = verify_sampled(design.netlist, design.graph, design.spec, seed=1)
    assert result.metrics.pairs == RANDOM_PAIRS >= 10**6
    assert result.corner_pairs == len(corner_operands(design.spec)) ** 2
    assert result.pairs == RANDOM_PAIRS + result.corner_pairs
    assert result.metrics.sampled


def test_metrics_are_those_of_the_random_pairs_with_exact_moments(mapped: Callable[[str], Any]) -> None:
    design = mapped("roup:p=2,r=3,width=16")
    # More than one block of vectors, the last of them not full.
    metrics = verify_sampled(design.netlist, design.graph, design.spec, seed=3, pairs=150_001).metrics
    low, high = design.spec.operand_range
    a, b = np.random.default_rng(3).integers(low, high, (2, 150_001), endpoint=True)
    error = design.spec.reference(a, b) - a * b
    assert metrics.mae == np.abs(error).mean()
    assert metrics.wce == np.abs(error).max()
    assert metrics.bias == design.spec.mean_error() == -0.25
    assert metrics.half_widths is not None
    assert metrics.half_widths["bias"] == metrics.half_widths["mse"] == 0
    assert metrics.mse == pytest.approx((error.astype(float) ** 2).mean(), rel=0.02)


def test_families_without_factors_estimate_everything(mapped: Callable[[str], Any]) -> None:
    design = mapped("mitchell:width=12,signed=false")
    metrics = verify_sampled(design.netlist, design.graph, design.spec, seed=3, pairs=10_000).metrics
    assert metrics.half_widths is not None
    assert min(metrics.half_widths.values()) > 0
    # Mitchell 1962: the product is never too large and at most 1/9 too small.
    assert metrics.wcre_pct <= 100 / 9 + 1e-9
    assert metrics.bias == -metrics.mae


def test_a_mismatch_names_the_first_pair(mapped: Callable[[str], Any]) -> None:
    design = mapped("roup:p=2,r=3,width=16")
    ports = {"o": (*design.netlist.outputs["o"][:-1], design.netlist.outputs["o"][-2])}
    broken = dataclasses.replace(design.netlist, outputs=ports)
    with pytest.raises(
        VerificationError,
        match=r"^Expected roup16s_p2_r3\w* to equal its golden model, found \d+ of \d+ pairs that differ, the first "
        r"being a = -?\d+, b = -?\d+: the netlist gives -?\d+, the golden model -?\d+\.$",
    ):
        verify_sampled(broken, design.graph, design.spec, seed=1, pairs=1000)


def test_corners_alone_find_a_rare_error(mapped: Callable[[str], Any]) -> None:
    # A netlist that is wrong at the single pair of the lowest operands: 1 in 2**32.
    design = mapped("exact:width=16")
    low = design.spec.operand_range[0]

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Wrong(type(design.spec)):  # type: ignore[misc]
        def reference(self, a: Any, b: Any) -> Any:
            return super().reference(a, b) + ((np.asarray(a) == low) & (np.asarray(b) == low))

    with pytest.raises(VerificationError, match=f"found 1 of .* a = {low}, b = {low}: the netlist gives {low**2}, "):
        verify_sampled(design.netlist, design.graph, Wrong(width=16), seed=1, pairs=1000)


@pytest.mark.parametrize(
    ("text", "low", "high"), [("exact:width=9", -256, 255), ("exact:width=9,signed=false", 0, 511)]
)
def test_corner_operands(text: str, low: int, high: int) -> None:
    corners = corner_operands(parse(text)).tolist()
    assert corners == sorted(set(corners))
    assert (corners[0], corners[-1]) == (low, high)
    codes = {corner & 511 for corner in corners}
    assert {0, 511, 255, 256, 0b101010101, 0b010101010, 0b1100, 0b1000, 0b111110111} - codes == {0b1100}


def test_too_few_pairs(mapped: Callable[[str], Any]) -> None:
    design = mapped("mitchell:width=12,signed=false")
    with pytest.raises(AxhwError, match=r"^Expected at least 2 random pairs to verify mitchell12u\w* with, found 1\.$"):
        verify_sampled(design.netlist, design.graph, design.spec, seed=1, pairs=1)

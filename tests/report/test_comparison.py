"""What may be compared, and with what."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from axhw.errors import AxhwError
from axhw.report.comparison import Comparison, ReportedDesign

MakeDesign = Callable[..., ReportedDesign]


def test_baseline_is_the_first_without_error(designs: list[ReportedDesign]) -> None:
    comparison = Comparison.of(list(reversed(designs)))
    assert comparison.baseline.name == "exact8s"
    assert [design.name for design in comparison.approximate] == ["roup8s_p2_r3", "roup8s_p1_r4"]


def test_baseline_by_name(designs: list[ReportedDesign]) -> None:
    comparison = Comparison.of(designs, baseline="roup8s_p1_r4")
    assert comparison.ratio(designs[0], lambda design: design.cost.energy_fj) == pytest.approx(400 / 260)


def test_ratio_to_nothing_is_not_a_number(comparison: Comparison) -> None:
    assert math.isnan(comparison.ratio(comparison.designs[1], lambda design: design.record.metrics.mae))


def test_styles_differ_and_do_not_depend_on_the_baselines_place(designs: list[ReportedDesign]) -> None:
    first, last = Comparison.of(designs), Comparison.of([*designs[1:], designs[0]])
    assert len({first.style(design) for design in designs}) == len(designs)
    assert [first.style(design) for design in designs] == [last.style(design) for design in designs]


@pytest.mark.parametrize("baseline", [None, "exact8s"])
def test_no_designs(baseline: str | None) -> None:
    with pytest.raises(AxhwError, match="Expected at least one design to report, found none"):
        Comparison.of([], baseline=baseline)


def test_no_baseline(designs: list[ReportedDesign]) -> None:
    with pytest.raises(AxhwError, match="a design without error to compare with, found roup8s_p1_r4, roup8s_p2_r3"):
        Comparison.of(designs[1:])
    with pytest.raises(AxhwError, match="a design named drum to compare with, found exact8s, "):
        Comparison.of(designs, baseline="drum")


def test_same_design_twice(designs: list[ReportedDesign]) -> None:
    with pytest.raises(AxhwError, match="each design once in a report, found roup8s_p1_r4 2 times"):
        Comparison.of([*designs, designs[1]])


def test_no_table(make_design: MakeDesign) -> None:
    design = make_design("exact", with_table=False)
    with pytest.raises(AxhwError, match="a product table of exact8s to report, found none"):
        Comparison.of([design])


def test_no_energy_per_inference(make_design: MakeDesign) -> None:
    with pytest.raises(AxhwError, match="an evaluation of exact8s with an energy per inference, found none"):
        Comparison.of([make_design("exact", evaluation={"energy_nj": None})])


def test_evaluation_of_another_design(make_design: MakeDesign) -> None:
    with pytest.raises(
        AxhwError, match=r"of 0\.4096 nJ for exact8s, its 1024 multiplications at 400 fJ, found 0\.3 nJ"
    ):
        Comparison.of([make_design("exact", evaluation={"energy_nj": 0.3})])


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ({"library": "other"}, r"one cell library .*, found testlib \(abcdef01\) and other \(abcdef01\): measure"),
        ({"library_sha256": "9" * 64}, r"one cell library .*testlib \(99999999\)"),
        ({"corner": "slow"}, "one corner for all designs of a comparison, found typical corner and slow"),
        ({"engine": "pyosys 0.70"}, "one engine"),
        ({"stream": "64 uniform pairs, seed 2"}, "one operand stream"),
        ({"timing_model": "wires"}, "one timing model"),
        ({"input_slew_ns": 0.2}, r"one input slew .* found 0\.05 ns and 0\.2 ns"),
        ({"output_load_ff": 5.0}, r"one output load .* found 1\.5 fF and 5 fF"),
    ],
)
def test_measured_differently(make_design: MakeDesign, cost: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Comparison.of([make_design("exact"), make_design("roup:p=1,r=4", cost=cost)])


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"network": "resnet"}, "one network for all designs of a comparison, found testnet and resnet"),
        (
            {"split": "train"},
            "found 500 test images of test digits, seed 3 and 500 train images of test digits, seed 3",
        ),
        ({"images": 100}, "one data set"),
        ({"seed": 4}, "one data set"),
    ],
)
def test_evaluated_differently(make_design: MakeDesign, evaluation: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Comparison.of([make_design("exact"), make_design("roup:p=1,r=4", evaluation=evaluation)])

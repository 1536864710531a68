"""Charts: every number where it belongs, every axis with its unit."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from axhw.errors import AxhwError
from axhw.report.charts import accuracy_against_energy, energy_bars, error_against_energy
from axhw.report.comparison import Comparison, ReportedDesign

TIMES = "\N{MULTIPLICATION SIGN}"


def markers(axes: Any) -> dict[tuple[float, float], str]:
    """Colours of the marked points by place."""
    return {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])): to_hex(line.get_markerfacecolor())
        for line in axes.lines
        if line.get_marker() not in ("None", "")
    }


def notes(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts if isinstance(text, Annotation)]


def test_bars_stack_to_the_timed_energy(comparison: Comparison) -> None:
    (axes,) = energy_bars(comparison).axes
    bars: list[Any] = axes.patches[len(comparison.designs) :]  # behind them, one each that hides the grid
    for design, internal, switching in zip(comparison.designs, bars[::2], bars[1::2]):
        assert internal.get_x() == 0
        assert internal.get_width() == pytest.approx(design.cost.internal_fj)
        assert switching.get_x() == pytest.approx(design.cost.internal_fj)
        assert switching.get_x() + switching.get_width() == pytest.approx(design.cost.energy_fj)
    assert axes.get_xlabel() == "energy per operation (fJ)"
    assert [label.get_text() for label in axes.get_yticklabels()] == [design.name for design in comparison.designs]


def test_bars_say_energy_and_ratio(comparison: Comparison) -> None:
    (axes,) = energy_bars(comparison).axes
    assert notes(axes) == [f"400 fJ, 1.00{TIMES}", f"260 fJ, 0.65{TIMES}", f"123 fJ, 0.31{TIMES}"]


def test_bars_mark_zero_delay(comparison: Comparison) -> None:
    figure = energy_bars(comparison)
    diamonds: Any = figure.axes[0].lines[0]
    assert list(diamonds.get_xdata()) == [design.cost.energy_zero_delay_fj for design in comparison.designs]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "inside cells",
        "charging nets",
        "zero delay: without glitches",
    ]


def test_accuracy_against_energy(comparison: Comparison) -> None:
    (axes,) = accuracy_against_energy(comparison).axes
    assert set(markers(axes)) == {
        (design.inference_nj, 100 * design.evaluation.approximate_accuracy) for design in comparison.designs
    }
    assert axes.get_xlabel() == "energy of the multiplications per inference (nJ)"
    assert axes.get_ylabel() == "accuracy on 500 test images (%)"
    assert axes.get_title("left") == "dashed: testnet with exact products, 99.0 %"
    assert notes(axes) == ["exact8s (baseline)", "roup8s_p1_r4", "roup8s_p2_r3"]


def test_error_against_energy(comparison: Comparison) -> None:
    axes: Any = error_against_energy(comparison).axes[0]
    assert set(markers(axes)) == {
        (design.cost.energy_fj, design.record.metrics.mae_pct) for design in comparison.designs[1:]
    }
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "energy per operation (fJ)"
    assert axes.get_ylabel() == "mean absolute error (% of the product range)"
    assert axes.get_title("left") == "dashed: exact8s, no error"
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() != "None"] == [400.0]


def test_colours_are_those_of_the_designs_in_all_charts(comparison: Comparison) -> None:
    colours = {design.name: comparison.style(design).colour for design in comparison.designs}
    bars = energy_bars(comparison).axes[0].patches[len(comparison.designs) :: 2]
    accuracy = markers(accuracy_against_energy(comparison).axes[0])
    error = markers(error_against_energy(comparison).axes[0])
    assert [to_hex(bar.get_facecolor()) for bar in bars] == list(colours.values())
    for design in comparison.designs:
        place = (design.inference_nj, 100 * design.evaluation.approximate_accuracy)
        assert accuracy[place] == colours[design.name]
        if design is not comparison.baseline:
            assert error[design.cost.energy_fj, design.record.metrics.mae_pct] == colours[design.name]


def test_nothing_but_exact_designs(designs: list[ReportedDesign]) -> None:
    with pytest.raises(
        AxhwError, match="a design with errors to draw them against energy, found only exact ones: exact8s"
    ):
        error_against_energy(Comparison.of(designs[:1]))


def test_one_design_alone(designs: list[ReportedDesign]) -> None:
    alone = Comparison.of(designs[:1])
    assert notes(energy_bars(alone).axes[0]) == [f"400 fJ, 1.00{TIMES}"]
    low, high = accuracy_against_energy(alone).axes[0].get_ylim()
    assert low < 99 < high


def test_dashed_lines_lie_below_markers(comparison: Comparison) -> None:
    for figure in (accuracy_against_energy(comparison), error_against_energy(comparison)):
        dashed: list[Line2D] = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
        points = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
        assert dashed
        assert points
        assert max(line.get_zorder() for line in dashed) < min(line.get_zorder() for line in points)

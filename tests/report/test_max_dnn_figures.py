"""Figures of the MAx-DNN experiment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from axhw.report.max_dnn import draw_divergence, draw_families, draw_reconfiguration

ROWS: list[dict[str, Any]] = [
    {
        "palette": palette,
        "compensation": compensation,
        "level": level,
        "energy_saved_pct": saved,
        "test_loss_pct": loss,
        "fixed_saved_pct": saved,
        "configurable_saved_pct": saved - 10,
    }
    for palette, compensation, level in (
        ("roup", "none", "layer"),
        ("roup", "affine", "filter"),
        ("published", "affine", "layer"),
    )
    for saved, loss in ((60.0, 5.0), (20.0, 0.5), (40.0, 2.0))
]


def test_a_panel_for_each_compensation_and_a_line_for_each_front() -> None:
    figure = draw_families(ROWS, about="a network")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["as they are", "biases and scales compensated"]
    plain, compensated = ({line.get_label(): line for line in axes.get_lines()} for axes in figure.axes)
    assert np.asarray(plain["ROUP, by layer"].get_xdata()).tolist() == [20, 40, 60]
    assert np.asarray(plain["published, by layer"].get_xdata()).tolist() == []
    assert np.asarray(compensated["published, by layer"].get_ydata()).tolist() == [0.5, 2, 5]
    assert figure.axes[0].get_ylim()[1] == pytest.approx(5.45)


def test_losses_far_off_do_not_squeeze_the_others() -> None:
    figure = draw_families([*ROWS, ROWS[0] | {"test_loss_pct": 70.0}], about="a network")
    assert figure.axes[0].get_ylim()[1] == 10


def test_with_and_without_the_cost_of_reconfiguration() -> None:
    figure = draw_reconfiguration(ROWS[:3], about="a network")
    fixed, configurable = (
        [np.asarray(line.get_xdata()).tolist() for line in axes.get_lines()][-1] for axes in figure.axes
    )
    assert fixed == [20, 40, 60]
    assert configurable == [10, 30, 50]


def test_savings_by_layer_and_in_all() -> None:
    rows = [
        {
            "compensation": "affine",
            "level": level,
            "layer": layer,
            "uniform_saved_pct": saved,
            "mac_saved_pct": saved / 2,
        }
        for level in ("layer", "kernel")
        for layer, saved in (("conv1", 20.0), ("conv2", 40.0), ("all", 35.0))
    ]
    figure = draw_divergence(rows, models={"uniform": "model", "mac": "MAC"}, about="a network")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "by layer, biases and scales compensated",
        "by kernel, biases and scales compensated",
    ]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["conv1", "conv2", "all"]
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    assert np.asarray(lines["MAC"].get_ydata()).tolist() == [10, 20]
    drawn = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[1].get_lines()]
    assert [35] in drawn
    assert [17.5] in drawn

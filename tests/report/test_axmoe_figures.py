"""Figures of the AxMoE study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from axhw.report.axmoe import draw_accuracies, draw_energies, draw_experts, draw_pareto, draw_sharings

CELLS: list[dict[str, Any]] = [
    {
        "network": name,
        "base": "resnet20",
        "topology": topology,
        "circuit": circuit,
        "int8_accuracy": 0.9,
        "accuracy": accuracy,
        "retrained": None if topology == "hard" else 0.88,
        "final_accuracy": None if topology == "hard" else 0.88,
        "published_cost": cost,
        "energy_nj": 100 * cost,
        "product_nj": 200 * cost,
        "idle_nj": 40.0,
        "leakage_nj": 0.0,
    }
    for name, topology in (("resnet20", "dense"), ("resnet20_hard4", "hard"))
    for circuit, accuracy, cost in (("mul8s_1KV6", 0.9, 1.0), ("mul8s_1L2L", 0.4, 0.5))
]


def test_a_panel_for_each_network_and_a_line_for_each_column() -> None:
    figure = draw_accuracies(CELLS, columns={"accuracy": "as is", "retrained": "retrained"}, about="data")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["resnet20", "resnet20_hard4"]
    dense, hard = ({line.get_label(): line for line in axes.get_lines()} for axes in figure.axes)
    np.testing.assert_allclose(dense["as is"].get_ydata(), [90, 40])
    np.testing.assert_allclose(dense["retrained"].get_ydata(), [88, 88])
    assert np.asarray(hard["retrained"].get_ydata()).size == 0
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["1KV6", "1L2L"]


def test_pareto_joins_before_and_after() -> None:
    figure = draw_pareto(CELLS, about="data")
    (axes,) = figure.axes
    joined = [line for line in axes.get_lines() if np.asarray(line.get_xdata()).size == 2]
    np.testing.assert_allclose([np.asarray(line.get_ydata()) for line in joined], [[90, 88], [40, 88]])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["dense", "hard", "as is", "exact or retrained"]


def test_losses_of_experts_in_their_places() -> None:
    rows = [
        {"network": "net", "layer": layer, "expert": expert, "loss_pct": loss}
        for layer, expert, loss in (("conv1", 0, 1.0), ("conv1", 1, None), ("conv2", 0, -2.0), ("conv2", 1, 0.5))
    ]
    copies = [{"network": "cluster", "layer": "linear", "expert": expert, "loss_pct": 1.0} for expert in (0, 1)]
    figure = draw_experts([*rows, *copies], about="data")
    (image,) = figure.axes[0].get_images()
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), [[1.0, -2.0], [np.nan, 0.5]])
    assert image.get_clim() == (-2.0, 2.0)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.0", "-2.0", "0.5"]
    assert figure.axes[1].get_title(loc="left") == "cluster: copies of the whole network"


def test_sharings_leave_out_what_loses_too_much() -> None:
    rows = [
        {"network": "net", "compensation": "none", "sharing": sharing, "energy_saved_pct": saved, "test_loss_pct": loss}
        for sharing, saved, loss in (("network", 80.0, 89.0), ("network", 0.0, 0.0), ("expert", 50.0, 4.0))
    ]
    (axes,) = draw_sharings(rows, about="data").axes
    assert axes.get_ylim() == pytest.approx((-0.32, 4.32))
    lines = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in axes.get_lines()}
    assert lines["one circuit for all"] == [0, 80]
    assert lines["one for each layer"] == []


def test_energies_are_relative_to_dense_with_exact_products() -> None:
    left, right = draw_energies(CELLS, CELLS, about="data").axes
    assert [text.get_text() for text in left.texts] == ["1.00", "0.50", "1.00", "0.50"]
    assert [text.get_text() for text in right.texts] == ["1.00", f"{140 / 240:.2f}", "1.00", f"{140 / 240:.2f}"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["resnet20", "resnet20_hard4"]

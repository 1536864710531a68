"""Figures of single filters and kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from axhw.report.render import to_svg
from axhw.report.sites import draw_filters, draw_kernels, draw_predictions

RISES: dict[str, dict[str, list[float]]] = {
    "coarse": {"conv1": [0.1, 0.3], "conv2": [-0.02, 0.0, 0.2]},
    "fine": {"conv1": [0.02, 0.01], "conv2": [0] * 3},
}
ROWS: list[dict[str, Any]] = [
    {"name": name, "layer": layer, "filter": number, "cross_entropy_rise": rise}
    for name, layers in RISES.items()
    for layer, rises in layers.items()
    for number, rise in enumerate(rises)
]


def colours(axes: Axes) -> npt.NDArray[np.float64]:
    """The values that a map shows, NaN where it shows none."""
    array: Any = axes.get_images()[0].get_array()
    return np.asarray(np.ma.filled(array, np.nan), np.float64)


def test_filters_lie_in_the_order_of_the_first_design() -> None:
    figure = draw_filters(ROWS, about="a network")
    coarse, fine, _ = figure.axes
    assert [axes.get_title(loc="left") for axes in (coarse, fine)] == ["coarse", "fine"]
    shown = [colours(axes) for axes in (coarse, fine)]
    np.testing.assert_array_equal(shown[0], [[0.3, 0.1, np.nan], [0.2, 0, -0.02]])
    np.testing.assert_array_equal(shown[1], [[0.01, 0.02, np.nan], [0, 0, 0]])
    norms = [axes.get_images()[0].norm for axes in (coarse, fine)]
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(-0.3, 0.3)}, "colours compare"
    svg = to_svg(figure)
    assert "conv2" in svg
    assert "mathdefault" not in svg


def test_no_errors_at_all() -> None:
    assert "conv1" in to_svg(draw_filters([row | {"cross_entropy_rise": 0.0} for row in ROWS], about="exact"))
    assert "conv1" in to_svg(draw_kernels({"conv1": [[0.0, 0.0]]}, about="exact"))


def test_kernels_of_some_layers_on_one_scale() -> None:
    noise = {f"conv{number}": [[0.0, float(number)], [1.0, 5.0], [0.1, 0.2]] for number in range(1, 8)}
    figure = draw_kernels(noise, about="a network")
    *maps, _ = figure.axes
    assert [axes.get_title(loc="left") for axes in maps] == ["conv1", "conv3", "conv5", "conv7"]
    last = colours(maps[-1])
    # The row with 0 and 7 has the largest sum, then 1 and 5; the second channel has more than the first.
    np.testing.assert_allclose(last, [[7.0, 7e-4], [5.0, 1.0], [0.2, 0.1]])
    norms = [axes.get_images()[0].norm for axes in maps]
    assert all(isinstance(norm, LogNorm) for norm in norms)
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(7e-4, 7)}
    assert "mathdefault" not in to_svg(figure)


def test_predictions_beside_measurements() -> None:
    filters = [
        {"layer": "conv1", "predicted_noise": 0.1, "noise": 0.2},
        {"layer": "conv2", "predicted_noise": 1.0, "noise": 2.0},
    ]
    kernels = [
        {"layer": "conv2", "predicted_noise": 0.0, "noise": 0.1},
        {"layer": "conv2", "predicted_noise": 0.01, "noise": 0.02},
    ]
    figure = draw_predictions(filters, kernels, about="a network")
    left, right = figure.axes
    drawn = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in left.get_lines()}
    assert drawn["conv1"] == [[0.1, 0.2]]
    assert [np.asarray(line.get_xydata()).tolist() for line in right.get_lines()][1] == [[0.01, 0.02]], "0 has no place"
    svg = to_svg(figure)
    assert "mathdefault" not in svg

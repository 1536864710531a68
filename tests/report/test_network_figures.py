"""Figures of evaluations."""

from __future__ import annotations

from typing import Any

from axhw.report.accuracy import draw_accuracy
from axhw.report.render import to_svg
from axhw.report.sensitivity import draw_sensitivity

COMMON = {"network": "net", "dataset": "noise", "split": "test", "images": 1234, "int8_accuracy": 0.9}


def evaluation(name: str, family: str, accuracy: float, energy_nj: float) -> dict[str, Any]:
    return COMMON | {"name": name, "family": family, "accuracy": accuracy, "energy_nj_per_inference": energy_nj}


def test_the_front_of_accuracy_and_energy_is_named() -> None:
    rows = [
        evaluation("best", "exact", 0.9, 2000.0),
        evaluation("cheap", "roup", 0.8, 500.0),
        evaluation("beaten", "roup", 0.7, 900.0),
    ]
    svg = to_svg(draw_accuracy(rows))
    assert "net on noise, test: 1,234 images" in svg
    assert "best" in svg
    assert "cheap" in svg
    assert "beaten" not in svg
    assert "2,000" in svg


def test_sensitivities_are_losses_of_points() -> None:
    rows = [
        COMMON | {"name": name, "number": number, "accuracy_alone": 0.9 - 0.01 * number, "accuracy_up_to": 0.5}
        for name in ("first", "second")
        for number in (1, 2, 3)
    ]
    figure = draw_sensitivity(rows)
    alone, up_to = figure.axes
    losses = [[round(float(y), 6) for y in line.get_ydata()] for line in alone.get_lines()[1:]]
    assert losses == [[-1.0, -2.0, -3.0]] * 2
    assert {round(float(y), 6) for line in up_to.get_lines()[1:] for y in line.get_ydata()} == {-40.0}
    assert "net on noise, test: 1,234 images, int8 90.0 %" in to_svg(figure)

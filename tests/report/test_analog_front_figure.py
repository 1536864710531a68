from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.report.analog_front import draw_energy_front
from axhw.report.render import to_svg


def row(multiplier: str, digital_pct: float, energy_nj: float, perplexity: float, *, on_front: bool) -> dict[str, Any]:
    return {
        "multiplier": multiplier,
        "choice": f"{digital_pct:g} %",
        "digital_pct": digital_pct,
        "energy_nj": energy_nj,
        "perplexity": perplexity,
        "perplexity_deviation": 0.01 if digital_pct < 100 else 0.0,
        "on_front": on_front,
    }


ROWS = [
    row("none", 0.0, 1000.0, 3.0, on_front=True),
    row("exact8s", 100 / 3, 2000.0, 2.5, on_front=True),
    row("rough", 100 / 3, 1750.0, 2.9, on_front=True),
    row("rough", 100.0, 2500.0, 2.6, on_front=False),
]


def test_points_steps_and_labels() -> None:
    figure = draw_energy_front(ROWS, about="a model", reference=2.4, budget_nj=2200.0)
    svg = to_svg(figure)
    for text in (
        "all experts analog",
        "exact8s",
        "rough",
        "all digital, exact",
        "budget",
        "33.3 %",
        "100 %",
        "a model",
    ):
        assert f">{text}<" in svg
    # Points of equal shares are labelled once.
    assert svg.count(">33.3 %<") == 1
    (axes,) = figure.axes
    lines = [np.asarray(line.get_xydata()).tolist() for line in axes.lines]
    assert [[1.0, 3.0], [1.75, 2.9], [2.0, 2.5]] in lines


def test_without_points_there_is_no_figure() -> None:
    with pytest.raises(AxhwError, match="Expected points to draw a front of, found none."):
        draw_energy_front([], about="", reference=1.0)

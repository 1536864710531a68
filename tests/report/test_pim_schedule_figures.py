"""Figures of schedules: what is in them."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.pim.schedule import Schedule
from axhw.report.pim_schedule import draw_counts, draw_schedules
from axhw.report.render import to_svg

SLOTS = np.array([[0, 0, -1], [1, -1, 1], [2, 2, 2], [7, -1, 7]], np.int32)


def drawn(mode: str) -> Schedule:
    return Schedule(slots=SLOTS, mode=mode, name="ours")  # type: ignore[arg-type]


def test_schedules_above_each_other() -> None:
    figure = draw_schedules([drawn("token_order"), drawn("any_order")], about="eight tokens")
    upper, lower = figure.axes
    assert upper.get_title(loc="left") == "ours, token order: 4 cycles, 4 transfers"
    assert lower.get_title(loc="left") == "ours, any order: 4 cycles, 4 transfers"
    (mesh,) = upper.collections
    values = mesh.get_array()
    assert values.shape == (3, 4)
    assert np.ma.getmaskarray(values).tolist() == (SLOTS == -1).T.tolist()
    assert [text.get_text() for text in upper.texts] == ["0", "1", "2", "7", "0", "2", "1", "2", "7"]
    assert "eight tokens" in to_svg(figure)


def test_only_the_first_cycles_are_drawn() -> None:
    (axes,) = draw_schedules([drawn("token_order")], about="", cycles=2).axes
    assert axes.get_xlim() == (0, 2)
    assert [text.get_text() for text in axes.texts] == ["0", "1", "0", "1"]


def test_counts() -> None:
    kinds = (("compact", "token_order"), ("ours", "token_order"), ("ours", "any_order"))
    rows = [
        {"grouping": grouping, "scheduler": scheduler, "mode": mode, "cycles": 5 + i, "transfers": 10 * (5 + i)}
        for grouping in ("S2", "S4")
        for i, (scheduler, mode) in enumerate(kinds)
    ]
    figure = draw_counts(rows, about="two groupings")
    cycles, transfers = figure.axes
    assert [bar.get_height() for bar in cycles.patches] == [5, 5, 6, 6, 7, 7]
    assert [bar.get_height() for bar in transfers.patches] == [50, 50, 60, 60, 70, 70]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["compact", "ours, token order", "ours, any order"]
    assert [label.get_text() for label in transfers.get_xticklabels()] == ["S2", "S4"]


def test_nothing_to_draw() -> None:
    for draw in (draw_schedules, draw_counts):
        with pytest.raises(AxhwError, match="Expected at least one schedule to draw, found none."):
            draw([], about="")

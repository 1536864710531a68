"""Labels that cover nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from axhw.report.labels import Label, place_labels


def label_boxes(figure: Figure) -> list[Bbox]:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    # Without the arrow, which leads to the point.
    return [Text.get_window_extent(note) for note in figure.axes[0].texts if isinstance(note, Annotation)]


@pytest.mark.parametrize("seed", range(5))
def test_labels_cover_neither_each_other_nor_points_nor_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs, ys = rng.random((2, 10))
    figure = Figure(figsize=(6.4, 4))
    axes = figure.add_subplot()
    axes.plot(xs, ys, "o")
    line = axes.axhline(0.5)
    place_labels(figure, axes, [Label(x=x, y=y, text=f"design_{x:.3f}") for x, y in zip(xs, ys)], avoid=[line])
    boxes = label_boxes(figure)
    assert len(boxes) == len(xs)
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))
    points = axes.transData.transform(np.column_stack([xs, ys]))
    assert not any(box.contains(x, y) for box in boxes for x, y in points)
    height = axes.transData.transform((0, 0.5))[1]
    assert not any(box.y0 < height < box.y1 for box in boxes)
    for box in boxes:
        assert axes.bbox.contains(box.x0, box.y0)
        assert axes.bbox.contains(box.x1, box.y1)


def test_labels_of_equal_points_are_told_apart() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    place_labels(figure, axes, [Label(x=0.5, y=0.5, text=name) for name in ("first", "second", "third")])
    boxes = label_boxes(figure)
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_a_lone_label_is_right_of_its_point() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    place_labels(figure, axes, [Label(x=0.2, y=0.5, text="alone")])
    (box,) = label_boxes(figure)
    x, y = axes.transData.transform((0.2, 0.5))
    assert 0 < box.x0 - x < 15
    assert box.y0 < y < box.y1

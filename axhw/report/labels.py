"""Labels beside the points of a scatter plot that cover neither each other nor a point."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from axhw.report.style import MUTED, TEXT_BOX

_DISTANCES_PT = (8, 16, 26, 40, 56)
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_POINT_RADIUS_PT = 6
_PAD_PT = 2
_POINTS_PER_INCH = 72


@dataclass(frozen=True, kw_only=True)
class Label:
    """Text for the point (x, y) in data units."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class _Place:
    box: Bbox
    offset_pt: tuple[float, float]
    direction: tuple[int, int]
    near: bool


def place_labels(axes: Axes, labels: Sequence[Label], *, avoid: Sequence[Line2D] = ()) -> None:
    """Write each label at the first place near its point that is free and inside the axes, away from straight lines to
    `avoid`.

    Where no place is free the one that covers least is taken. Call it last: the limits of the axes must not change
    afterwards. Meant for tens of points.
    """
    figure = axes.figure
    scale = figure.dpi / _POINTS_PER_INCH
    FigureCanvasAgg(figure.get_figure(root=True))
    figure.draw_without_rendering()
    centres = [axes.transData.transform((label.x, label.y)) for label in labels]
    taken = [Bbox.from_bounds(x, y, 0, 0).padded(_POINT_RADIUS_PT * scale) for x, y in centres]
    taken += [line.get_window_extent().padded(_PAD_PT * scale) for line in avoid]
    for label, (x, y) in zip(labels, centres):
        text = axes.text(0, 0, label.text)
        size = text.get_window_extent()
        text.remove()
        places = _places(x, y, size.width, size.height, scale)
        place = min(places, key=lambda place: _covered(place.box, taken, axes.bbox))
        taken.append(place.box.padded(_PAD_PT * scale))
        right, up = place.direction
        note = axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=place.offset_pt,
            textcoords="offset points",
            ha={1: "left", 0: "center", -1: "right"}[right],
            va={1: "bottom", 0: "center_baseline", -1: "top"}[up],
            bbox=TEXT_BOX,
            arrowprops=None if place.near else {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 5},
        )
        note.set_in_layout(False)


def _places(x: float, y: float, width: float, height: float, scale: float) -> list[_Place]:
    """Places around a point at pixel (x, y), best first: `min` keeps the first of equals."""
    return list(_candidates(x, y, width, height, scale))


def _candidates(x: float, y: float, width: float, height: float, scale: float) -> Iterator[_Place]:
    for distance, (right, up) in itertools.product(_DISTANCES_PT, _DIRECTIONS):
        offset = (right * distance, up * distance)
        left = x + offset[0] * scale + width * (right - 1) / 2
        bottom = y + offset[1] * scale + height * (up - 1) / 2
        yield _Place(
            box=Bbox.from_bounds(left, bottom, width, height),
            offset_pt=offset,
            direction=(right, up),
            near=distance == _DISTANCES_PT[0],
        )


def _covered(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Pixels of `box` that lie on what is taken or outside the frame."""
    inside = Bbox.intersection(box, frame)
    outside = _area(box) - (_area(inside) if inside is not None else 0)
    overlaps = (Bbox.intersection(box, other) for other in taken)
    return outside + sum(_area(overlap) for overlap in overlaps if overlap is not None)


def _area(box: Bbox) -> float:
    return float(box.width * box.height)

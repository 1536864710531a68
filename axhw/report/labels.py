"""Labels beside the points of a scatter plot that cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
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
    """Where a label could be: so far from its point, in this direction, covering these pixels."""

    distance_pt: int
    direction: tuple[int, int]
    box: Bbox


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], *, avoid: Sequence[Line2D] = ()) -> None:
    """Write each label at the first place near its point that is free and inside the axes.

    Where no place is free the one that covers least is taken. Call it last: the limits of the axes must not change
    afterwards. Meant for tens of points.

    Parameters
    ----------
    figure : Figure
    axes : Axes
        Of the figure.
    labels : sequence of Label
    avoid : sequence of Line2D
        Horizontal or vertical lines to keep clear of.
    """
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    scale = figure.dpi / _POINTS_PER_INCH
    centres = axes.transData.transform([(label.x, label.y) for label in labels])
    taken = [Bbox.from_bounds(x, y, 0, 0).padded(_POINT_RADIUS_PT * scale) for x, y in centres]
    taken += [line.get_window_extent().padded(_PAD_PT * scale) for line in avoid]
    for label, (x, y) in zip(labels, centres):
        text = axes.text(0, 0, label.text)
        size = text.get_window_extent()
        text.remove()
        # Of equals, the first: near places come before far ones.
        place = min(
            _places(x, y, size.width, size.height, scale), key=lambda place: _covered(place.box, taken, axes.bbox)
        )
        taken.append(place.box.padded(_PAD_PT * scale))
        _write(axes, label, place)


def _places(x: float, y: float, width: float, height: float, scale: float) -> list[_Place]:
    """Places for a label of that size around the pixel (x, y), best first."""
    return [
        _Place(
            distance_pt=distance,
            direction=(right, up),
            box=Bbox.from_bounds(
                x + right * distance * scale + width * (right - 1) / 2,
                y + up * distance * scale + height * (up - 1) / 2,
                width,
                height,
            ),
        )
        for distance, (right, up) in product(_DISTANCES_PT, _DIRECTIONS)
    ]


def _write(axes: Axes, label: Label, place: _Place) -> None:
    right, up = place.direction
    near = place.distance_pt == _DISTANCES_PT[0]
    note = axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(right * place.distance_pt, up * place.distance_pt),
        textcoords="offset points",
        ha={1: "left", 0: "center", -1: "right"}[right],
        va={1: "bottom", 0: "center_baseline", -1: "top"}[up],
        bbox=TEXT_BOX,
        arrowprops=None if near else {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 5},
    )
    note.set_in_layout(False)


def _covered(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Pixels of `box` that lie on what is taken or outside the frame."""
    overlaps = sum(_area(Bbox.intersection(box, other)) for other in taken)
    return overlaps + _area(box) - _area(Bbox.intersection(box, frame))


def _area(box: Bbox | None) -> float:
    return 0.0 if box is None else float(box.width * box.height)

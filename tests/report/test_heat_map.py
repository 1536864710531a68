"""Error maps: which way up, which colours, which labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from axhw.errors import AxhwError
from axhw.report.heat_map import error_heat_map, error_heat_maps
from axhw.sim.product_table import ProductTable

WIDTH = 4


def table_with_errors(errors: dict[tuple[int, int], int], *, signed: bool = True, name: str = "design") -> ProductTable:
    """An exact table but for the errors at the given (a, b)."""
    codes = np.arange(1 << WIDTH) - ((1 << (WIDTH - 1)) if signed else 0)
    values = codes[:, None] * codes
    for (a, b), error in errors.items():
        values[a - codes[0], b - codes[0]] += error
    return ProductTable(values=values, width=WIDTH, signed=signed, name=name, source={})


def map_axes(figure: Figure) -> list[Axes]:
    """The axes with maps, without those of colour bars."""
    return [axes for axes in figure.axes if axes.images]


def drawn_colour(figure: Figure, axes: Axes, a: float, b: float) -> tuple[int, int, int]:
    """Red, green and blue of the pixel at data coordinates (a, b)."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    x, y = axes.transData.transform((a, b))
    red, green, blue, _ = (int(channel) for channel in pixels[pixels.shape[0] - 1 - int(y), int(x)])
    return red, green, blue


@pytest.mark.parametrize("signed", [True, False])
def test_activation_runs_to_the_right_and_weight_upwards(signed: bool) -> None:
    a, b = (3, -5) if signed else (13, 2)
    figure = error_heat_map(table_with_errors({(a, b): 9}, signed=signed))
    axes = map_axes(figure)[0]
    red, green, blue = drawn_colour(figure, axes, a, b)
    assert red > 2 * blue
    assert red > 2 * green
    for other in ((b, a), (a, b + 1), (a + 1, b), (a - 1, b - 1)):
        assert min(drawn_colour(figure, axes, *other)) > 230
    assert axes.get_xlabel() == "activation a (code)"
    assert axes.get_ylabel() == "weight b (code)"


def test_too_small_is_blue() -> None:
    figure = error_heat_map(table_with_errors({(1, 2): -9}))
    red, green, blue = drawn_colour(figure, map_axes(figure)[0], 1, 2)
    assert blue > 2 * red
    assert blue > green


def test_scale_is_centred_and_reaches_the_worst_case() -> None:
    figure = error_heat_map(table_with_errors({(1, 2): 3, (4, 5): -8}))
    image = map_axes(figure)[0].images[0]
    assert image.get_clim() == (-8, 8)
    bar = next(axes for axes in figure.axes if not axes.images)
    assert bar.get_ylabel() == "product \N{MINUS SIGN} exact product (LSB)"


def test_title_names_the_design_and_its_errors() -> None:
    figure = error_heat_map(table_with_errors({(1, 2): 3, (4, 5): -8}, name="$x^2$_<b>"))
    assert map_axes(figure)[0].get_title("left") == f"$x^2$_<b>\nMAE {11 / 256:.4g}, WCE 8"


def test_ticks_are_operands() -> None:
    axes = map_axes(error_heat_map(table_with_errors({(0, 0): 1})))[0]
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == [-8, -4, 0, 4, 7]


def test_no_error_is_said() -> None:
    axes = map_axes(error_heat_map(table_with_errors({})))[0]
    assert [text.get_text() for text in axes.texts] == ["no error"]


@pytest.mark.parametrize(
    ("scale", "limits", "note"),
    [
        ("own", [2, 30, 5], "each map has its own colour scale"),
        ("shared", [30] * 3, "all maps have the same colour scale"),
    ],
)
def test_small_multiples(scale: str, limits: list[int], note: str) -> None:
    tables = [table_with_errors({(1, 1): worst}, name=f"design {worst}") for worst in (2, 30, 5)]
    figure = error_heat_maps(tables, scale="own" if scale == "own" else "shared")
    panels = map_axes(figure)
    assert [axes.images[0].get_clim() for axes in panels] == [(-limit, limit) for limit in limits]
    assert [axes.get_title("left").split("\n")[0] for axes in panels] == ["design 2", "design 30", "design 5"]
    assert [text.get_text() for text in figure.texts] == [note]
    boxes = [axes.get_position() for axes in figure.axes]
    assert not any(one.overlaps(two) for one in boxes for two in boxes if one is not two)


def test_nothing_to_draw() -> None:
    with pytest.raises(AxhwError, match="at least one product table to draw error maps of, found none"):
        error_heat_maps([])

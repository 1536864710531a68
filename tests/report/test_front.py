"""The drawn front: its points, its steps, its scales and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from axhw.errors import AxhwError
from axhw.hdl.registry import FAMILIES
from axhw.report.front import axis_label, draw_front, save_figure
from axhw.selection import pareto_front


def row(name: str, family: str, mae_pct: float, energy_fj: float) -> dict[str, Any]:
    return {"name": name, "family": family, "mae_pct": mae_pct, "energy_fj": energy_fj}


ROWS = [
    row("exact", "exact", 0.0, 1000.0),
    row("r1", "roup", 0.001, 900.0),
    row("r2", "roup", 0.5, 400.0),
    row("beaten", "bam", 0.6, 950.0),
]
FRONT = pareto_front(ROWS, ["mae_pct", "energy_fj"])


def test_the_front_is_drawn_over_all_designs() -> None:
    figure = draw_front(ROWS, FRONT, x="energy_fj", y="mae_pct")
    (axes,) = figure.axes
    steps, *points = axes.lines
    assert list(zip(*steps.get_data())) == [(400.0, 0.5), (900.0, 0.001), (1000.0, 0.0)]
    drawn = [tuple(point) for line in points for point in zip(*line.get_data())]
    every = [(each["energy_fj"], each["mae_pct"]) for each in ROWS]
    assert sorted(drawn) == sorted([*every, *((each["energy_fj"], each["mae_pct"]) for each in FRONT)])
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "symlog"), "an exact design has no logarithm"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("energy (fJ)", "mean absolute error (%)")
    assert {text.get_text() for text in axes.texts} == {"exact", "r1", "r2"}
    assert [text.get_text() for text in figure.legends[0].texts] == ["exact", "roup", "bam"]
    assert axes.get_title("left") == "3 of 4 designs are on the front"


def test_wide_ranges_without_zeros_are_logarithmic() -> None:
    figure = draw_front(ROWS[1:], FRONT[1:], x="energy_fj", y="mae_pct")
    assert figure.axes[0].get_yscale() == "log"


def test_zeros_and_the_largest_figure_are_a_small_margin_from_the_edges() -> None:
    wide = [row("exact", "exact", 0.0, 1000.0), *(row(f"r{i}", "roup", 4.9 / 3**i, 3.0 + 90 * i) for i in range(9))]
    (axes,) = draw_front(wide, pareto_front(wide, ["mae_pct", "energy_fj"]), x="energy_fj", y="mae_pct").axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "symlog")
    heights = axes.transAxes.inverted().transform(axes.transData.transform([(3.0, 0.0), (3.0, 4.9)]))[:, 1]
    assert heights == pytest.approx([1 / 22, 21 / 22])


def test_a_legend_of_all_families_is_not_cut_off() -> None:
    families = list(FAMILIES)
    many = [row(family, family, 0.1 * number, 100.0 - number) for number, family in enumerate(families)]
    figure = draw_front(many, many, x="energy_fj", y="mae_pct")
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_labels_have_units() -> None:
    assert [axis_label(name) for name in ("area_um2", "delay_ns", "leakage_nw", "mre_pct", "wce", "rank")] == [
        "area (µm²)", "delay (ns)", "leakage (nW)", "mean relative error (%)", "worst-case error", "rank",
    ]  # fmt: skip


def test_files(tmp_path: Path) -> None:
    figure = draw_front(ROWS, FRONT, x="energy_fj", y="mae_pct")
    save_figure(figure, tmp_path / "a.svg")
    save_figure(draw_front(ROWS, FRONT, x="energy_fj", y="mae_pct"), tmp_path / "b.svg")
    save_figure(figure, tmp_path / "c.PNG")
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()
    assert (tmp_path / "c.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(AxhwError, match=r"^Expected a figure file that ends in \.svg or \.png, found .*d\.pdf\.$"):
        save_figure(figure, tmp_path / "d.pdf")
    with pytest.raises(AxhwError, match=r"^Expected to write .*, found: No such file or directory\.$"):
        save_figure(figure, tmp_path / "none" / "a.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg", "c.PNG"]


def test_an_empty_front() -> None:
    with pytest.raises(AxhwError, match=r"^Expected designs with energy_fj and mae_pct to draw, found none\.$"):
        draw_front([], [], x="energy_fj", y="mae_pct")

"""Figures of the study of experts on shared crossbars: what is in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from axhw.report.moe_pim import draw_cache, draw_cycles, draw_ratios, draw_switches, draw_values
from axhw.report.moe_pim_hardware import draw_areas, draw_factors, draw_gains
from axhw.report.render import to_svg


def test_ratios() -> None:
    rows = [
        {"accounting": name, "new_tokens": tokens, "time_ratio": 4.0 + tokens, "energy_ratio": 10.0}
        for name in ("published", "full")
        for tokens in (16, 8)
    ]
    figure = draw_ratios(rows, published=(8, 4.2, 10.1), about="one layer")
    time, energy = figure.axes
    published, full, paper = time.lines
    assert published.get_xydata().tolist() == full.get_xydata().tolist() == [[8, 12], [16, 20]]
    assert paper.get_xydata().tolist() == [[8, 4.2]]
    assert energy.lines[2].get_xydata().tolist() == [[8, 10.1]]
    assert "one layer" in to_svg(figure)


def test_switches() -> None:
    rows = [{"counted": name, "time_ratio": 4.0, "energy_ratio": 10.0 + i} for i, name in enumerate(("a", "b"))]
    time, energy = draw_switches(rows, about="").axes
    assert [text.get_text() for text in time.texts] == ["4.00", "4.00"]
    assert [bar.get_width() for bar in energy.patches] == [10.0, 11.0]
    assert [label.get_text() for label in time.get_yticklabels()] == ["a", "b"]


def test_cycles() -> None:
    rows = [{"kind": "synthetic", "grouping": name, "mean": 0.5, "least": 0.4, "most": 0.7} for name in ("U1", "C2")]
    figure = draw_cycles(rows, published={"U1": 0.4989}, about="")
    (axes,) = figure.axes
    paper, *ours = [bar.get_height() for bar in axes.patches]
    assert paper == 0.4989
    assert ours == [0.5, 0.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["U1", "C2"]


def test_factors() -> None:
    columns = ("area_factor", "energy_factor", "energy_factor_stored", "energy_factor_held")
    rows = [{"crossbars": g, "published_factor": 0.2 + 0.8 / g} | dict.fromkeys(columns, 1 / g) for g in (1, 2, 4)]
    first, second = draw_factors({"small": rows, "large": rows}, about="a library").axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("small", "large")
    published, *measured = first.lines
    np.testing.assert_allclose(published.get_ydata(), [1.0, 0.6, 0.4])
    assert len(measured) == 4
    assert [label.get_text() for label in first.get_xticklabels()] == ["1", "2", "4"]


def test_cache() -> None:
    traffic = {"kv_read_bytes": 1024.0, "kv_written_bytes": 512.0, "go_read_bytes": 256.0, "go_written_bytes": 0.0}
    steps: list[dict[str, Any]] = [
        {"token": 3, "experts": [1], "replaced": [0], "misses": 1, "hits": 1, **traffic},
        {"token": 4, "experts": [0, 1], "replaced": [-1, 3], "misses": 2, "hits": 0, **traffic},
    ]
    figure = draw_cache(steps, prompt=[[2], [0, 1]], tokens=3, about="")
    experts, counts, moved = figure.axes
    cells = experts.collections[0].get_array()
    # Nothing, given up, held to the end, new, new and given up.
    assert cells.tolist() == [[0, 0, 2, 0, 3], [1, 2, 0, 4, 3]]
    assert [text.get_text() for text in experts.texts] == ["0", "", "3"]
    assert [bar.get_height() for bar in counts.patches] == [1, 0, 1, 2]
    assert sum(bar.get_height() for bar in moved.patches) == 2 * 1.75


def test_gains() -> None:
    rows = [{"grouping": name, "first": 1.0 + place, "second": 2.0} for place, name in enumerate(("U1", "S2"))]
    (axes,) = draw_gains(rows, definitions={"first": "a", "second": "b"}, claimed=2.2, about="").axes
    assert [bar.get_height() for bar in axes.patches] == [1.0, 2.0, 2.0, 2.0]
    assert axes.lines[0].get_ydata() == [2.2, 2.2]


def test_areas() -> None:
    rows = [
        {"configuration": name, "group": group, "part": part, "mm2": mm2}
        for name in ("a", "b")
        for group in (1, 2)
        for part, mm2 in (("experts", 100.0 / group), ("head", 50.0), ("units", 0.5), ("buffers", 0.25))
    ]
    figure = draw_areas(rows, names={"a": "analog", "b": "digital"}, about="")
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("analog", "digital")
    # Small parts are one.
    assert [bar.get_height() for bar in first.patches] == [100.0, 50.0, 50.0, 50.0, 0.75, 0.75]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["experts", "head", "everything else"]


def test_values() -> None:
    rows = [
        {"hardware": hardware, "route": route, "rise_pct": rise, "rise_trained_pct": 2 * rise}
        for hardware in ("float32", "int8")
        for route, rise in (("tokens choose", 1.0), ("cache", -0.5))
    ]
    rows.insert(2, {"hardware": "float32", "route": "long", "rise_pct": 3.0, "rise_trained_pct": 4.0})
    routings, hardware = draw_values(rows, about="a text").axes
    assert [bar.get_width() for bar in routings.patches] == [2.0, -1.0, 4.0]
    assert [text.get_text() for text in routings.texts] == ["2.0", "-1.0", "4.0"]
    assert [bar.get_width() for bar in hardware.patches] == [1.0, -0.5]
    assert [label.get_text() for label in hardware.get_yticklabels()] == ["int8"]

"""Figures as files and as elements of a page."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from axhw.report.render import PNG_DPI, inline_svg, to_png, to_svg
from axhw.report.style import INK, figure_style


def drawing(title: str = "title") -> Figure:
    with figure_style():
        figure = Figure(figsize=(3, 2))
        axes = figure.add_subplot()
        axes.imshow(np.eye(4), interpolation="none")
        axes.plot([0, 1], [0, 10], "o-")
        axes.set_title(title)
    return figure


def test_svg_has_text_and_no_date() -> None:
    svg = to_svg(drawing("a < b & $c$"))
    root = ElementTree.fromstring(svg)
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b & $c$" in texts
    assert "metadata" not in svg
    assert "date" not in svg.lower()


def test_files_are_reproducible() -> None:
    assert to_svg(drawing()) == to_svg(drawing())
    assert to_png(drawing()) == to_png(drawing())
    assert to_svg(drawing()) != to_svg(drawing("other"))


def test_style_does_not_depend_on_the_users_settings() -> None:
    expected = to_svg(drawing())
    with mpl.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert to_svg(drawing()) == expected
        assert mpl.rcParams["font.size"] == 20


def test_png_size() -> None:
    assert imread(io.BytesIO(to_png(drawing()))).shape[:2] == (2 * PNG_DPI, 3 * PNG_DPI)


def test_inline_identifiers_are_prefixed_together_with_what_refers_to_them() -> None:
    element = inline_svg(to_svg(drawing()), prefix="one", label="a drawing")
    identifiers = re.findall(r'\bid="([^"]+)"', element)
    assert identifiers
    assert all(identifier.startswith("one-") for identifier in identifiers)
    referred = set(re.findall(r'(?:url\(|href=")#([^)"]+)', element))
    assert referred
    assert referred <= set(identifiers)
    ElementTree.fromstring(element)


def test_inline_element_is_labelled_and_follows_the_page() -> None:
    element = inline_svg(to_svg(drawing()), prefix="one", label='"A" & <b>')
    root = ElementTree.fromstring(element)
    assert root.get("role") == "img"
    assert root.get("aria-label") == '"A" & <b>'
    assert "var(--ink)" in element
    assert INK not in element


@pytest.mark.parametrize("title", ['id="x" #ffffff', "url(#clip)", "<svg onload=x>"])
def test_inline_text_stays_as_it_is(title: str) -> None:
    root = ElementTree.fromstring(inline_svg(to_svg(drawing(title)), prefix="one", label="a drawing"))
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert title in texts

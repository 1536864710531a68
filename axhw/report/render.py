"""Figures as files: the same bytes for the same figure."""

from __future__ import annotations

import io
import re
from html import escape

from matplotlib.figure import Figure

from axhw.report.style import FAINT, INK, MUTED, PAPER, figure_style

PNG_DPI = 200

_PAGE_COLOURS = {INK: "var(--ink)", MUTED: "var(--muted)", FAINT: "var(--faint)", PAPER: "var(--paper)"}


def to_svg(figure: Figure) -> str:
    """An SVG document with text as text."""
    buffer = io.StringIO()
    with figure_style():
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return buffer.getvalue()


def to_png(figure: Figure) -> bytes:
    """A PNG image of 200 dots per inch."""
    buffer = io.BytesIO()
    with figure_style():
        figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def inline_svg(svg: str, *, prefix: str, label: str) -> str:
    """An SVG document of `to_svg` as an element of an HTML page.

    Parameters
    ----------
    svg : str
    prefix : str
        Put before all identifiers, which must be unique in a page.
    label : str
        What the figure shows, for readers who hear the page.

    Returns
    -------
    str
        With the colours of the style as CSS variables: --ink, --muted, --faint, --paper.
    """
    element = svg[svg.index("<svg") :]
    # Inside tags only: text that looks like an attribute stays as it is.
    element = re.sub(r"<[^>]*>", lambda tag: _adapt(tag.group(), prefix), element)
    return element.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


def _adapt(tag: str, prefix: str) -> str:
    tag = re.sub(r'\b(id=")', rf"\g<1>{prefix}-", tag)
    tag = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}-", tag)
    for colour, variable in _PAGE_COLOURS.items():
        tag = tag.replace(colour, variable)
    return tag

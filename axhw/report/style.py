"""How figures look: one style, one colour and marker per design, safe for colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib.style

INK, MUTED, FAINT, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
"""Text, secondary text, grid lines and background; the page replaces them to follow its light or dark scheme."""

TEXT_BOX = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
"""Keeps grid lines away from text that is written over them."""

# Okabe and Ito, "Color universal design" (2008), without black and yellow, which vanish on dark and white paper.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")

_STYLE = {
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    # Names are shown as they are, dollar signs included.
    "text.parse_math": False,
    # DejaVu Sans comes with matplotlib; Verdana is as wide where a reader of the SVG lacks it.
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "svg.fonttype": "none",
    # Without a salt the identifiers in an SVG are random.
    "svg.hashsalt": "axhw",
}


@dataclass(frozen=True, kw_only=True)
class DesignStyle:
    """A design's colour (#rrggbb) and matplotlib marker in every figure."""

    colour: str
    marker: str


BASELINE_STYLE = DesignStyle(colour="#7d8590", marker="*")


def design_style(index: int) -> DesignStyle:
    """Style of the design at this place; 42 of them differ before they repeat."""
    return DesignStyle(colour=_COLOURS[index % len(_COLOURS)], marker=_MARKERS[index % len(_MARKERS)])


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save figures in this context, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(_STYLE, after_reset=True):
        yield

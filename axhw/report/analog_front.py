"""Perplexity against the energy of a token: the share of digital experts, and the multiplier that they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from axhw.errors import AxhwError
from axhw.report.labels import Label, place_labels
from axhw.report.style import BASELINE_STYLE, MUTED, PAPER, design_style, figure_style

_SIZE_INCHES = (6.8, 4.4)
_UJ_PER_NJ = 1e-3


def draw_energy_front(
    rows: Sequence[Mapping[str, Any]], *, about: str, reference: float, budget_nj: float | None = None
) -> Figure:
    """Points by multiplier with their shares of digital experts in %, those of the front filled and joined by steps.

    Parameters
    ----------
    rows : sequence of `axhw.analog.front.Front.rows`
        Points without digital experts belong to no multiplier.
    about : str
        Model, noise and hardware, below the figure.
    reference : float
        Perplexity with all experts digital and exact.
    budget_nj : float, optional
        Energy of a token that is marked.

    Raises
    ------
    AxhwError
        Without rows.
    """
    if not rows:
        raise AxhwError("Expected points to draw a front of, found none.")
    multipliers = list(dict.fromkeys(str(row["multiplier"]) for row in rows if row["digital_pct"] > 0))
    with figure_style():
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.grid()
        dashes = (0, (4, 3))
        taken = [axes.axhline(reference, color=MUTED, linewidth=0.9, linestyle=dashes, label="all digital, exact")]
        front = sorted((_UJ_PER_NJ * row["energy_nj"], row["perplexity"]) for row in rows if row["on_front"])
        axes.step(*zip(*front), where="post", color=MUTED, linewidth=0.9, zorder=1)
        for number, name in enumerate([None, *multipliers]):
            style = BASELINE_STYLE if name is None else design_style(number - 1)
            own = [row for row in rows if name == (str(row["multiplier"]) if row["digital_pct"] > 0 else None)]
            for row in own:
                drawn = axes.errorbar(
                    _UJ_PER_NJ * row["energy_nj"],
                    row["perplexity"],
                    yerr=row["perplexity_deviation"] or None,
                    marker=style.marker,
                    markersize=9 if name is None else 6,
                    color=style.colour,
                    markerfacecolor=style.colour if row["on_front"] else PAPER,
                    elinewidth=0.8,
                    linestyle="none",
                )
                taken.append(drawn.lines[0])
            if own:
                shown = "all experts analog" if name is None else name
                axes.plot([], [], marker=style.marker, color=style.colour, linestyle="none", label=shown)
        if budget_nj is not None:
            axes.axvline(_UJ_PER_NJ * budget_nj, color=MUTED, linewidth=0.9, label="budget")
        axes.set(xlabel="energy of a token (µJ)", ylabel="perplexity")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        figure.legend(loc="outside upper left", ncols=3)
        # Points of one share are close to one another: the first one says it.
        named = {row["choice"]: row for row in reversed(rows) if row["digital_pct"] > 0}
        labels = [
            Label(x=_UJ_PER_NJ * row["energy_nj"], y=row["perplexity"], text=f"{row['digital_pct']:.3g} %")
            for row in named.values()
        ]
        place_labels(figure, axes, labels, avoid=taken)
        figure.supxlabel(about, fontsize=8, color=MUTED)
    return figure

"""The shipped designs against the published signed circuits: who is better at equal error, and hypervolumes.

Usage: python -m benchmarks.library_front
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from axhw.hdl.families.evoapprox import RELEASE
from axhw.library.archive import Archive
from axhw.library.plan import LEAST_MAE_PCT, MOST_MAE_PCT
from axhw.report.render import to_png
from axhw.report.style import MUTED, PAPER, figure_style
from axhw.selection import flat_row, pareto_front
from benchmarks.markdown import table

MARKDOWN = True

FIGURE = Path(__file__).resolve().parents[1] / "reports" / "library-front.png"

Row = dict[str, Any]


def main() -> None:
    """Print the comparison and draw it."""
    summaries = Archive().summaries
    rows = [flat_row(summary) | {"table": summary["verification"]["table_sha256"]} for summary in summaries]
    published = {row["circuit"]: row for row in rows if row["family"] == "evoapprox"}
    # A broken array with another adder is the same circuit to a network.
    copies = {row["table"] for row in published.values() if row["mae"] > 0}
    signed = [row for row in rows if row["signed"]]
    ours = [row for row in signed if row["family"] != "evoapprox" and row["table"] not in copies]
    print(_stock(rows))
    print(f"\n## Against the published circuits (EvoApproxLib {RELEASE})\n")
    print(
        "Same flow, same library (embedded SG13G2 figures), energy timed with glitches, 8,192 uniform pairs, seed 1. "
        "Ours are shipped designs that are not one of the published circuits with another adder; of those with at most "
        "the published MAE, the one of least energy.\n"
    )
    better = 0
    lines = []
    for name, row in sorted(published.items(), key=lambda item: float(item[1]["mae"])):
        best = min((each for each in ours if each["mae"] <= row["mae"]), key=lambda each: float(each["energy_fj"]))
        dominated = best["energy_fj"] <= row["energy_fj"]
        strict = dominated and (best["energy_fj"] < row["energy_fj"] or best["mae"] < row["mae"])
        better += strict
        lines.append(
            (
                name,
                f"{row['mae_pct']:.4f}",
                f"{row['energy_fj']:,.0f}",
                best["name"],
                f"{best['mae_pct']:.4f}",
                f"{best['energy_fj']:,.0f}",
                f"{100 * (best['energy_fj'] / row['energy_fj'] - 1):+.1f} %",
                best["rank"],
                "yes" if strict else "equal" if dominated else "no",
            )
        )
    heads = ("published", "MAE %", "fJ", "ours", "MAE %", "fJ", "energy", "rank", "better")
    print(table(heads, lines))
    print(f"\nStrictly better at no larger error: {better} of {len(published)}.\n")
    print(_volumes(list(published.values()), ours))
    FIGURE.write_bytes(to_png(_draw(list(published.values()), ours)))
    print(f"\n![Published circuits and shipped designs]({FIGURE.name})\n")
    print("*Error and energy of shipped signed designs, evolved ones filled, and of the published circuits.*")
    print(f"\n{_ranks([row for row in rows if row['family'] == 'netlist'])}")


def _stock(rows: Sequence[Row]) -> str:
    lines = []
    for signed in (True, False):
        own = [row for row in rows if row["signed"] == signed]
        errors = [row["mae_pct"] for row in own if row["mae_pct"] > 0]
        families = Counter("evolved" if row["family"] == "netlist" else row["family"] for row in own)
        lines.append(
            (
                "signed" if signed else "unsigned",
                len(own),
                f"{min(errors):.4f} to {max(errors):.2f}",
                ", ".join(f"{name} {number}" for name, number in families.most_common()),
            )
        )
    return table(("operands", "designs", "MAE %", "families"), lines)


def _volumes(published: Sequence[Row], ours: Sequence[Row]) -> str:
    """Hypervolumes as shares of the box below the exact published circuit's energy and the largest error."""
    energy = max(row["energy_fj"] for row in published)
    sets = {"published": published, "ours": ours, "both": [*published, *ours]}
    lines = [
        (name, f"{_volume(rows, energy, logarithmic=False):.4f}", f"{_volume(rows, energy, logarithmic=True):.4f}")
        for name, rows in sets.items()
    ]
    return (
        f"Hypervolume of (MAE, energy), as a share of the box up to {MOST_MAE_PCT:g} % and {energy:,.0f} fJ, with "
        f"errors linear and logarithmic from {LEAST_MAE_PCT:g} %:\n\n"
        + table(("designs", "linear", "logarithmic"), lines)
    )


def _volume(rows: Sequence[Row], energy: float, *, logarithmic: bool) -> float:
    def place(mae_pct: float) -> float:
        if not logarithmic:
            return mae_pct / MOST_MAE_PCT
        return math.log(max(mae_pct, LEAST_MAE_PCT) / LEAST_MAE_PCT) / math.log(MOST_MAE_PCT / LEAST_MAE_PCT)

    inside = [row for row in rows if row["mae_pct"] <= MOST_MAE_PCT and row["energy_fj"] <= energy]
    front = sorted(
        (place(row["mae_pct"]), row["energy_fj"] / energy) for row in pareto_front(inside, ["mae", "energy_fj"])
    )
    edges = [*(x for x, _ in front[1:]), 1.0]
    return sum((edge - x) * (1 - y) for (x, y), edge in zip(front, edges))


def _draw(published: Sequence[Row], ours: Sequence[Row]) -> Figure:
    evolved = [row for row in ours if row["family"] == "netlist"]
    families = [row for row in ours if row["family"] != "netlist"]
    with figure_style():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained", facecolor=PAPER)
        axes = figure.add_subplot()
        for rows, style in (
            (families, {"marker": "o", "facecolors": "none", "edgecolors": MUTED, "label": "families", "s": 22}),
            (evolved, {"marker": "o", "color": "#1f6f8b", "label": "evolved", "s": 24}),
            (published, {"marker": "D", "color": "#c44e52", "label": f"EvoApproxLib {RELEASE}", "s": 30}),
        ):
            points = [(row["mae_pct"], row["energy_fj"]) for row in rows if row["mae_pct"] > 0]
            axes.scatter(*np.array(points).T, **style)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("MAE / %")
        axes.set_ylabel("energy / fJ")
        axes.legend(frameon=False)
    return figure


def _ranks(evolved: Sequence[Mapping[str, Any]]) -> str:
    """What evolved tables mean for emulation."""
    ranks = np.array([row["rank"] for row in evolved])
    low = int((ranks <= 8).sum())
    return (
        f"Ranks of the {len(ranks)} evolved product tables, which decide how fast they are emulated: {ranks.min()} to "
        f"{ranks.max()}, median {int(np.median(ranks))}; {low} have rank 8 or less."
    )


if __name__ == "__main__":
    main()

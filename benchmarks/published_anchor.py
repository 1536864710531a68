"""Thirteen published circuits: our ranking by energy, area and delay against the published one.

Usage: python -m benchmarks.published_anchor [LIBRARY.lib ...]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from axhw.characterize import characterize
from axhw.flow import Flow
from axhw.hdl.families.evoapprox import CIRCUITS, RELEASE, EvoApproxSpec
from axhw.report.render import to_png
from axhw.report.style import MUTED, PAPER, design_style, figure_style
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.timing import PathPoint, analyze_timing
from benchmarks.bulk import SHORT_NAMES, scratch_store, summaries
from benchmarks.designs import REAL_LIBRARIES
from benchmarks.markdown import table

MARKDOWN = True

STRUCTURES = (("dadda", "brent_kung"), ("array", "ripple"))
COMPARED = {
    "energy": ("energy_fj", "power_mw"),
    "energy without glitches": ("energy_zero_delay_fj", "power_mw"),
    "area": ("area_um2", "area_um2"),
    "delay": ("delay_ns", "delay_ns"),
}
"""Our column and the published one that it is held against."""
SHOWN = ("energy", "area", "delay")
FIGURE = Path(__file__).resolve().parents[1] / "reports" / "published-anchor.png"

# Of thirteen ranks: what differs by more is explained.
OUTLIER = 3
# Times the median stage of all critical paths.
SLOW = 1.5


def _published() -> pd.DataFrame:
    columns = ["power_mw", "area_um2", "delay_ns"]
    rows = [[getattr(circuit, column) for column in columns] for circuit in CIRCUITS.values()]
    frame: pd.DataFrame = pd.DataFrame(rows, index=list(CIRCUITS), columns=columns)
    return frame


PUBLISHED = _published()


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The thirteen circuits in one library with one tree and adder."""

    library: str
    tree: str
    adder: str
    stream: str
    engine: str
    figures: pd.DataFrame
    paths: Mapping[str, Sequence[PathPoint]]

    @property
    def name(self) -> str:
        return f"{self.library} {self.tree}"

    def spearman(self, compared: str) -> float:
        """Correlation of our ranks with the published ones; equal figures share their mean rank."""
        ours, published = COMPARED[compared]
        return float(np.corrcoef(self.figures[ours].rank(), PUBLISHED[published].rank())[0, 1])

    def outliers(self, compared: str) -> Iterator[tuple[str, float, float]]:
        """Circuits whose rank is not the published one by more than `OUTLIER`: name, published rank, ours."""
        ours, published = (frame[column].rank() for frame, column in zip((self.figures, PUBLISHED), COMPARED[compared]))
        for circuit in CIRCUITS:
            if abs(ours[circuit] - published[circuit]) > OUTLIER:
                yield circuit, float(published[circuit]), float(ours[circuit])


def measure(path: str, tree: str, adder: str, store: Store) -> Run:
    """Characterise the circuits and find their critical paths."""
    specs = {name: EvoApproxSpec(circuit=name, tree=tree, adder=adder) for name in CIRCUITS}  # type: ignore[arg-type]
    figures = summaries(list(specs.values()), path, store)
    library = load_library(path)
    paths = {}
    for name, spec in specs.items():
        netlist = characterize(spec, flow=Flow.of(library=library, store=store)).netlist
        paths[name] = [point for point in analyze_timing(netlist, library.cells).critical_path if point.cell]
    first = figures.iloc[0]
    return Run(
        library=SHORT_NAMES.get(library.cells.name, library.cells.name),
        tree=tree,
        adder=adder,
        stream=first["stream"],
        engine=first["engine"],
        figures=figures.set_axis(list(CIRCUITS)),
        paths=paths,
    )


def main() -> None:
    """Print the report and draw the figure."""
    paths = sys.argv[1:] or [DEFAULT, *sorted(str(path) for path in REAL_LIBRARIES.glob("*.lib*"))]
    with scratch_store() as store:
        runs = [measure(path, tree, adder, store) for path in paths for tree, adder in STRUCTURES]
    FIGURE.write_bytes(to_png(draw(runs)))
    print(
        f"The signed 8-bit circuits of EvoApproxLib {RELEASE} are broken arrays: generated from their closed form, "
        "proved equal to it, mapped and measured here. The published figures come from another flow and a 45 nm "
        f"library, so ranks and ratios count. Energy: {runs[0].stream}, glitches included; {runs[0].engine}. It is "
        "held against the published power, whose clock is the same for all circuits.\n"
    )
    print("Spearman rank correlation with the published figures:\n")
    rows = [[run.library, run.tree, run.adder, *(f"{run.spearman(c):.3f}" for c in COMPARED)] for run in runs]
    print(table(["library", "tree", "adder", *COMPARED], rows))
    print(f"\n![Published and measured figures of thirteen circuits]({FIGURE.name})\n")
    print("*Figures over those of the exact circuit, mul8s_1KV6: published and here. On the dashed line they agree.*\n")
    print("## Outliers\n")
    print(_outliers(runs))
    print("\n## Ratios to the exact circuit")
    for compared in SHOWN:
        ours, theirs = COMPARED[compared]
        columns = [_to_exact(PUBLISHED[theirs]), *(_to_exact(run.figures[ours]) for run in runs)]
        rows = [[name, *(f"{column[name]:.2f}" for column in columns)] for name in CIRCUITS]
        print(f"\n{compared.capitalize()}, published {theirs.split('_')[0]} beside it:\n")
        print(table(["circuit", "published", *(run.name for run in runs)], rows))


def _outliers(runs: Sequence[Run]) -> str:
    """Circuits that change places, with the critical paths behind it where it is the delay."""
    lines = [f"Circuits that are more than {OUTLIER} of 13 ranks from their published place:\n"]
    for run in runs:
        for compared in SHOWN:
            found = list(run.outliers(compared))
            if not found:
                continue
            moves = ", ".join(f"{circuit} from {theirs:g} to {ours:g}" for circuit, theirs, ours in found)
            lines.append(f"- {run.name}, {compared}: {moves}.")
            if compared == "delay":
                lines.append(f"  {_paths(run, [circuit for circuit, _, _ in found])}")
    if len(lines) == 1:
        lines.append("- none")
    largest = PUBLISHED["delay_ns"].iloc[:9]
    spread = 100 * (largest.max() / largest.min() - 1)
    lines.append(
        f"\nThe published delays of the nine largest circuits lie within {spread:.0f} %: a stage more or less moves a "
        "circuit by several places, while energy and area follow the cells that are dropped."
    )
    return "\n".join(lines)


def _paths(run: Run, circuits: Sequence[str]) -> str:
    """What the critical paths of the exact circuit and the outliers are made of."""
    stages = [point for path in run.paths.values() for point in path]
    limit = SLOW * float(np.median([point.delay_ns for point in stages]))
    slow = Counter(point.cell for point in stages if point.delay_ns > limit)
    often = [cell for cell, _ in slow.most_common(2)]
    slow_ns = np.mean([point.delay_ns for point in stages if point.cell in often])
    other_ns = np.mean([point.delay_ns for point in stages if point.cell not in often])
    counts = []
    for circuit in dict.fromkeys((next(iter(CIRCUITS)), *circuits)):
        path = run.paths[circuit]
        few = sum(point.cell in often for point in path)
        counts.append(f"{circuit} {few} of {len(path)} ({path[-1].arrival_ns:.2f} ns)")
    return (
        f"ABC chooses cells by one delay each, before slews and loads are known, and uses {' and '.join(often)} for "
        f"sums and carries. Stages through these take {slow_ns:.2f} ns on average, all others {other_ns:.2f} ns, and "
        f"how many a critical path gets has little to do with the size of the circuit: {', '.join(counts)}."
    )


def draw(runs: Sequence[Run]) -> Figure:
    """Published against measured ratios to the exact circuit, a panel for energy, area and delay each."""
    libraries = list(dict.fromkeys(run.library for run in runs))
    with figure_style():
        figure = Figure(figsize=(9.6, 3.9), layout="constrained")
        for place, compared in enumerate(SHOWN):
            ours, theirs = COMPARED[compared]
            axes = figure.add_subplot(1, len(SHOWN), place + 1)
            axes.grid()
            axes.axline((0, 0), slope=1, color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
            for run in runs:
                style = design_style(libraries.index(run.library))
                filled = run.tree == STRUCTURES[0][0]
                axes.plot(
                    _to_exact(PUBLISHED[theirs]),
                    _to_exact(run.figures[ours]),
                    linestyle="none",
                    marker=style.marker,
                    markersize=6,
                    markerfacecolor=style.colour if filled else "none",
                    markeredgecolor=PAPER if filled else style.colour,
                )
            low = 0.3 if compared == "delay" else 0.0
            axes.set(
                xlim=(low, 1.15),
                ylim=(low, 1.15),
                aspect="equal",
                title=compared,
                xlabel=f"published {theirs.split('_')[0]}",
            )
            if place == 0:
                axes.set_ylabel("here")
        handles = [
            Line2D([], [], linestyle="none", marker=design_style(n).marker, color=design_style(n).colour, label=library)
            for n, library in enumerate(libraries)
        ]
        handles += [
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markerfacecolor=face,
                markeredgecolor=MUTED,
                label=" tree, ".join(parts),
            )
            for face, parts in zip((MUTED, "none"), STRUCTURES)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _to_exact(figures: pd.Series[float]) -> pd.Series[float]:
    return figures / figures.iloc[0]


if __name__ == "__main__":
    main()

"""What an approximate multiplier saves alone, in a MAC and in a 4x4 systolic array, and its share of each.

Usage: python -m benchmarks.element_share [LIBRARY.lib ...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from axhw.characterize import characterize
from axhw.flow import Flow
from axhw.hdl.registry import create_element, parse
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library
from benchmarks.designs import REAL_LIBRARIES

BASELINE = "exact"
MULTIPLIERS = (BASELINE, "roup:p=1,r=4", "roup:p=2,r=3", "evoapprox:mul8s_1L2L", "evoapprox:mul8s_1KVA")
LEVELS = ("multiplier", "mac", "systolic")

HEADER = """\
um2, ns     area; longest path of a multiplier alone, else the shortest clock period
fJ/MAC      dynamic energy of a product and its sum, glitches, registers and clock pins included
mult um2 %  share of the multipliers in area and in energy, of a netlist that keeps them apart
mult fJ     what the multiplier itself spends on a product there
logic, registers, clock %
            the rest of the energy: adder and control; flip-flops without and their clock pins alone
apart %     that netlist compared with the optimised one: area, energy, period
saved %     area and energy saved against exact on the same level
"""
COLUMNS = (
    *("um2", "ns", "fJ/MAC", "nW leak", "mult um2 %", "mult fJ %", "mult fJ", "logic %", "regs %", "clock %"),
    *("apart um2", "apart fJ", "apart ns", "saved um2", "saved fJ"),
)


def main() -> None:
    """Print the tables."""
    print(HEADER)
    for path in sys.argv[1:] or [DEFAULT, *sorted(map(str, REAL_LIBRARIES.glob("sky130*")))]:
        with tempfile.TemporaryDirectory() as folder:
            compare(load_library(path), Store(Path(folder)))


def compare(library: LibrarySource, store: Store) -> None:
    """Print the tables of one library."""
    for level in LEVELS:
        baseline: DesignRecord | None = None
        for text in MULTIPLIERS:
            multiplier = parse(text)
            spec = multiplier if level == "multiplier" else create_element(level, multiplier, {})
            record = characterize(spec, flow=Flow.of(library=library, store=store))
            if baseline is None:
                baseline = record
                cost = record.cost
                print(f"{level}: {cost.library} ({cost.corner}), {cost.engine}; {cost.stream}")
                print(f"{'':<40}", *(f"{column:>10}" for column in COLUMNS))
            print(f"{record.name:<40}", *(f"{cell:>10}" for cell in row(record, baseline)), flush=True)
        print()


def row(record: DesignRecord, baseline: DesignRecord) -> list[str]:
    """The cells of one design."""
    cost, parts = record.cost, record.breakdown
    cells = [f"{cost.area_um2:.0f}", f"{cost.delay_ns:.2f}", f"{cost.energy_fj:.0f}", f"{cost.leakage_nw:.1f}"]
    if parts is None:
        cells += ["100.0", "100.0", f"{cost.energy_fj:.0f}", *["-"] * 6]
    else:
        cells += [f"{100 * parts.area_share('multiplier'):.1f}", f"{100 * parts.energy_share('multiplier'):.1f}"]
        cells += [f"{parts.energy_fj['multiplier']:.0f}"]
        cells += [f"{100 * parts.energy_share(part):.1f}" for part in ("logic", "registers", "clock")]
        cells += [f"{100 * (ratio - 1):+.1f}" for ratio in (parts.area_ratio, parts.energy_ratio, parts.period_ratio)]
    saved = (1 - cost.area_um2 / baseline.cost.area_um2, 1 - cost.energy_fj / baseline.cost.energy_fj)
    return cells + [f"{100 * value:.1f}" for value in saved]


if __name__ == "__main__":
    main()

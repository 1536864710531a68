"""What hardware for assignments to kernels and filters costs: ROUP with run-time modes, and arrays of mixed columns.

Usage: python -m benchmarks.reconfiguration
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from axhw.characterize import characterize
from axhw.flow import Flow
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.mixed import parse_modes
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import parse
from axhw.mixed.characterize import characterize_mixed
from axhw.mixed.overhead import Overhead, overhead
from axhw.store import Store
from benchmarks.markdown import table

MARKDOWN = True

MODES = ("0:0,2:3", "0:0,1:4,2:3", "0:0,0:4,1:4,2:3", "0:0,1:0,2:0", "0:0,1:4:symmetric,2:3:symmetric")
COLUMNS = ("exact", "exact", "roup:p=1,r=4", "roup:p=2,r=3")

_ABOUT = """\
Embedded library, 8-bit signed operands, uniform, 8,192 products; energy with glitches. `x fixed` compares a mode,
held, with the multiplier (or MAC) that can do nothing else. `change` is what a change of the mode costs beyond the
products before and behind it, the mean over all pairs of modes and both directions. Area and delay are compared with
the largest and the slowest fixed design. `break-even` is the share of products in the last mode, the others in mode 0,
from which on the configurable design spends less than the fixed exact design.
"""


def main() -> None:
    """Print the tables."""
    print(_ABOUT)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for title, element in (("Multiplier", False), ("MAC, sums of 64 products", True)):
            found = [_overhead(modes, store, element=element) for modes in MODES]
            print(f"## {title}\n")
            print(
                table(("modes", "um2", "x largest", "ns", "x slowest", "change fJ", "break-even"), map(_totals, found))
            )
            print()
            modes = ("modes", "mode", "fJ", "fixed fJ", "x fixed", "saved against exact", "fixed saves")
            print(table(modes, _modes(found)))
            print(flush=True)
        print("## Systolic array of 4 x 4, weight-stationary\n")
        print(table(("array", "um2", "ns", "fJ", "multiplier fJ"), _arrays(store)))


def _overhead(text: str, store: Store, *, element: bool) -> Overhead:
    modes = parse_modes(text, RoupSpec())
    spec = ConfigurableMacSpec(multiplier=modes[0], others=modes[1:]) if element else ConfigurableRoupSpec(modes=modes)
    return overhead(spec, flow=Flow.of(store=store))


def _totals(found: Overhead) -> tuple[str, ...]:
    cost = found.configurable.costs[0]
    modes = len(found.fixed)
    change = found.change_fj.sum() / (modes * (modes - 1))
    energy = found.energy_fj
    share = (energy[0] - found.fixed_fj[0]) / (energy[0] - energy[-1])
    return (
        f"`{found.configurable.name}`",
        f"{cost.area_um2:,.0f}",
        f"{found.area_ratio:.3f}",
        f"{cost.delay_ns:.2f}",
        f"{found.delay_ratio:.3f}",
        f"{change:,.0f}",
        f"{100 * share:.0f} %",
    )


def _modes(found: list[Overhead]) -> Iterator[tuple[str, ...]]:
    for each in found:
        exact = each.fixed_fj[0]
        for number in range(len(each.fixed)):
            own, fixed = each.energy_fj[number], each.fixed_fj[number]
            yield (
                "" if number else f"`{each.configurable.name}`",
                f"`{each.configurable.multipliers[number].name}`",
                f"{own:,.0f}",
                f"{fixed:,.0f}",
                f"{own / fixed:.3f}",
                f"{100 * (1 - own / exact):.1f} %",
                f"{100 * (1 - fixed / exact):.1f} %",
            )


def _arrays(store: Store) -> Iterator[tuple[str, ...]]:
    """The mixed array by type of column, then the arrays of one type."""
    columns = tuple(parse(text) for text in COLUMNS)
    mixed = characterize_mixed(MixedSystolicSpec.of(columns), flow=Flow.of(store=store))
    (cost,) = mixed.costs
    (parts,) = mixed.breakdowns
    yield (
        f"`{mixed.name}`",
        f"{cost.area_um2:,.0f}",
        f"{cost.delay_ns:.2f}",
        f"{cost.energy_fj:,.0f}",
        f"{parts.energy_fj['multiplier']:,.0f}",
    )
    for multiplier, way in zip(mixed.multipliers, mixed.ways):
        yield f"its columns of `{multiplier.name}`", "", "", f"{way.energy_fj:,.0f}", f"{way.multiplier_fj:,.0f}"
    for multiplier in mixed.multipliers:
        record = characterize(SystolicSpec(multiplier=multiplier), flow=Flow.of(store=store))
        own, breakdown = record.circuit_cost, record.breakdown
        spent = "" if breakdown is None else f"{breakdown.energy_fj['multiplier']:,.0f}"
        yield f"`{record.name}`", f"{own.area_um2:,.0f}", f"{own.delay_ns:.2f}", f"{own.energy_fj:,.0f}", spent


if __name__ == "__main__":
    main()

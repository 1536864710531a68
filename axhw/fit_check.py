"""How far costs on a fitted library are from those on the full one, on mapped multipliers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.measure import Conditions, measure_cost
from axhw.synth.cost import Cost
from axhw.synth.liberty.library import CellLibrary

DESIGNS = (
    "exact",
    "exact:encoding=baugh_wooley,tree=wallace",
    "exact:tree=array,adder=ripple",
    "exact:encoding=baugh_wooley,adder=kogge_stone,signed=false",
    "roup:p=0,r=4",
    "roup:p=1,r=4",
    "roup:p=2,r=3",
    "evoapprox:mul8s_1L2L",
    "drum:k=4",
    "mitchell:signed=false",
)
"""Ten multipliers with different gates, depths and loads."""


@dataclass(frozen=True, kw_only=True)
class CostDifference:
    """One netlist, mapped with the full library and costed with both.

    Attributes
    ----------
    name : str
    full, fitted : Cost
    """

    name: str
    full: Cost
    fitted: Cost

    @property
    def area_pct(self) -> float:
        return _pct(self.fitted.area_um2, self.full.area_um2)

    @property
    def delay_pct(self) -> float:
        return _pct(self.fitted.delay_ns, self.full.delay_ns)

    @property
    def energy_pct(self) -> float:
        return _pct(self.fitted.energy_fj, self.full.energy_fj)

    @property
    def leakage_pct(self) -> float:
        return _pct(self.fitted.leakage_nw, self.full.leakage_nw)


def compare_costs(
    flow: Flow,
    fitted: CellLibrary,
    *,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> list[CostDifference]:
    """Map ten multipliers with the full library, that of the flow, and cost each netlist with both.

    The ports see the same slew and load both times, the full library's defaults.
    """
    differences = []
    for done, text in enumerate(DESIGNS):
        spec = parse(text)
        progress(done, len(DESIGNS), spec.name)
        synthesis = flow.store.synthesise(flow.job(spec))
        cost = measure_cost(spec, synthesis, library=flow.library.cells, conditions=Conditions())
        same = Conditions(input_slew_ns=cost.input_slew_ns, output_load_ff=cost.output_load_ff)
        differences.append(
            CostDifference(
                name=spec.name,
                full=cost,
                fitted=measure_cost(spec, synthesis, library=fitted, conditions=same),
            )
        )
    return differences


def _pct(value: float, reference: float) -> float:
    # Some libraries state no leakage, and 0 is 0 in both.
    return 0.0 if value == reference else 100.0 * (value - reference) / reference

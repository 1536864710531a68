"""Hardware by name: the published one, the same with its control in gates, and crossbars in gates as well.

    published   arXiv 2602.10254 (`axhw.pim.parameters.PUBLISHED`): scheduler and GO cache decide at no cost
    control     each shared periphery has a scheduler, and each layer with expert choice a GO-cache unit, both of gates
    gates       crossbars of gates too: a core of 256 x 256 is 64 x 64 measured groups 4 x 4 side by side

Of control, a choice costs a period of the scheduler's clock and the energy of a request in each tile of the expert,
one choice after the other; where experts choose, every token asks every expert, so that each choice pays for
experts / active requests of the GO-cache unit. Leakage of all units is added to passive power.

A digital core takes 10 clock periods from an input to its sums: 4 of a group, and 6 more for the 64 partial sums of a
column, which the accumulate units of the groups add in a tree, as they have an adder each. Clocks of groups that wait
are taken to be stopped, and MVMs of all matrices take the time and energy of the experts' groups. Digital units,
attention units and DRAM are the published ones in all of them: of these units we have gates for lanes that multiply and
add alone (`axhw.pim.area`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from axhw.errors import AxhwError
from axhw.pim.gate_units import (
    GROUP_CYCLES,
    GROUP_SIDE,
    Scaling,
    digital_group,
    go_cache_unit,
    scheduler_unit,
)
from axhw.pim.model import DecoderModel
from axhw.pim.parameters import PUBLISHED, CrossbarCore, Dram, Parameters, Scheduler

CONFIGURATIONS = ("published", "control", "gates")
"""By name."""

_SIDE = 256
_BLOCKS = (_SIDE // GROUP_SIDE) ** 2
_TREE_CYCLES = (_SIDE // GROUP_SIDE - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Hardware for a model.

    Attributes
    ----------
    name : str
        One of `CONFIGURATIONS`.
    parameters : Parameters
        What a simulation needs to know of it.
    others : CrossbarCore
        Core of matrices that are not experts, whose area has a periphery of its own.
    group : int
        Experts at a shared periphery.
    kept : int
        Tokens that each expert keeps, where experts choose.
    scaling : Scaling
        From the technology of the gates to that of the chip.
    """

    name: str
    parameters: Parameters
    others: CrossbarCore
    group: int
    kept: int
    scaling: Scaling

    @property
    def has_schedulers(self) -> bool:
        """Whether schedulers stand beside the cores: those of gates have them inside."""
        return self.name != "gates"


def configured(
    name: str,
    *,
    model: DecoderModel,
    scaling: Scaling,
    group: int = 1,
    kept: int = 8,
    units: tuple[int, int] | None = None,
    dram: Dram | None = None,
) -> Configuration:
    """The hardware of a name.

    Parameters
    ----------
    name : str
        One of `CONFIGURATIONS`.
    model : DecoderModel
        What runs on it.
    scaling : Scaling
        Such as `axhw.analog.technology.SCALED_TO_14_NM`.
    group : int
        Experts at a shared periphery.
    kept : int
        Tokens that each expert keeps, where experts choose.
    units : tuple of int, optional
        Digital and attention units; passive power, which is that of these units, grows with their number.
    dram : Dram, optional

    Raises
    ------
    AxhwError
        For other names, and for groups of digital crossbars that were not measured.
    """
    if name not in CONFIGURATIONS:
        raise AxhwError(f"Expected parameters out of {', '.join(CONFIGURATIONS)}, found {name!r}.")
    parameters = PUBLISHED if units is None else with_units(PUBLISHED, *units)
    if dram is not None:
        parameters = replace(parameters, dram=dram)
    others = parameters.core
    if name == "control":
        scheduler, leakage_w = control(model, group=group, kept=kept, scaling=scaling, core=parameters.core)
        parameters = replace(parameters, scheduler=scheduler, passive_w=parameters.passive_w + leakage_w)
    elif name == "gates":
        parameters = replace(
            parameters,
            core=digital_core(group, scaling=scaling),
            scheduler=_asked(model, kept=kept, scaling=scaling, period_ns=digital_group(group).operation_ns(scaling)),
        )
        others = digital_core(1, scaling=scaling)
        passive_w = parameters.passive_w + _asking_w(model, kept=kept) + _cores_w(model, parameters.core, group)
        parameters = replace(parameters, passive_w=passive_w)
    return Configuration(
        name=name,
        parameters=replace(parameters, name=name),
        others=others,
        group=group,
        kept=kept,
        scaling=scaling,
    )


def with_units(parameters: Parameters, digital: int, attention: int) -> Parameters:
    """The same with other numbers of digital and attention units, each of which takes its share of passive power."""
    published = parameters.digital_units + parameters.attention_units
    return replace(
        parameters,
        digital_units=digital,
        attention_units=attention,
        passive_w=parameters.passive_w * (digital + attention) / published,
    )


def control(
    model: DecoderModel, *, group: int, kept: int, scaling: Scaling, core: CrossbarCore = PUBLISHED.core
) -> tuple[Scheduler, float]:
    """Schedulers and GO-cache units: what a choice costs, and their leakage in W."""
    unit = scheduler_unit(group)
    tiles = model.network_tiles(core, model.expert_width)
    asked = _asked(model, kept=kept, scaling=scaling, period_ns=unit.operation_ns(scaling))
    made = replace(asked, nj_per_choice=asked.nj_per_choice + tiles * unit.operation_nj(scaling))
    schedulers = model.tiles(core)["experts"] // group
    return made, schedulers * unit.leakage_w + _asking_w(model, kept=kept)


def digital_core(group: int, *, scaling: Scaling) -> CrossbarCore:
    """A core of 256 x 256 in gates, one of those at a shared periphery.

    Raises
    ------
    AxhwError
        For groups that were not measured.
    """
    unit = digital_group(group)
    return CrossbarCore.from_gates(
        name=f"digital crossbars, {group} at a periphery",
        rows=_SIDE,
        columns=_SIDE,
        group=group,
        area_um2=_BLOCKS * unit.area_um2 * scaling.area,
        period_ns=unit.operation_ns(scaling),
        cycles=GROUP_CYCLES + _TREE_CYCLES,
        mvm_fj=_BLOCKS * unit.operation_fj * scaling.energy,
    )


def _cores_w(model: DecoderModel, core: CrossbarCore, group: int) -> float:
    """Leakage of all digital cores: those of experts in groups, the others on their own."""
    tiles = model.tiles(core)
    experts = tiles["experts"]
    groups = experts / group * digital_group(group).leakage_w
    return _BLOCKS * (groups + (sum(tiles.values()) - experts) * digital_group(1).leakage_w)


def _asked(model: DecoderModel, *, kept: int, scaling: Scaling, period_ns: float) -> Scheduler:
    """A choice's clock period, and its part of what its token asks the GO-cache unit."""
    if not model.experts_choose:
        return Scheduler(ns_per_choice=period_ns)
    unit = go_cache_unit(experts=model.experts, kept=kept)
    requests = model.experts / model.active_experts
    return Scheduler(
        ns_per_choice=period_ns + requests * unit.operation_ns(scaling),
        nj_per_choice=requests * unit.operation_nj(scaling),
    )


def _asking_w(model: DecoderModel, *, kept: int) -> float:
    """Leakage of the GO-cache units of all layers."""
    if not model.experts_choose:
        return 0.0
    return len(model.expert_layers) * go_cache_unit(experts=model.experts, kept=kept).leakage_w

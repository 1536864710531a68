"""Internal energy and leakage of all instances of one cell, from the activity on their pins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.synth.cell_terms import CellTerms, ConditionRule
from axhw.synth.liberty.library import Cell
from axhw.synth.netlist import Netlist

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class NetActivity:
    """What happens on the nets of a design.

    Attributes
    ----------
    rate : (nets, 2) array
        Rises and falls per operation.
    one : (nets,) array
        Probability of being 1.
    """

    rate: FloatArray
    one: FloatArray

    @cached_property
    def transitions(self) -> FloatArray:
        """(nets,) rises and falls together."""
        result: FloatArray = self.rate.sum(axis=1)
        return result


class GroupEnergy(NamedTuple):
    """(n,) arrays over the instances of a group; `clock_fj` is beside `internal_fj`, not part of it."""

    internal_fj: FloatArray
    clock_fj: FloatArray
    leakage_nw: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class CellGroup:
    """Instances of one cell that have the same pins connected.

    Attributes
    ----------
    terms : CellTerms
        Of the cell: t of them.
    instances : (n,) array
        Index into ``Netlist.instances``.
    nets : (pins, n) array
    switching, cause : (t, n) arrays
        The net whose transition costs the energy, and the one that may be its cause.
    energy_fj : (t, n) array
        What one transition costs by each of the terms.
    """

    terms: CellTerms
    instances: IndexArray
    nets: IndexArray
    switching: IndexArray
    cause: IndexArray
    energy_fj: FloatArray

    @classmethod
    def of(
        cls, cell: Cell, netlist: Netlist, instances: IndexArray, *, slew_ns: FloatArray, load_ff: FloatArray
    ) -> CellGroup:
        """The group of `instances`, all of `cell`; slews and loads are (nets, 2) arrays by edge."""
        members = [netlist.instances[i].pins for i in instances]
        terms = CellTerms.of(cell, tuple(members[0]))
        nets = np.array([[pins[name] for pins in members] for name in terms.pins], np.intp)
        switching, cause = nets[terms.pin], nets[terms.cause]
        slew = slew_ns[cause, terms.cause_edge[:, None]]
        for row, pins in terms.several.items():
            slew[row] = np.mean([slew_ns[nets[pin], terms.cause_edge[row]] for pin in pins], axis=0)
        load = load_ff[switching, terms.edge[:, None]]
        # The energy of an input's transition does not depend on a load.
        load[terms.outputs :] = 0.0
        entries = np.repeat(np.arange(len(terms.pin)), len(instances))
        energy = terms.bank.lookup(entries, slew.reshape(-1), load.reshape(-1)).reshape(slew.shape)
        return cls(terms=terms, instances=instances, nets=nets, switching=switching, cause=cause, energy_fj=energy)

    def measure(self, activity: NetActivity, rule: ConditionRule) -> GroupEnergy:
        """Energy per operation and leakage of each instance.

        The energy of an output's transition is shared out over the inputs that may cause it, by how often they switch
        and how likely the states are in which the output follows them; that of an input's transition goes by the
        state that the cell is in. The pins are taken as independent.
        """
        terms, outputs = self.terms, self.terms.outputs
        states = terms.space.probabilities(self._one_probabilities(activity.one))
        likely = np.array([states @ chosen for chosen in terms.state_sets[rule]]).reshape(-1, len(self.instances))
        factor = likely[terms.states[rule]]
        weights = activity.transitions[self.cause[:outputs]]
        for row, pins in terms.several.items():
            if row < outputs:
                weights[row] = np.sum([activity.transitions[self.nets[pin]] for pin in pins], axis=0)
        weights *= factor[:outputs]
        for alternatives in terms.alternatives:
            weight = weights[alternatives]
            total = weight.sum(axis=0)
            # No cause has a weight where the probabilities say that the output never switches.
            known = total > 0.0
            factor[alternatives] = np.where(known, weight / np.where(known, total, 1.0), 1.0 / len(weight))
        spent = self.energy_fj * (factor * activity.rate[self.switching, terms.edge[:, None]])
        leakage = np.zeros(len(self.instances))
        for chosen, value in zip(terms.leakage_sets, terms.leakage_nw, strict=True):
            leakage += (states @ chosen) * value
        return GroupEnergy(_sum_in_order(spent[: terms.clock]), _sum_in_order(spent[terms.clock :]), leakage)

    def _one_probabilities(self, one: FloatArray) -> FloatArray:
        """(n, variables) probability that each variable of the cell is 1."""
        result = np.full((len(self.instances), len(self.terms.shown)), 0.5)
        for k, shown in enumerate(self.terms.shown):
            if shown is not None:
                pin, inverted = shown
                probability = one[self.nets[pin]]
                result[:, k] = 1.0 - probability if inverted else probability
        return result


def _sum_in_order(rows: FloatArray) -> FloatArray:
    """Sum over the first axis; the order in which `np.sum` adds depends on how many instances there are."""
    return rows.cumsum(axis=0)[-1] if len(rows) else np.zeros(rows.shape[1])

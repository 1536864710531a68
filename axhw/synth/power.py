"""Energy per operation and leakage of a mapped netlist, from transition counts and the library's tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.cell_energy import CellGroup, NetActivity
from axhw.synth.cell_terms import ConditionRule
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import CONSTANT_1, Netlist
from axhw.synth.timing import TimingReport

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class EnergyReport:
    """What `measure_energy` finds: energies in fJ per operation, leakage in nW.

    Attributes
    ----------
    internal_fj : float
        Energy inside cells: output transitions, input-pin transitions and clock pins.
    switching_fj : float
        C V^2 / 2 for every transition of a counted net.
    clock_fj : float
        Part of `internal_fj` that the clock pins of flip-flops spend.
    leakage_nw : float
        Weighted by how likely the states of each cell are.
    instance_internal_fj, instance_switching_fj, instance_clock_fj, instance_leakage_nw : (instances,) arrays
        The same by instance; a net's switching energy belongs to the instance that drives it.
    """

    internal_fj: float
    switching_fj: float
    clock_fj: float
    leakage_nw: float
    instance_internal_fj: FloatArray
    instance_switching_fj: FloatArray
    instance_clock_fj: FloatArray
    instance_leakage_nw: FloatArray

    @property
    def dynamic_fj(self) -> float:
        return self.internal_fj + self.switching_fj


def measure_energy(
    netlist: Netlist,
    library: CellLibrary,
    timing: TimingReport,
    *,
    rise: npt.NDArray[np.integer],
    fall: npt.NDArray[np.integer],
    operations: int,
    one_probability: FloatArray,
    rule: ConditionRule = "opensta",
    count_input_nets: bool = False,
    cycles_per_operation: float = 1.0,
) -> EnergyReport:
    """Energy of `netlist` for the given activity.

    Parameters
    ----------
    timing : TimingReport
        Of this netlist; gives input slews, output loads and the clock net.
    rise, fall : (net_count,) integer arrays
        Transitions of each net over all operations. The clock's are taken from
        `cycles_per_operation` instead.
    operations : int
    one_probability : (net_count,) array
        Share of time that each net is 1; pins are taken as independent. The clock's is 1/2.
    rule : {"opensta", "exclusive"}
        What groups of internal energy with a condition (``when``) mean beside those without.
        "opensta" does as OpenSTA: groups of an output count by how often their related pin switches it,
        whatever their condition; at an input, the group without a condition always counts and the others
        count in addition while their condition holds. "exclusive" is Liberty's text: a group counts while
        its condition holds, the one without in the remaining states only.
    count_input_nets : bool
        Whether nets driven by input ports, the clock among them, count in `switching_fj`. OpenSTA
        leaves them to whoever drives the ports, and so does the default.
    cycles_per_operation : float
        Clock cycles per operation, for designs with flip-flops.

    Raises
    ------
    AxhwError
        If an array does not have one entry per net, `operations` is not positive or a probability
        is not between 0 and 1.
    """
    return EnergyModel.of(netlist, library, timing).measure(
        rise=rise,
        fall=fall,
        operations=operations,
        one_probability=one_probability,
        rule=rule,
        count_input_nets=count_input_nets,
        cycles_per_operation=cycles_per_operation,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class EnergyModel:
    """What transitions cost in a netlist at its slews and loads: `measure_energy` for several activities of one design.

    Attributes
    ----------
    netlist : Netlist
    voltage_v : float
    load_ff : (nets, 2) array
    clock_net : int or None
    groups : tuple of CellGroup
        All instances.
    driver, driven : arrays
        Instances and the nets that they drive, an entry for every driven net.
    """

    netlist: Netlist
    voltage_v: float
    load_ff: FloatArray
    clock_net: int | None
    groups: tuple[CellGroup, ...]
    driver: IndexArray
    driven: IndexArray

    @classmethod
    def of(cls, netlist: Netlist, library: CellLibrary, timing: TimingReport) -> EnergyModel:
        """The model of `netlist`, whose timing is `timing`."""
        kinds: dict[tuple[str, frozenset[str]], list[int]] = {}
        for position, instance in enumerate(netlist.instances):
            kinds.setdefault((instance.cell, frozenset(instance.pins)), []).append(position)
        outputs = {name: [pin.name for pin in library.cells[name].outputs] for name, _ in kinds}
        drivers = [
            (position, instance.pins[name])
            for position, instance in enumerate(netlist.instances)
            for name in outputs[instance.cell]
            if name in instance.pins
        ]
        driver, driven = np.array(drivers, np.intp).reshape(-1, 2).T
        return cls(
            netlist=netlist,
            voltage_v=library.voltage_v,
            load_ff=timing.load_ff,
            clock_net=timing.clock_net,
            groups=tuple(
                CellGroup.of(
                    library.cells[name],
                    netlist,
                    np.array(positions, np.intp),
                    slew_ns=timing.slew_ns,
                    load_ff=timing.load_ff,
                )
                for (name, _), positions in kinds.items()
            ),
            driver=driver,
            driven=driven,
        )

    def measure(
        self,
        *,
        rise: npt.NDArray[np.integer],
        fall: npt.NDArray[np.integer],
        operations: int,
        one_probability: FloatArray,
        rule: ConditionRule = "opensta",
        count_input_nets: bool = False,
        cycles_per_operation: float = 1.0,
    ) -> EnergyReport:
        """Energy for the given activity; parameters and errors are those of `measure_energy`."""
        netlist = self.netlist
        for name, array in (("rise", rise), ("fall", fall), ("one_probability", one_probability)):
            if array.shape != (netlist.net_count,):
                raise AxhwError(f"Expected {name} for {netlist.net_count} nets, found an array of shape {array.shape}.")
        if operations < 1:
            raise AxhwError(f"Expected at least one operation to divide the energy by, found {operations}.")
        if not bool(np.all((one_probability >= 0.0) & (one_probability <= 1.0))):
            raise AxhwError("Expected one_probability between 0 and 1, found values outside.")
        rate = np.stack([rise, fall], axis=1) / operations
        one = one_probability.astype(np.float64)
        one[CONSTANT_1] = 1.0
        if self.clock_net is not None:
            rate[self.clock_net] = cycles_per_operation
            one[self.clock_net] = 0.5

        activity = NetActivity(rate=rate, one=one)
        instances = len(netlist.instances)
        internal, clock, leakage = np.zeros(instances), np.zeros(instances), np.zeros(instances)
        for group in self.groups:
            found = group.measure(activity, rule)
            internal[group.instances] = found.internal_fj + found.clock_fj
            clock[group.instances] = found.clock_fj
            leakage[group.instances] = found.leakage_nw
        net_switching = 0.5 * self.voltage_v**2 * (rate * self.load_ff).sum(axis=1)
        instance_switching = np.zeros(instances)
        np.add.at(instance_switching, self.driver, net_switching[self.driven])
        switching = float(instance_switching.sum())
        if count_input_nets:
            inputs = sorted({net for port in netlist.inputs.values() for net in port})
            switching += float(net_switching[inputs].sum())
        return EnergyReport(
            internal_fj=float(internal.sum()),
            switching_fj=switching,
            clock_fj=float(clock.sum()),
            leakage_nw=float(leakage.sum()),
            instance_internal_fj=internal,
            instance_switching_fj=instance_switching,
            instance_clock_fj=clock,
            instance_leakage_nw=leakage,
        )

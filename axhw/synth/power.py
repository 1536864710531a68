"""Energy per operation and leakage of a mapped netlist, from transition counts and the library's tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.cell_energy import CellGroup, ConditionRule, EnergyTerms, NetActivity
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import CONSTANT_1, Netlist
from axhw.synth.timing import TimingReport
from axhw.synth.timing_arcs import clock_pin

FloatArray = npt.NDArray[np.float64]


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
    instance_internal_fj, instance_switching_fj, instance_leakage_nw : (instances,) arrays
        The same by instance; a net's switching energy belongs to the instance that drives it.
    """

    internal_fj: float
    switching_fj: float
    clock_fj: float
    leakage_nw: float
    instance_internal_fj: FloatArray
    instance_switching_fj: FloatArray
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
    if timing.clock_net is not None:
        rate[timing.clock_net] = cycles_per_operation
        one[timing.clock_net] = 0.5

    activity = NetActivity(rate=rate, one=one, slew_ns=timing.slew_ns, load_ff=timing.load_ff)
    internal, clock, leakage = EnergyTerms(), EnergyTerms(), np.zeros(len(netlist.instances))
    kinds: dict[tuple[str, frozenset[str]], list[int]] = {}
    for position, instance in enumerate(netlist.instances):
        kinds.setdefault((instance.cell, frozenset(instance.pins)), []).append(position)
    for (name, _), positions in kinds.items():
        group = CellGroup.of(library.cells[name], netlist, np.array(positions, np.intp), activity, rule)
        leakage[positions] = group.leakage_nw()
        for pin in group.cell.outputs:
            if pin.name in group.nets:
                group.add_output(pin, internal)
        flip_flop = group.cell.flip_flop
        for pin in group.cell.inputs:
            clocks = flip_flop is not None and pin.name == clock_pin(group.cell, flip_flop)
            group.add_input(pin, clock if clocks else internal)

    instance_clock = clock.total_fj(len(netlist.instances))
    instance_internal = internal.total_fj(len(netlist.instances)) + instance_clock
    net_switching = 0.5 * library.voltage_v**2 * (rate * timing.load_ff).sum(axis=1)
    instance_switching = np.zeros(len(netlist.instances))
    for position, instance in enumerate(netlist.instances):
        driven = [instance.pins[pin.name] for pin in library.cells[instance.cell].outputs if pin.name in instance.pins]
        instance_switching[position] = net_switching[driven].sum()
    switching = float(instance_switching.sum())
    if count_input_nets:
        inputs = sorted({net for port in netlist.inputs.values() for net in port})
        switching += float(net_switching[inputs].sum())
    return EnergyReport(
        internal_fj=float(instance_internal.sum()),
        switching_fj=switching,
        clock_fj=float(instance_clock.sum()),
        leakage_nw=float(leakage.sum()),
        instance_internal_fj=instance_internal,
        instance_switching_fj=instance_switching,
        instance_leakage_nw=leakage,
    )

"""What a mapped design costs, with everything needed to say how it was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Area, delay and energy of a mapped design.

    Attributes
    ----------
    area_um2 : float
        Sum of cell areas.
    cells : int
    delay_ns : float
        Longest path from an input to an output port, with slews; the shortest clock period if `clocked`.
    clocked : bool
        Whether the design has flip-flops.
    energy_fj : float
        Dynamic energy per operation, timed with inertial filtering: glitches count.
    energy_transport_fj : float
        The same without filtering, over about the first thousand operations: an upper bound.
    energy_zero_delay_fj : float
        The same with at most one transition per net and operation: a lower bound.
    energy_exclusive_fj : float
        `energy_fj` with conditions of internal energy read as Liberty's text says, where OpenSTA counts groups with
        and without a condition together (rule "exclusive" instead of "opensta" of `measure_energy`).
    internal_fj, switching_fj : float
        `energy_fj` in two parts: inside the cells, and charging the nets.
    clock_fj : float
        Part of `internal_fj` that the clock pins of flip-flops spend.
    toggles : float
        Transitions of gate outputs per operation, timed with inertial filtering.
    leakage_nw : float
    leakage_fj : float
        Leakage during one clock period of `clock_mhz`; not part of `energy_fj`.
    clock_mhz : float
        The stated clock of the leakage figure.
    library, library_sha256, corner, engine : str
        Where the gates and figures come from.
    stream : str
        The operands, e.g. ``uniform, 8192 pairs, seed 1``.
    input_slew_ns, output_load_ff : float
        The surroundings of the ports.
    wire_load : str
        ``none``, ``fanout=F`` for F fF for every sink, or the name of the library's wire-load model.
    timing_model : str
    """

    area_um2: float
    cells: int
    delay_ns: float
    clocked: bool
    energy_fj: float
    energy_transport_fj: float
    energy_zero_delay_fj: float
    energy_exclusive_fj: float
    internal_fj: float
    switching_fj: float
    clock_fj: float
    toggles: float
    leakage_nw: float
    leakage_fj: float
    clock_mhz: float
    library: str
    library_sha256: str
    corner: str
    engine: str
    stream: str
    input_slew_ns: float
    output_load_ff: float
    wire_load: str
    timing_model: str

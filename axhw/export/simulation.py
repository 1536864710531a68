"""Files for simulators, power tools and waveform viewers: SDF, SAIF and VCD."""

from __future__ import annotations

from pathlib import Path

from axhw.export.timed_design import TimedDesign
from axhw.files import replacing
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import total_activity
from axhw.sim.events import timed_waveforms
from axhw.sim.operands import uniform
from axhw.sim.saif import saif
from axhw.sim.sdf import sdf
from axhw.sim.timed import timed_activity
from axhw.sim.vcd import write_vcd
from axhw.synth.liberty.specify import timing_models

SAIF_PAIRS = 8192
VCD_PAIRS = 64

# An element's operands may be cut into as many parallel streams.
_STREAMS = 64


def export_sdf(design: TimedDesign, folder: Path) -> list[Path]:
    """Write netlist.v as stored, netlist.sdf and cells_timing.v, the models that it annotates."""
    netlist, conditional = design.record.netlist, design.options.conditional
    used = sorted({instance.cell for instance in netlist.instances})
    delays = sdf(netlist, design.graph, design.library, design.timing, design.names, conditional=conditional)
    models = timing_models(design.library, used, conditional=conditional)
    return [
        _write(folder / "netlist.v", design.record.read("netlist.v")),
        _write(folder / "netlist.sdf", delays.encode()),
        _write(folder / "cells_timing.v", models.encode()),
    ]


def export_saif(design: TimedDesign, folder: Path) -> list[Path]:
    """Write activity.saif: transitions over a stream of uniform operands."""
    pairs = design.options.pairs or SAIF_PAIRS
    stream = uniform(design.record.multiplier, pairs=pairs + 1, seed=design.options.seed)
    parts, operands = design.values(stream)
    activity = total_activity([timed_activity(design.graph, design.timing, part) for part in parts])
    text = saif(
        design.record.netlist,
        design.names,
        activity,
        period_ps=design.period_ps,
        clock_net=design.timing.clock_net,
        comments=(f"{activity.pairs} operations of {design.period_ps} ps: {operands}", design.description),
    )
    return [_write(folder / "activity.saif", text.encode())]


def export_vcd(design: TimedDesign, folder: Path) -> list[Path]:
    """Write waves.vcd: the first operations of a stream of uniform operands.

    Raises
    ------
    AxhwError
        If the period is too short for the design to settle.
    """
    operations = design.options.pairs or VCD_PAIRS
    spec, needed = design.record.spec, operations + 1
    if not isinstance(spec, MultiplierSpec):
        needed = _STREAMS * (needed + 1 + spec.latency)
    # Streams of different lengths differ from the start: the default one is cut, so that all files show the same pairs.
    stream = uniform(design.record.multiplier, pairs=max(needed, SAIF_PAIRS + 1), seed=design.options.seed)
    parts, operands = design.values(stream)
    waveforms = timed_waveforms(design.graph, design.timing, parts[0][: operations + 1])
    with replacing(folder / "waves.vcd") as draft:
        write_vcd(
            draft,
            design.record.netlist,
            design.names,
            waveforms,
            period_fs=1000 * design.period_ps,
            clock_net=design.timing.clock_net,
            comment=f"the first {len(waveforms.operations)} operations of {operands}; {design.description}",
        )
    return [folder / "waves.vcd"]


def _write(path: Path, content: bytes) -> Path:
    with replacing(path) as draft:
        draft.write_bytes(content)
    return path

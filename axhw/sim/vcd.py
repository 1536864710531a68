"""Waveforms as a VCD file (IEEE 1364), for GTKWave and other viewers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from vcd.writer import VCDWriter

from axhw import __version__
from axhw.errors import AxhwError
from axhw.sim.events import Change, Waveforms
from axhw.synth.names import VerilogNames
from axhw.synth.netlist import Netlist


def write_vcd(
    path: Path,
    netlist: Netlist,
    names: VerilogNames,
    waveforms: Waveforms,
    *,
    period_fs: int,
    clock_net: int | None = None,
    comment: str = "",
) -> None:
    """Write waveforms: the first vector holds for one period, then every period brings the next one.

    Ports are vectors; nets inside are called as in the netlist's Verilog, one variable a bit. The unit of time is 1 fs.

    Parameters
    ----------
    names
        Of `netlist`.
    clock_net : int, optional
        The net of the clock, which rises at the start of each operation and falls half a period later.
    comment : str
        For the header.

    Raises
    ------
    AxhwError
        If an operation does not settle within `period_fs`.
    """
    last_fs = max((operation[-1].time_fs for operation in waveforms.operations if operation), default=0)
    if last_fs >= period_fs:
        raise AxhwError(
            f"Expected a period in which {names.module} settles, more than {last_fs * 1e-6:.6g} ns, "
            f"found {period_fs * 1e-6:.6g} ns."
        )
    state = waveforms.initial.tolist()
    variables = _variables(netlist, names)
    carriers: dict[int, list[str]] = {}
    for name, nets in variables.items():
        for net in nets:
            carriers.setdefault(net, []).append(name)

    def value(name: str) -> int:
        return sum(state[net] << bit for bit, net in enumerate(variables[name]))

    with (
        path.open("w", encoding="ascii", newline="\n") as file,
        # A date would make equal waveforms differ.
        VCDWriter(file, timescale="1 fs", date="", comment=comment, version=f"axhw {__version__}") as writer,
    ):
        handles = {
            name: writer.register_var(names.module, name, "wire", size=len(nets), init=value(name))
            for name, nets in variables.items()
        }
        for number, operation in enumerate(waveforms.operations, start=1):
            changes = operation if clock_net is None else _with_clock(operation, clock_net, period_fs)
            for time_fs, together in itertools.groupby(changes, key=lambda change: change.time_fs):
                touched: dict[str, None] = {}
                for change in together:
                    state[change.net] = change.value
                    touched |= dict.fromkeys(carriers.get(change.net, ()))
                for name in touched:
                    writer.change(handles[name], number * period_fs + time_fs, value(name))
        writer.close(period_fs * (len(waveforms.operations) + 1))


def _with_clock(operation: tuple[Change, ...], clock_net: int, period_fs: int) -> list[Change]:
    clock = (Change(0, clock_net, 1), Change(period_fs // 2, clock_net, 0))
    return sorted((*clock, *operation), key=lambda change: change.time_fs)


def _variables(netlist: Netlist, names: VerilogNames) -> Mapping[str, tuple[int, ...]]:
    """Nets by the name of their variable, least significant bit first."""
    ports = {**netlist.inputs, **netlist.outputs}
    inside = {str(name): (net,) for name, net in names.nets.items() if name.base not in ports}
    return {**ports, **inside}

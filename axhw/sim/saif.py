"""Activity as a SAIF 2.0 file (backward, gate level), for power tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from axhw import __version__
from axhw.errors import AxhwError
from axhw.sim.activity import Activity
from axhw.synth.names import VerilogNames
from axhw.synth.netlist import CONSTANT_1, Netlist


def saif(
    netlist: Netlist,
    names: VerilogNames,
    activity: Activity,
    *,
    period_ps: int,
    clock_net: int | None = None,
    comments: Iterable[str] = (),
) -> str:
    """The SAIF file of an activity: all nets of the module, then the pins of every instance.

    T0 and T1 share the duration as the settled states do, TC counts every transition, glitches included. Tools that
    read instances rather than nets (OpenSTA) find each pin with the figures of its net.

    Parameters
    ----------
    names, activity
        Of `netlist`.
    period_ps : int
        Time of one operation: the duration is that times ``activity.pairs``.
    clock_net : int, optional
        The net of the clock: two transitions an operation, half of the time 1.
    comments : iterable of str
        Lines for the head of the file.

    Raises
    ------
    AxhwError
        If the period is below 1 ps.
    """
    if period_ps < 1:
        raise AxhwError(f"Expected a period of 1 ps or more, found {period_ps} ps.")
    duration = activity.pairs * period_ps
    one = activity.one_probability.copy()
    one[CONSTANT_1] = 1.0
    toggles = activity.transitions.copy()
    if clock_net is not None:
        one[clock_net], toggles[clock_net] = 0.5, 2 * activity.pairs
    high = np.rint(one * duration).astype(np.int64).tolist()
    counts = toggles.tolist()

    def state(name: str, net: int) -> str:
        return f"({_name(name)} (T0 {duration - high[net]}) (T1 {high[net]}) (TX 0) (TC {counts[net]}) (IG 0))"

    def block(nets: Iterable[tuple[str, int]], indent: str) -> Iterator[str]:
        yield f"{indent}(NET"
        yield from (f"{indent}  {state(name, net)}" for name, net in nets)
        yield f"{indent})"

    lines = [
        *(f"// {comment}" for comment in comments),
        "(SAIFILE",
        '  (SAIFVERSION "2.0")',
        '  (DIRECTION "backward")',
        f'  (DESIGN "{names.module}")',
        '  (PROGRAM_NAME "axhw")',
        f'  (VERSION "{__version__}")',
        "  (DIVIDER / )",
        "  (TIMESCALE 1 ps)",
        f"  (DURATION {duration})",
        f"  (INSTANCE {_name(names.module)}",
        *block(((str(name), net) for name, net in names.nets.items()), "    "),
    ]
    for instance, name in zip(netlist.instances, names.instances):
        lines += [f'    (INSTANCE "{instance.cell}" {_name(name)}', *block(instance.pins.items(), "      "), "    )"]
    return "\n".join([*lines, "  )", ")", ""])


def _name(name: str) -> str:
    """An identifier of SAIF: whatever is no letter, digit or underscore is escaped."""
    return re.sub(r"(?=\W)", r"\\", name)

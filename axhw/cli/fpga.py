"""``axhw fpga``: what a design takes of an FPGA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from axhw.cli.options import engine_option, json_option, print_json, progress
from axhw.cli.specs import element_options, enclose
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.fpga import TARGETS, FpgaUsage, OperatorSpec, Target, fpga_usage
from axhw.hdl.registry import DesignSpec
from axhw.hdl.spec import MultiplierSpec
from axhw.lookup import named_design
from axhw.store import Store
from axhw.synth.engines import find_engine


@click.command("fpga")
@click.argument("designs", nargs=-1, required=True)
@click.option(
    "--target", "targets", type=click.Choice(TARGETS), multiple=True, default=TARGETS, help="[default: all of them]"
)
@click.option("--operator", is_flag=True, help="Add what Yosys makes of a plain a * b of the first design's operands.")
@element_options
@engine_option
@json_option
def command(
    designs: tuple[str, ...],
    targets: tuple[Target, ...],
    operator: bool,
    engine: str | None,
    as_json: bool,
    **element: Any,
) -> None:
    """Count the LUTs, carry cells, flip-flops and DSP blocks of DESIGNS (specs, or names or keys of stored designs).

    \b
    axhw fpga roup:p=2,r=3 --target ice40
    axhw fpga exact roup:p=1,r=4 --operator
    """
    kind = element.pop("element")
    given = {key: value for key, value in element.items() if value is not None}
    specs = [_spec(word, kind, given) for word in designs]
    # The gates of our designs hold no multiplication that DSP blocks could do; the operator is one.
    jobs = [(spec, target, True) for spec in specs for target in targets]
    if operator:
        own = specs[0] if isinstance(specs[0], MultiplierSpec) else specs[0].multiplier
        plain = enclose(OperatorSpec(width=own.width, signed=own.signed), kind, given)
        jobs += [(plain, target, False) for target in targets]
    yosys = find_engine(engine)
    usages: list[FpgaUsage] = []
    with progress() as report:
        for spec, target, dsps in jobs:
            report(len(usages), len(jobs), f"{spec.name} on {target}")
            usages.append(fpga_usage(spec, target=target, engine=yosys, dsps=dsps))
    if as_json:
        print_json({"designs": [asdict(usage) for usage in usages]})
        return
    table = plain_table("design", "target", "LUTs", "muxes", "carry cells", "flip-flops", "DSPs", "checked", left=2)
    for usage in usages:
        figures = (usage.luts, usage.muxes, usage.carries, usage.flip_flops, usage.dsps)
        table.add_row(usage.name, usage.target, *map(str, figures), f"{usage.pairs:,} pairs")
    console = stdout()
    console.print(table)
    note = "; the operator without DSP blocks" if operator else ""
    console.print(f"[dim]{yosys}; LUTs have 6 inputs on xilinx (7 series), 4 elsewhere{note}[/dim]", soft_wrap=True)


def _spec(word: str, element: str | None, parameters: Mapping[str, Any]) -> DesignSpec:
    """A spec as typed, or that of a stored design, inside the element."""
    spec = named_design(word, Store.default())
    if isinstance(spec, MultiplierSpec):
        return enclose(spec, element, parameters)
    if element is not None:
        raise AxhwError(f"Expected a multiplier to put into the element {element}, found {spec.name}.")
    return spec

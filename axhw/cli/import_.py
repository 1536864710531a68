"""``axhw import``: somebody else's multiplier, made a design."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from axhw.cli.options import PATH, engine_option, json_option, library_option, print_json, stderr, surroundings_options
from axhw.cli.record_text import print_design
from axhw.cli.stages import Stages
from axhw.errors import AxhwError
from axhw.export import write_design
from axhw.files import output_folder
from axhw.flow import Flow
from axhw.importer.chromosome import Dialect
from axhw.importer.design import import_design
from axhw.importer.ports import OperandOrder
from axhw.importer.source import FORMATS, BitOrder, Reading
from axhw.importer.table_file import IndexOrigin
from axhw.library.archive import Archive
from axhw.measure import MIN_PAIRS, Conditions


@click.command("import")
@click.argument("file", type=PATH)
@click.option("--signed/--unsigned", "signed", default=None, help="What the operands are: one must be given.")
@click.option("--name", metavar="WORD", default=None, help="Of the design. [default: that of the module or file]")
@click.option("--format", type=click.Choice(FORMATS), default=None, help="What FILE is. [default: by its suffix]")
@click.option("--top", metavar="MODULE", default=None, help="Verilog, BLIF: the module. [default: the one it can be]")
@click.option(
    "--with",
    "beside",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Verilog: another source, or a file that it includes; once for each.",
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Verilog: parameter of the module; once for each.",
)
@click.option(
    "--supply",
    "supplies",
    multiple=True,
    metavar="NAME",
    help="Verilog, BLIF: port and pin of power or ground that the library doesn't name; once for each.",
)
@click.option("--a", metavar="PORT", default=None, help="Verilog, BLIF: operand a, the activation.")
@click.option("--b", metavar="PORT", default=None, help="Verilog, BLIF: operand b, the weight.")
@click.option("--product", metavar="PORT", default=None, help="Verilog, BLIF: the product.")
@click.option(
    "--operands",
    type=click.Choice(get_args(OperandOrder)),
    default=None,
    help="Which comes first: ports, inputs of a chromosome, low half of a common port; rows of a table.",
)
@click.option(
    "--operand-bits",
    type=click.Choice(get_args(BitOrder)),
    default="lsb",
    show_default=True,
    help="Circuits: the operands' first bit.",
)
@click.option(
    "--product-bits",
    type=click.Choice(get_args(BitOrder)),
    default="lsb",
    show_default=True,
    help="Circuits: the product's first bit; older ArithsGen chromosomes need msb.",
)
@click.option(
    "--dialect",
    type=click.Choice(get_args(Dialect)),
    default=None,
    help="Chromosomes: inputs begin at signal 0 (plain), or at 2 behind constants. [default: as the nodes tell]",
)
@click.option(
    "--index-origin",
    type=click.Choice(get_args(IndexOrigin)),
    default=None,
    help="Signed bare tables: the first row is for the lowest operand, or rows follow two's complement codes.",
)
@click.option(
    "--reference",
    type=PATH,
    default=None,
    help="Table that the products must equal: .npz, .csv, or an array from the lowest operands up, rows for a.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=MIN_PAIRS),
    default=Conditions.pairs,
    show_default=True,
    help="Operand pairs for energy.",
)
@click.option("--seed", type=int, default=Conditions.seed, show_default=True, help="Seed of the operand stream.")
@surroundings_options
@click.option("--out", type=PATH, default=None, help="Folder for design.v, netlist.v, lut.csv, ...")
@library_option
@engine_option
@json_option
def command(
    file: Path,
    signed: bool | None,
    name: str | None,
    reference: Path | None,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
    **reading: Any,
) -> None:
    """Make a design of your own multiplier: Verilog, BLIF, a CGP chromosome, gates, or a table of products.

    Circuits are verified over all pairs and costed as `axhw gen` does; a table has errors but no cost. The design can
    then be named wherever a multiplier can. Exits with 1 if the products are not those of --reference.

    \b
    axhw import mul8u.v --unsigned
    axhw import top.v --unsigned --with adder.v --with sizes.vh --param N=8
    axhw import mapped.v --signed --library my.lib --a X --b Y --product P
    axhw import routed.v --signed --supply VDD --supply VSS
    axhw import mul8.chr --unsigned --dialect arithsgen --product-bits msb
    axhw import table.npy --signed --index-origin codes --name mine
    axhw eval -m mine
    """
    if signed is None:
        raise AxhwError(f"Expected --signed or --unsigned, found neither: {file.name} does not say it reliably.")
    if out is not None:
        output_folder(out)
    stages = Stages()
    stages.begin("load library")
    conditions = Conditions(
        pairs=pairs, seed=seed, input_slew_ns=input_slew_ns, output_load_ff=output_load_ff, wire_load=wire_load
    )
    flow = Flow.of(library=library, engine=engine, conditions=conditions)
    with stderr.status(file.name) as status:

        def stage(what: str) -> None:
            status.update(f"{file.name}: {what}")
            stages.begin(what)

        record = import_design(
            file,
            Reading(signed=signed, **reading),
            flow=flow,
            name=name,
            reference=reference,
            shipped=Archive().named,
            stage=stage,
            note=lambda sentence: click.echo(f"axhw: {sentence}", err=True),
        )
        if out is not None:
            stage("write")
            files = {file: str(path) for file, path in write_design(record, out).items()}
        else:
            files = {path.name: str(path) for path in record.files}
    stages.end()
    document = {**record.summary(), "files": files, "seconds": stages.seconds}
    if as_json:
        print_json(document)
    else:
        print_design(record, document, out=out)

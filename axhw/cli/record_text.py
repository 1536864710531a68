"""A design as ``axhw gen`` and ``axhw import`` print it for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from axhw.cli.tables import stdout
from axhw.record import DesignRecord
from axhw.synth.cost import Cost


def print_design(
    record: DesignRecord, document: Mapping[str, Any], *, baseline_name: str | None = None, out: Path | None = None
) -> None:
    """Print a record on standard output.

    Parameters
    ----------
    document : mapping
        The record's summary, with ratios to a baseline and FPGA resources where they were asked for.
    baseline_name : str, optional
    out : Path, optional
        Where the files are; in the store by default.
    """
    cost = record.cost
    table = Table(
        title=f"[bold]{record.name}[/bold]", title_justify="left", show_header=False, box=None, padding=(0, 2)
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_column(style="dim")
    if cost is not None:
        _add_cost(table, record, cost, document, baseline_name)
        table.add_section()
    _add_errors(table, record)
    table.add_section()
    checked = "verified" if cost is not None else "imported"
    table.add_row(checked, f"{record.verification.pairs:,}", "pairs", record.verification.method)
    for usage in document.get("fpga", ()):
        others = f"{usage['carries']} carry cells, {usage['flip_flops']} flip-flops, {usage['dsps']} DSPs"
        table.add_row(usage["target"], str(usage["luts"]), "LUTs", others)
    console = stdout()
    console.print(table)
    if cost is not None:
        console.print(f"[dim]{cost.library} ({cost.corner}), {cost.engine}; operands: {cost.stream}[/dim]")
        slew, load = f"input slew {cost.input_slew_ns:.4g} ns", f"output load {cost.output_load_ff:.4g} fF"
        console.print(f"[dim]{slew}, {load}, wires {cost.wire_load}[/dim]")
    console.print(f"[dim]files in {out if out is not None else record.folder}[/dim]", soft_wrap=True)


def _add_cost(
    table: Table, record: DesignRecord, cost: Cost, document: Mapping[str, Any], baseline_name: str | None
) -> None:
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


def _add_errors(table: Table, record: DesignRecord) -> None:
    metrics = record.metrics
    table.add_row("MAE", f"{metrics.mae:,.4f}", "", f"{metrics.mae_pct:.4f} % of 2^{2 * record.multiplier.width}")
    table.add_row(
        "WCE", f"{metrics.wce:,.0f}", "", f"{metrics.wce_pct:.4f} %" + (" (largest seen)" if metrics.sampled else "")
    )
    table.add_row("MRE", f"{metrics.mre_pct:.4f}", "%", "over pairs whose product is not 0")
    table.add_row("error probability", f"{metrics.ep_pct:.4f}", "%", "")
    table.add_row("bias", f"{metrics.bias:,.4f}", "", f"variance {metrics.variance:,.4f}")
    table.add_row("rank of the table", "unknown" if record.rank is None else str(record.rank), "", "")

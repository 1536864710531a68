"""``axhw ls``: the stored designs."""

from __future__ import annotations

import click

from axhw.cli.options import json_option, print_json
from axhw.cli.tables import plain_table, stdout
from axhw.record import DesignRecord
from axhw.store import Store

_FIGURES = ("area_um2", "delay_ns", "energy_fj", "mae", "wce", "mre_pct", "rank")


@click.command("ls")
@json_option
def command(as_json: bool) -> None:
    """List the stored designs, oldest first."""
    store = Store.default()
    summaries = [DesignRecord.from_entry(entry).summary() for entry in store.designs()]
    if as_json:
        print_json({"store": str(store.root), "designs": summaries})
        return
    table = plain_table("name", "key", "um2", "ns", "fJ", "MAE", "WCE", "MRE %", "rank", "library", left=2)
    for summary in summaries:
        figures = (_text(summary[column]) for column in _FIGURES)
        table.add_row(summary["name"], summary["key"][:8], *figures, summary["library"])
    console = stdout()
    if summaries:
        console.print(table)
    console.print(f"[dim]{len(summaries)} designs in {store.root}[/dim]", soft_wrap=True)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)

"""``axhw ls``: shipped and stored designs, all or some, in any order, or their Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from axhw.cli.options import PATH, json_option, print_json, warn_of_unreadable
from axhw.cli.tables import plain_table, stdout, value_text
from axhw.errors import AxhwError
from axhw.index import Index
from axhw.library.catalogue import Catalogue
from axhw.mixed.record import MixedRecord, stored_mixed
from axhw.selection import check_column, choose, columns_of, flat_row, pareto_front
from axhw.store import Store

_HEADINGS = {
    "area_um2": "um2",
    "delay_ns": "ns",
    "energy_fj": "fJ",
    "mae": "MAE",
    "wce": "WCE",
    "mre_pct": "MRE %",
    "rank": "rank",
}


@click.command("ls")
@click.option("--where", metavar="CONDITION", default=None, help="Only designs like 'mae_pct<0.5 and family=roup'.")
@click.option("--sort", metavar="COLUMN", default=None, help="Order. [default: oldest first]")
@click.option("--desc", is_flag=True, help="Largest first.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="At most so many.")
@click.option("--pareto", metavar="COLUMN,...", default=None, help="Only designs that no other beats in all of these.")
@click.option("--figure", type=PATH, default=None, help="Draw the front of --pareto X,Y: FILE.svg or .png.")
@click.option("--own", is_flag=True, help="Only the designs of your store.")
@click.option("--shipped", is_flag=True, help="Only the designs that come with axhw.")
@json_option
def command(
    where: str | None,
    sort: str | None,
    desc: bool,
    limit: int | None,
    pareto: str | None,
    figure: Path | None,
    own: bool,
    shipped: bool,
    as_json: bool,
) -> None:
    """List the designs that come with axhw, then those of your store, oldest first.

    Behind them, where nothing is chosen, come your designs of several multipliers (`axhw mixed`).

    \b
    axhw ls --where 'mae_pct<0.5 and (family=roup or family=bam)' --sort energy_fj --limit 10
    axhw ls --pareto mae_pct,energy_fj --figure front.svg
    """
    if desc and sort is None:
        raise AxhwError("Expected --sort COLUMN beside --desc, found no column to order by.")
    if own and shipped:
        raise AxhwError("Expected --own or --shipped, found both: without them designs of both kinds are listed.")
    axes = [] if pareto is None else [column.strip() for column in pareto.split(",")]
    if figure is not None:
        if len(axes) != 2:
            raise AxhwError(f"Expected --pareto X,Y with two columns to draw a figure of, found {pareto or 'none'}.")
        from axhw.report.front import check_figure_path

        check_figure_path(figure)
    store = Store.default()
    catalogue = Catalogue(store)
    listing = catalogue.shipped() if shipped else catalogue.summaries()
    summaries = {summary["key"]: summary for summary in listing if not own or not summary["shipped"]}
    everything = where is None and not axes and sort is None and limit is None and not shipped
    mixed, unreadable = stored_mixed(store) if everything else ([], [])
    warn_of_unreadable([*Index(store).unreadable(), *unreadable])
    rows = [flat_row(summary) for summary in summaries.values()]
    columns = columns_of(rows)
    for column in [*axes, *filter(None, [sort])] if rows else ():
        check_column(column, columns)
    chosen = choose(rows, where=where)
    listed = pareto_front(chosen, axes) if axes else chosen
    if sort is not None:
        listed = choose(listed, sort=sort, descending=desc)
    if figure is not None:
        _draw(chosen, listed, axes, figure)
    listed = listed[:limit]
    if as_json:
        document: dict[str, Any] = {"store": str(store.root), "designs": [summaries[row["key"]] for row in listed]}
        document["mixed"] = [record.summary() for record in mixed]
        if figure is not None:
            document["figure"] = str(figure)
        print_json(document)
        return
    named = [column for column in [*axes, sort] if column is not None]
    console = stdout()
    if listed:
        console.print(_table(listed, named))
    number = f"{len(listed)} designs" if len(listed) == len(rows) else f"{len(listed)} of {len(rows)} designs"
    from_axhw = sum(row["shipped"] for row in rows)
    place = f"{from_axhw} of them shipped with axhw, the others in {store.root}" if from_axhw else f"in {store.root}"
    console.print(f"[dim]{number}, {place}[/dim]" if from_axhw else f"[dim]{number} {place}[/dim]", soft_wrap=True)
    if figure is not None:
        console.print(f"[dim]figure in {figure}[/dim]", soft_wrap=True)
    if mixed:
        console.print(_mixed_table(mixed))


def _draw(rows: Sequence[dict[str, Any]], front: Sequence[dict[str, Any]], axes: Sequence[str], path: Path) -> None:
    # matplotlib takes longer to import than thousands of designs to list.
    from axhw.report.front import draw_front, save_figure

    save_figure(draw_front(rows, front, x=axes[1], y=axes[0]), path)


def _table(rows: Sequence[dict[str, Any]], named: Sequence[str]) -> Any:
    """A row per design; the columns that the user named come after the usual ones."""
    figures = list(dict.fromkeys([*_HEADINGS, *(name for name in named if name not in ("name", "key", "library"))]))
    table = plain_table("name", "key", *(_HEADINGS.get(figure, figure) for figure in figures), "library", left=2)
    for row in rows:
        table.add_row(
            row["name"],
            row["key"][:8],
            *(value_text(row.get(figure)) for figure in figures),
            value_text(row["library"]),
        )
    return table


def _mixed_table(records: Sequence[MixedRecord]) -> Any:
    """A row per design of several multipliers; energies are those of its ways."""
    table = plain_table("several multipliers", "key", "um2", "ns", "fJ", "library", left=2)
    for record in records:
        cost = record.costs[0]
        energies = sorted(way.energy_fj for way in record.ways)
        spent = f"{value_text(energies[0])} to {value_text(energies[-1])}"
        figures = (value_text(cost.area_um2), value_text(cost.delay_ns), spent)
        table.add_row(record.name, record.key[:8], *figures, value_text(cost.library))
    return table

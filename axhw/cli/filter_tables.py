"""What ``axhw eval --each-filter`` prints and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from axhw.cli.tables import plain_table, stdout
from axhw.evaluation import write_rows

_STEM = "sensitivity-filters"

Row = Mapping[str, Any]


def print_filters(rows: Sequence[Row]) -> None:
    """A line for each multiplier and layer.

    Parameters
    ----------
    rows : sequence of `axhw.search.sites.site_row`
    """
    console, first = stdout(), rows[0]
    console.print(f"{first['network']} on {first['dataset']}, {first['split']} split: {first['images']:,} images")
    heads = ("filters", "loss: largest", "changed: mean", "largest", "rise: mean", "largest", "of filter")
    table = plain_table("multiplier", "layer", "", *heads, left=3)
    for name, layer in dict.fromkeys((row["name"], row["layer"]) for row in rows):
        own = [row for row in rows if (row["name"], row["layer"]) == (name, layer)]
        worst = max(own, key=lambda row: float(row["cross_entropy_rise"]))
        changed = [row["changed_pct"] for row in own]
        table.add_row(
            name,
            str(worst["number"]),
            layer,
            str(len(own)),
            f"{max(row['loss_pct'] for row in own):.2f}",
            f"{sum(changed) / len(own):.2f} %",
            f"{max(changed):.2f} %",
            f"{sum(row['cross_entropy_rise'] for row in own) / len(own):.5f}",
            f"{worst['cross_entropy_rise']:.5f}",
            str(worst["filter"]),
        )
    console.print(table)
    console.print(
        "[dim]one filter approximate, all else exact; losses in points of accuracy, images put into another class, "
        "rises of the cross entropy in nats; filters count from 0[/dim]",
        soft_wrap=True,
    )


def write_filters(rows: Sequence[Row], folder: Path) -> list[Path]:
    """A CSV file and a figure."""
    # matplotlib is slow to import.
    from axhw.report.front import save_figure
    from axhw.report.sites import draw_filters

    first, figure = rows[0], folder / f"{_STEM}.svg"
    about = f"{first['network']} on {first['dataset']}, {first['split']}: {first['images']:,} images"
    save_figure(draw_filters(rows, about=about), figure)
    return [write_rows(rows, folder / f"{_STEM}.csv"), figure]

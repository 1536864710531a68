"""How tables look on a terminal: no frames, names at the left, figures at the right."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_FILE_WIDTH = 160
_WIDEST = 10_000


class Terminal(Console):
    """Prints tables with all of their figures: narrow terminals wrap lines, as a number that is cut off misleads."""

    def print(self, *objects: Any, **options: Any) -> None:
        given = self.width
        self.width = max([given, *(self._needed(each) for each in objects if isinstance(each, Table))])
        try:
            super().print(*objects, **options)
        finally:
            self.width = given

    def _needed(self, table: Table) -> int:
        wide = self.options.update(max_width=_WIDEST)
        for column in table.columns:
            if column.no_wrap:
                # Else Rich takes the longest word of a cell to be enough.
                cells = (column.header, *column.cells)
                column.min_width = max(Measurement.get(self, wide, cell).maximum for cell in cells)
        return Measurement.get(self, wide, table).minimum


def stdout() -> Console:
    """Standard output; as wide as the terminal, and wide enough for any table where there is none."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=_FILE_WIDTH)


def figure_text(value: float) -> str:
    """Four digits of a number, and all of those before the point.

    >>> figure_text(0.0253444), figure_text(1351.54), figure_text(64418.1), figure_text(3792643.8), figure_text(1.5e12)
    ('0.02534', '1,352', '64,418', '3,792,644', '1.5e+12')
    """
    if isinstance(value, int) or 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def points_of_accuracy(percentage: float) -> str:
    """A difference between two shares of images: no share of the accuracy itself.

    >>> points_of_accuracy(1.0), points_of_accuracy(2.5)
    ('1 point', '2.5 points')
    """
    return f"{percentage:g} point{'' if percentage == 1 else 's'}"


def value_text(value: object) -> str:
    """Anything in a table: numbers as `figure_text`, and a dash for what is not known."""
    if value is None:
        return "-"
    return figure_text(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def plain_table(*columns: str, title: str | None = None, left: int = 1) -> Table:
    """A table whose first `left` columns are text; the first of them and all figures are in one line."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(
            column, justify="left" if position < left else "right", no_wrap=position == 0 or position >= left
        )
    return table

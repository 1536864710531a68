"""How tables look on a terminal: no frames, names at the left, figures at the right."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_FILE_WIDTH = 160
_WIDEST = 10_000


def stdout() -> Console:
    """Standard output; as wide as the terminal, and wide enough for any table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def print_whole(table: Table, console: Console | None = None) -> None:
    """A table with all of its figures: narrow terminals wrap its lines, as a number that is cut off misleads."""
    console = stdout() if console is None else console
    whole = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    console.width = max(console.width, whole)
    console.print(table)


def figure_text(value: float) -> str:
    """Four digits of a number, and all of those before the point.

    >>> figure_text(0.0253444), figure_text(1351.54), figure_text(64418.1), figure_text(3792643.8), figure_text(1.5e12)
    ('0.02534', '1,352', '64,418', '3,792,644', '1.5e+12')
    """
    if isinstance(value, int) or 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def plain_table(*columns: str, title: str | None = None, left: int = 1) -> Table:
    """A table whose first `left` columns are text; the first is never cut."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < left else "right", no_wrap=position == 0)
    return table

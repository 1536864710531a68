"""How tables look on a terminal: no frames, names at the left, figures at the right."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 160


def stdout() -> Console:
    """Standard output; as wide as the terminal, and wide enough for any table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def plain_table(*columns: str, title: str | None = None, left: int = 1) -> Table:
    """A table whose first `left` columns are text; the first is never cut."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < left else "right", no_wrap=position == 0)
    return table

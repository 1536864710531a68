"""Tables of reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, its first column at the left, the others at the right."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join(["---", *["---:"] * (len(columns) - 1)]) + " |"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)

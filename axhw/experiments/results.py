"""A study as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from axhw.evaluation import write_rows
from axhw.files import replacing
from axhw.report.study import Block, Study, Table, write_study

_CLAIM = ("claim", "paper", "ours", "basis")


def claims_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of `axhw.experiments.claims.Claim`, and first whether each is met."""
    heads = ("", "claim", "paper", "here", "basis")
    cells = [("met" if row["met"] else "**not met**", *(row[name] for name in _CLAIM)) for row in rows]
    return Table(heads=heads, rows=cells, left=len(heads))


def claims_blocks(document: Mapping[str, Any], *, rows: str = "rows") -> list[Block]:
    """The table of claims, and that of those which lack something: `rows` says what."""
    blocks: list[Block] = [claims_table(document["claims"])] if document["claims"] else []
    if missing := document["missing"]["claims"]:
        cells = [(row["claim"], row["lacks"]) for row in missing]
        blocks += [f"Claims that lack {rows}:", Table(heads=("claim", "lacks"), rows=cells, left=2)]
    return blocks


def write_document(
    study: Study,
    document: Mapping[str, Any],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    folder: Path,
    *,
    name: str,
) -> list[Path]:
    """Write name.md, name.html, its figures as SVG and PNG, name.json, and a CSV file for each table that has rows.

    Parameters
    ----------
    study : Study
        What the reports tell.
    document : mapping
        All results as JSON values.
    tables : mapping of str to sequence of mapping
        Rows of equal columns, by the stem of their file.
    folder : Path
        An existing one.
    name : str

    Returns
    -------
    list of Path
        The reports first.
    """
    files = write_study(study, folder, name=name)
    files.append(folder / f"{name}.json")
    with replacing(files[-1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    files += [write_rows(rows, folder / f"{stem}.csv") for stem, rows in tables.items() if rows]
    return files

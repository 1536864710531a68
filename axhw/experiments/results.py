"""A study as files."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from axhw import __version__
from axhw.evaluation import write_rows
from axhw.files import replacing
from axhw.report.study import Block, Section, Study, Table, write_study

Document: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Mapping[str, Any]]

_CLAIM = ("claim", "paper", "ours", "basis")


def claims_table(rows: Rows) -> Table:
    """Rows of `axhw.experiments.claims.Claim`, and first whether each is met."""
    heads = ("", "claim", "paper", "here", "basis")
    cells = [("met" if row["met"] else "**not met**", *(row[name] for name in _CLAIM)) for row in rows]
    return Table(heads=heads, rows=cells, left=len(heads))


def claims_blocks(document: Document, *, rows: str = "rows") -> list[Block]:
    """The table of claims, and that of those which lack something: `rows` says what."""
    blocks: list[Block] = [claims_table(document["claims"])] if document["claims"] else []
    if missing := document["missing"]["claims"]:
        cells = [(row["claim"], row["lacks"]) for row in missing]
        blocks += [f"Claims that lack {rows}:", Table(heads=("claim", "lacks"), rows=cells, left=2)]
    return blocks


def made_by(command: str) -> str:
    """The beginning of a report: what made it, and where."""
    return (
        f"Made by `{command}` with axhw {__version__}, Python {platform.python_version()} on {platform.machine()}, "
        f"{os.cpu_count()} processors"
    )


def tables_named(*names: str) -> Callable[[Document], Mapping[str, Rows]]:
    """`Report.tables` that are in the document under the names of their files."""
    return lambda document: {name: document[name] for name in names}


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a study is told and written.

    Attributes
    ----------
    name : str
        Stem of its files.
    title : str
    opening : callable
        Gives the paragraphs before the first section.
    sections : mapping of str to callable
        By title, what gives their blocks; those without any are left out.
    tables : callable
        Gives rows of equal columns, by the stem of their file.

    All of them take the document: the results as JSON values, as the `Experiment.run` of the study gives them.
    """

    name: str
    title: str
    opening: Callable[[Document], list[str]]
    sections: Mapping[str, Callable[[Document], list[Block]]]
    tables: Callable[[Document], Mapping[str, Rows]]

    def study(self, document: Document) -> Study:
        """The report."""
        found = (Section(title=title, blocks=blocks(document)) for title, blocks in self.sections.items())
        return Study(
            title=self.title,
            opening=self.opening(document),
            sections=[section for section in found if section.blocks],
        )

    def write(self, document: Document, folder: Path) -> list[Path]:
        """Write name.md, name.html, its figures as SVG and PNG, name.json, and a CSV file for each table with rows.

        Parameters
        ----------
        document : mapping
        folder : Path
            An existing one.

        Returns
        -------
        list of Path
            The reports first.
        """
        files = write_study(self.study(document), folder, name=self.name)
        files.append(folder / f"{self.name}.json")
        with replacing(files[-1]) as draft:
            draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        files += [write_rows(rows, folder / f"{stem}.csv") for stem, rows in self.tables(document).items() if rows]
        return files

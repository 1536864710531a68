"""A study told once, and written twice: as Markdown with figures in files, and as one HTML page with figures inside.

A study has sections, a section has blocks: paragraphs, tables and pictures. Texts may hold ``code``, **bold** and
*stressed* words and [links](page.html) as Markdown has them, and nothing else of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from axhw.files import replacing
from axhw.report.render import inline_svg, to_png, to_svg

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\*(?P<stressed>[^*\s][^*]*)\*|\[(?P<text>[^\]]+)\]\((?P<link>[^)\s]+)\)"
)
# No other scheme than these, so no script: a path of the same site, a place in the page, or the web.
_SAFE_LINK = re.compile(r"https?://|#|[\w./-]+(?:#|$)")
# Cells longer than that are prose, which may be broken into lines.
_LONGEST_LABEL = 30


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of texts and numbers.

    Attributes
    ----------
    heads : sequence of str
    rows : sequence of sequences
        A cell for each head, shown as `str` has it.
    left : int
        So many columns from the left hold text, the others numbers.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure.

    Attributes
    ----------
    stem : str
        Name of its files, without the ending; unique in a study.
    caption : str
        What it shows.
    figure : Figure
    """

    stem: str
    caption: str
    figure: Figure


Block: TypeAlias = str | Table | Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """Paragraphs, tables and pictures under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A report.

    Attributes
    ----------
    title : str
    opening : sequence of str
        Paragraphs that say what was done.
    sections : sequence of Section
    """

    title: str
    opening: Sequence[str]
    sections: Sequence[Section]

    @property
    def pictures(self) -> Iterator[Picture]:
        """All of them, in order."""
        return (block for section in self.sections for block in section.blocks if isinstance(block, Picture))


def write_study(study: Study, folder: Path, *, name: str) -> list[Path]:
    """Write name.md, name.html, and each picture as an SVG and a PNG file; equal input gives equal files.

    Parameters
    ----------
    study : Study
    folder : Path
        An existing one.
    name : str
        Of the report's files.

    Returns
    -------
    list of Path
        The two reports first.
    """
    drawn = {picture.stem: to_svg(picture.figure) for picture in study.pictures}
    files = {
        folder / f"{name}.md": markdown(study).encode(),
        folder / f"{name}.html": html(study, drawn).encode(),
    }
    for picture in study.pictures:
        files[folder / f"{picture.stem}.svg"] = drawn[picture.stem].encode()
        files[folder / f"{picture.stem}.png"] = to_png(picture.figure)
    for path, content in files.items():
        with replacing(path) as draft:
            draft.write_bytes(content)
    return list(files)


def markdown(study: Study) -> str:
    """The study as Markdown, with pictures from PNG files beside it."""
    parts = [f"# {study.title}", *study.opening]
    for section in study.sections:
        parts += [f"## {section.title}", *map(_markdown_block, section.blocks)]
    return "\n\n".join(parts) + "\n"


def html(study: Study, drawn: dict[str, str] | None = None) -> str:
    """The study as one page that needs no other file.

    Parameters
    ----------
    study : Study
    drawn : mapping of str to str, optional
        The SVG documents of the pictures by their stem, where the caller has them.
    """
    svg = {picture.stem: to_svg(picture.figure) for picture in study.pictures} if drawn is None else drawn
    loader = PackageLoader("axhw.report", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"inline": _inline, "anchor": anchor, "prose": _is_prose}
    environment.tests |= {
        "table": lambda block: isinstance(block, Table),
        "picture": lambda block: isinstance(block, Picture),
    }
    figures = {
        picture.stem: Markup(inline_svg(svg[picture.stem], prefix=picture.stem, label=picture.caption))
        for picture in study.pictures
    }
    return environment.get_template("study.html.j2").render(study=study, figures=figures)


def anchor(title: str) -> str:
    """The identifier of a section.

    >>> anchor("Searches at equal evaluations, of ResNet-8")
    'searches-at-equal-evaluations-of-resnet-8'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _markdown_block(block: Block) -> str:
    if isinstance(block, Picture):
        return f"![{block.caption}]({block.stem}.png)"
    if isinstance(block, str):
        return block
    rule = ["---" if place < block.left else "---:" for place in range(len(block.heads))]
    lines = ([str(cell).replace("|", r"\|") for cell in cells] for cells in (block.heads, rule, *block.rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _inline(text: object) -> Markup:
    """A text with its marks as elements, everything else escaped."""
    source, found, place = str(text), [], 0
    for match in _INLINE.finditer(source):
        found += [escape(source[place : match.start()]), _marked(match)]
        place = match.end()
    return Markup("").join([*found, escape(source[place:])])


def _marked(match: re.Match[str]) -> Markup:
    if match["code"] is not None:
        return Markup("<code>{}</code>").format(match["code"])
    if match["bold"] is not None:
        return Markup("<strong>{}</strong>").format(match["bold"])
    if match["stressed"] is not None:
        return Markup("<em>{}</em>").format(match["stressed"])
    if not _SAFE_LINK.match(match["link"]):
        return escape(match.group())
    return Markup('<a href="{}">{}</a>').format(match["link"], match["text"])


def _is_prose(cell: object) -> bool:
    return len(str(cell)) > _LONGEST_LABEL

"""The page: complete, self-contained, escaped, reproducible."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from axhw.errors import AxhwError
from axhw.report.columns import COLUMNS
from axhw.report.comparison import ReportedDesign
from axhw.report.page import write_report

DATE = datetime.date(2026, 1, 31)
LINKS = [("all figures", "data/multipliers 1.csv")]
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"
VOID = {"meta", "link", "wbr", "br", "img"}
MakeDesign = Callable[..., ReportedDesign]


class Page(HTMLParser):
    """Text, attributes and table rows of a page; refuses tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "span" and self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += " "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def write(folder: Path, designs: list[ReportedDesign], **options: Any) -> tuple[str, list[Path]]:
    paths = write_report(
        folder, designs, **{"title": "A report", "command": "axhw demo --out here", "date": DATE, **options}
    )
    return paths[0].read_text(encoding="utf-8"), paths


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report of the three designs, written once."""

    folder: Path
    html: str
    page: Page
    paths: list[Path]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, designs: list[ReportedDesign]) -> Report:
    folder = tmp_path_factory.mktemp("report")
    html, paths = write(folder, designs, links=LINKS)
    return Report(folder=folder, html=html, page=Page(html), paths=paths)


def test_table_holds_every_number(report: Report) -> None:
    groups, headings, *rows = report.page.rows
    assert groups == ["", "Cost", "Error over all operand pairs", "Proof", "Network"]
    assert headings[:4] == ["design", "area µm²", "delay ns", "energy fJ"]
    assert len(headings) == 1 + len(COLUMNS)
    assert [row[:4] for row in rows] == [
        ["exact8s baseline", f"1234 1.00{TIMES}", f"2.35 1.00{TIMES}", f"400 1.00{TIMES}"],
        ["roup8s_p1_r4", f"1234 1.00{TIMES}", f"2.35 1.00{TIMES}", f"260 0.65{TIMES}"],
        ["roup8s_p2_r3", f"1234 1.00{TIMES}", f"2.35 1.00{TIMES}", f"123 0.31{TIMES}"],
    ]
    assert [row[4:11] for row in rows] == [
        ["0.00", "0.0000", "0", "0.000", "0.00", "1", "65,536"],
        ["73.24", "0.1118", "356", "6.506", f"{MINUS}0.25", "3", "65,536"],
        ["266.10", "0.4060", "1224", "17.094", f"{MINUS}0.25", "2", "65,536"],
    ]
    assert [row[11:] for row in rows] == [
        ["99.0", "99.0", "98.8", f"0.410 1.00{TIMES}"],
        ["99.0", "99.2", "98.8", f"0.266 0.65{TIMES}"],
        ["99.0", "97.0", "98.8", f"0.126 0.31{TIMES}"],
    ]


def test_page_says_how_it_was_made(report: Report) -> None:
    page = report.page
    for fact in ("A report", "axhw demo --out here", "2026-01-31", "8193 uniform pairs, seed 7", "yosys 0.50"):
        assert fact in page.text
    for column in COLUMNS:
        assert column.meaning in page.text
        assert ("th", "title", column.meaning) in page.attributes
    assert ("a", "href", "data/multipliers%201.csv") in page.attributes


def test_only_the_baseline_row_is_marked(tmp_path: Path, designs: list[ReportedDesign]) -> None:
    html, _ = write(tmp_path, designs, baseline="roup8s_p1_r4")
    page = Page(html)
    assert page.attributes.count(("tr", "class", "baseline")) == 1
    assert [row[0] for row in page.rows[2:]] == ["exact8s", "roup8s_p1_r4 baseline", "roup8s_p2_r3"]
    assert page.rows[2][3] == f"400 1.54{TIMES}"


def test_page_is_self_contained(report: Report) -> None:
    for path in (path for path in report.paths if path.suffix in (".html", ".svg")):
        text = path.read_text(encoding="utf-8")
        rest = re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]+"', "", text)
        # The document type of a standalone SVG, which nothing fetches.
        rest = rest.replace('"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"', "")
        assert not re.findall(r"\w+://|@import", rest)
    assert "<script" not in report.html
    assert not [value for _, name, value in report.page.attributes if name == "src"]
    links = [value for tag, name, value in report.page.attributes if name in ("href", "xlink:href") and tag != "a"]
    assert links
    assert all(value.startswith(("#", "data:")) for value in links)


def test_identifiers_are_unique(report: Report) -> None:
    identifiers = [value for _, name, value in report.page.attributes if name == "id"]
    assert len(identifiers) > 50
    assert len(set(identifiers)) == len(identifiers)


def test_figures_are_inline_and_files(report: Report) -> None:
    stems = ["energy", "accuracy_energy", "error_energy", "error_map_1_roup8s_p1_r4", "error_map_2_roup8s_p2_r3"]
    expected = [f"figures/{stem}.{kind}" for stem in [*stems, "error_maps"] for kind in ("svg", "png")]
    assert [path.relative_to(report.folder).as_posix() for path in report.paths] == ["index.html", *expected]
    assert all(path.stat().st_size > 1000 for path in report.paths)
    assert report.html.count("<svg ") == len(stems)


def test_exact_designs_alone_have_no_error_figures(tmp_path: Path, designs: list[ReportedDesign]) -> None:
    html, paths = write(tmp_path, designs[:1])
    assert [path.name for path in paths[1:]] == [
        f"{stem}.{kind}" for stem in ("energy", "accuracy_energy") for kind in ("svg", "png")
    ]
    assert "Where the errors are" not in html


def test_everything_is_escaped(tmp_path: Path, make_design: MakeDesign) -> None:
    evil = '<script>alert("1")</script>&amp;'
    designs = [
        make_design("exact"),
        make_design("roup:p=1,r=4", name=evil, energy_fj=200.0),
    ]
    html, paths = write(tmp_path, designs, title=evil, command=evil, links=[(evil, "javascript:alert(1)")])
    page = Page(html)
    assert "script" not in {tag for tag, _, _ in page.attributes}
    assert "<script" not in html
    # Title twice, command, link, row, summary, and the labels of three charts.
    assert page.text.count(evil) == 9
    assert ("a", "href", "javascript%3Aalert%281%29") in page.attributes
    assert all(path.parent.parent == tmp_path for path in paths[1:])


def test_same_input_same_bytes_in_place_of_an_older_report(
    tmp_path: Path, report: Report, designs: list[ReportedDesign]
) -> None:
    write(tmp_path, designs[:1])
    _, paths = write(tmp_path, designs, links=LINKS)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in report.paths]
    # No drafts are left.
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(paths)


def test_no_designs(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match="at least one design to report, found none"):
        write(tmp_path / "report", [])
    assert not (tmp_path / "report").exists()


def test_no_table(tmp_path: Path, make_design: MakeDesign) -> None:
    with pytest.raises(AxhwError, match="a product table of roup8s_p1_r4 to report, found none"):
        write(tmp_path / "report", [make_design("exact"), make_design("roup:p=1,r=4", with_table=False)])


def test_folder_is_a_file(tmp_path: Path, designs: list[ReportedDesign]) -> None:
    (tmp_path / "report").write_text("")
    with pytest.raises(AxhwError, match="an output folder that can be written to, found .*report"):
        write(tmp_path / "report", designs)

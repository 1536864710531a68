"""A study as Markdown and as a page: the same texts and tables, escaped, self-contained, reproducible."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from axhw.report.study import Picture, Section, Study, Table, anchor, html, markdown, write_study

EVIL = '<script>alert("1")</script>&amp;'


def figure(title: str = "a title") -> Figure:
    drawn = Figure(figsize=(2, 2))
    drawn.subplots().set_title(title)
    return drawn


def study(text: str = "Made by `axhw` with **care**, *really*: see [docs](docs/a.md).") -> Study:
    return Study(
        title=f"A study {EVIL}",
        opening=[text],
        sections=[
            Section(
                title="First results",
                blocks=[
                    "Words before.",
                    Table(
                        heads=("name", "told", "fJ"), rows=[("a|b", "x" * 60, 1.5), (EVIL, "**not met**", -2)], left=2
                    ),
                    Picture(stem="study-one", caption="One picture", figure=figure()),
                ],
            ),
            Section(title="Second: more", blocks=[Picture(stem="study-two", caption="Two", figure=figure(EVIL))]),
        ],
    )


class Page(HTMLParser):
    """Texts by the tag they stand in, and all attributes; refuses tags that are not closed in order."""

    void = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.void:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


def test_markdown() -> None:
    assert markdown(study()).splitlines() == [
        f"# A study {EVIL}",
        "",
        "Made by `axhw` with **care**, *really*: see [docs](docs/a.md).",
        "",
        "## First results",
        "",
        "Words before.",
        "",
        "| name | told | fJ |",
        "| --- | --- | ---: |",
        f"| a\\|b | {'x' * 60} | 1.5 |",
        f"| {EVIL} | **not met** | -2 |",
        "",
        "![One picture](study-one.png)",
        "",
        "## Second: more",
        "",
        "![Two](study-two.png)",
    ]


def test_the_page_has_the_same_texts() -> None:
    page = Page(html(study()))
    assert page.texts["h1"] == page.texts["title"][:1] == [f"A study {EVIL}"]
    assert page.texts["h2"] == ["Sections", "First results", "Second: more"]
    assert page.texts["p"] == ["Made by axhw with care, really: see docs.", "Words before."]
    assert page.texts["th"] == ["name", "told", "fJ"]
    assert page.texts["td"] == ["a|b", "x" * 60, "1.5", EVIL, "not met", "-2"]
    assert page.texts["figcaption"] == ["One picture", "Two"]
    assert [page.texts[tag] for tag in ("code", "strong", "em")] == [["axhw"], ["care", "not met"], ["really"]]
    assert [value for tag, name, value in page.attributes if (tag, name) == ("td", "class")] == [
        "words",
        "words prose",
        "words prose",
        "words",
    ]
    assert EVIL in "".join(page.texts["text"])


def test_the_page_is_self_contained() -> None:
    text = html(study())
    page = Page(text)
    assert "<script" not in text
    assert "@import" not in text
    assert not [value for _, name, value in page.attributes if name == "src"]
    links = [value for tag, name, value in page.attributes if name in ("href", "xlink:href") and tag != "a"]
    assert all(value.startswith(("#", "data:")) for value in links)
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(set(identifiers)) == len(identifiers) > 10
    sections = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert sections == ["docs/a.md", "#first-results", "#second-more"]
    assert set(sections[1:]) <= {f"#{identifier}" for identifier in identifiers}


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "//elsewhere.example/x y", "vbscript:x"])
def test_only_harmless_links(link: str) -> None:
    page = Page(html(study(f"See [this]({link}).")))
    assert not [value for tag, name, value in page.attributes if (tag, name) == ("a", "href") and value == link]
    assert page.texts["p"][0] == f"See [this]({link})."


@pytest.mark.parametrize("text", ["2 * 3 and 4 * 5", "a [list] (of) things", "`unclosed", "rule=*, p=0..2", "a ** b"])
def test_other_marks_are_text(text: str) -> None:
    assert Page(html(study(text))).texts["p"][0] == text


def test_files(tmp_path: Path) -> None:
    paths = write_study(study(), tmp_path, name="study")
    assert [path.name for path in paths] == [
        "study.md",
        "study.html",
        *(f"study-{stem}{suffix}" for stem in ("one", "two") for suffix in (".svg", ".png")),
    ]
    assert set(tmp_path.iterdir()) == set(paths)
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_study(study(), tmp_path, name="study")] == before
    assert before[0].decode() == markdown(study())
    assert before[1].decode().count("<svg ") == 2
    assert not re.search(r"\{\{|\{%", before[1].decode())


def test_anchors() -> None:
    assert anchor("Predicted savings, against gates!") == "predicted-savings-against-gates"

"""Broken Liberty text: every kind is refused in one sentence and none ends or stalls the process."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.synth.liberty.reader import read_library
from axhw.synth.liberty.syntax import parse_liberty


def test_statements_of_every_form() -> None:
    text = """library("a") { area : 1; unit(1, "pf"); cell(X) { pin(A[0]) { c : "x y"; } empty() {} } area : 2 \n}"""
    library = parse_liberty(text, source="a.lib")
    assert library.args == ("a",)
    assert library.get("area") == "2"
    assert [statement.args for statement in library.all("unit")] == [("1", "pf")]
    (cell,) = library.all("cell")
    assert [(child.name, child.args) for child in cell.children] == [("pin", ("A[0]",)), ("empty", ())]
    assert cell.children[0].get("c") == "x y"
    assert library.get("missing") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no group at all"),
        ("area : 1;", "no group at all"),
        ("library(a) { cell(b) { area : 1;", "an end of file inside 2 open groups: is it truncated?"),
        ("library(a) { } }", "a '}' without its '{'"),
        ("library(a) { } library(b) { }", "more than the library group"),
        ('library(a) { b : "c; }', "a string without its closing quote"),
        ("library(a) { /* b }", "a comment without its end"),
        ("cell(a) { }", "a group called 'cell' with 1 names"),
        ("library() { }", "a group called 'library' with 0 names"),
        ("library(a) { b = 1; }", "'b' without ':' or '(' on line 1"),
        ("library(a) {\n b : 1 c : 2; }", "no end of the value of b on line 2"),
        ("library(a) {" + "b(c) {" * 100 + "}" * 101, "groups nested more than 64 deep"),
    ],
)
def test_broken_text_is_refused_in_one_sentence(text: str, found: str) -> None:
    with pytest.raises(AxhwError) as caught:
        parse_liberty(text, source="a.lib")
    assert str(caught.value).startswith("Expected one complete Liberty library in a.lib, found ")
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_long_runs_of_space_take_no_time() -> None:
    assert parse_liberty(f"library(a) {{{' ' * 10**6}b : 1; }}", source="a.lib").get("b") == "1"


TOKENS = re.compile(r'"[^"]*"|\w+|\s+|.', re.DOTALL)
NOISE = ["", "{", "}", '"', "(", ")", ";", ":", ",", "\\", "/*", "nan", "-1", "pin", "[0]"]


@st.composite
def _mutations(draw: st.DrawFn, text: str) -> str:
    """The text with some tokens replaced by noise or by other tokens, and perhaps cut short."""
    tokens = TOKENS.findall(text)
    for _ in range(draw(st.integers(1, 3))):
        tokens[draw(st.integers(0, len(tokens) - 1))] = draw(st.sampled_from(NOISE + tokens))
    return "".join(tokens[: draw(st.one_of(st.just(len(tokens)), st.integers(0, len(tokens))))])


@settings(max_examples=80)
@given(data=st.data())
def test_any_mutation_parses_or_is_refused(
    data: st.DataObject, small_text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.lib"
    path.write_text(data.draw(_mutations(small_text)), encoding="utf-8")
    message = "Expected nothing, found nothing."
    try:
        assert read_library(path).cells
    except AxhwError as error:
        message = str(error)
    assert re.fullmatch(r"Expected [^\n]*\.", message)


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.lib"
    path.write_bytes(data)
    with pytest.raises(AxhwError, match=r"^Expected "):
        read_library(path)

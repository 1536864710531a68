"""Liberty text to a tree of statements, with every way in which a file can be broken caught first.

lln-libparse does the parsing. On text that it cannot read, its C++ parser ends the process, loops
for ever or silently stops, so the text is checked here and, unless it is our own file, parsed in
a child process before this process parses it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from libparse import LibertyParser

from axhw.errors import AxhwError

_STRING_OR_COMMENT = re.compile(r'"[^"]*"|/\*.*?\*/|//[^\n]*|"|/\*', re.DOTALL)
_NORMALISED = re.compile(r'"[^"]*"|(?<=[:,(])\s+|(?<!\s)\s+(?=[{:])|([A-Za-z_]\w*\[[\d:]+\])|[{}]')
_CHILD = "import sys; from libparse import LibertyParser; LibertyParser(sys.stdin)"
_CHILD_TIMEOUT_S = 120
_MAX_DEPTH = 64


@dataclass(frozen=True)
class Statement:
    """One Liberty statement.

    ``area : 1;`` has a `value`; ``index_1("1, 2");`` has `args`; ``pin(A) { ... }`` has `args`
    and `children`. Quotes are gone.
    """

    name: str
    args: tuple[str, ...]
    value: str
    children: tuple[Statement, ...]

    def all(self, name: str) -> Iterator[Statement]:
        """The children called `name`."""
        return (child for child in self.children if child.name == name)

    def get(self, name: str) -> str | None:
        """The value of the last child called `name` (Liberty lets a later statement win)."""
        return next((child.value for child in reversed(self.children) if child.name == name), None)


def parse_liberty(text: str, *, source: str, trusted: bool = False) -> Statement:
    """The ``library`` group of a Liberty text.

    Parameters
    ----------
    text : str
    source : str
        What to call the text in error messages: a path.
    trusted : bool
        Parse without trying it in a child process first, which takes about 0.05 s.

    Raises
    ------
    AxhwError
        If the text is not one complete library group.
    """
    text = _checked(text, source)
    if not trusted:
        _try_in_child(text, source)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        file.write(text)
        file.seek(0)
        try:
            tree = LibertyParser(file).ast
        except RuntimeError as error:
            raise _broken(source, _sentence(str(error))) from None
    library = _statement(tree, source)
    if library.name != "library" or not library.args:
        raise _broken(source, f"a group called {library.name!r} with {len(library.args)} names")
    return library


def _checked(text: str, source: str) -> str:
    """The text without comments and in the layout that libparse reads without losing statements.

    libparse drops a group whose brace stands on the next line, and the index of an unquoted A[0].
    """

    def strip(match: re.Match[str]) -> str:
        token = match.group()
        if token == '"':
            raise _broken(source, "a string without its closing quote")
        if token == "/*":
            raise _broken(source, "a comment without its end")
        return token if token[0] == '"' else " " + "\n" * token.count("\n")

    depth = 0
    closed = False

    def rewrite(match: re.Match[str]) -> str:
        nonlocal depth, closed
        token = match.group()
        if token == "{":
            if closed:
                raise _broken(source, "a second group after the library group")
            depth += 1
            if depth > _MAX_DEPTH:
                raise _broken(source, f"groups nested more than {_MAX_DEPTH} deep")
        elif token == "}":
            depth -= 1
            closed = depth == 0
            if depth < 0:
                raise _broken(source, "a '}' without its '{'")
        elif match.group(1):
            return f'"{token}"'
        elif token.isspace():
            return " "
        return token

    text = _NORMALISED.sub(rewrite, _STRING_OR_COMMENT.sub(strip, text))
    if depth or not closed:
        found = f"an end of file inside {depth} open groups: is it truncated?" if depth else "no group at all"
        raise _broken(source, found)
    return text


def _try_in_child(text: str, source: str) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=text.encode(),
            capture_output=True,
            timeout=_CHILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _broken(source, f"text that the parser did not finish in {_CHILD_TIMEOUT_S} s") from None
    if done.returncode:
        raise _broken(source, _sentence(done.stderr.decode(errors="replace")))


def _sentence(output: str) -> str:
    """The parser's own words out of what it printed, in one line."""
    message = output.rpartition("Error: ")[2]
    return " ".join(message.split()) or "text on which the parser stopped"


class _Node(Protocol):
    """What libparse gives; its strings keep their quotes."""

    id: str
    args: list[str]
    value: str
    children: list[_Node]


def _statement(node: _Node, source: str) -> Statement:
    if not re.fullmatch(r"[A-Za-z_]\w*", node.id):
        raise _broken(source, f"a statement called {node.id!r}")
    return Statement(
        node.id,
        tuple(arg.strip('"').strip() for arg in node.args),
        node.value.strip('"').strip(),
        tuple(_statement(child, source) for child in node.children),
    )


def _broken(source: str, found: str) -> AxhwError:
    return AxhwError(f"Expected one complete Liberty library in {source}, found {found.rstrip('.')}.")

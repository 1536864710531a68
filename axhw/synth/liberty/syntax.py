"""Liberty text to a tree of statements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from axhw.errors import AxhwError

_TOKEN = re.compile(
    r'"([^"]*)"|/\*.*?\*/|//[^\n]*|\\\s*\n|[^\S\n]+|(\n)|([(){}:;,])|((?!/\*)[^\s"(){}:;,\\]+)', re.DOTALL
)
_NAME = re.compile(r"[A-Za-z_]\w*")
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


def parse_liberty(text: str, *, source: str) -> Statement:
    """The ``library`` group of a Liberty text.

    Raises
    ------
    AxhwError
        If the text is not one complete library group; the sentence names the line.
    """
    kinds, words, positions = _tokens(text, source)

    def broken(found: str) -> AxhwError:
        line = text.count("\n", 0, positions[min(at, len(positions) - 1)]) + 1 if positions else 1
        return _broken(source, f"{found} on line {line}")

    # Open groups, outermost first, as (name, args, children); a statement ends at ; or a line's end.
    open_groups: list[tuple[str, tuple[str, ...], list[Statement]]] = [("", (), [])]
    at, count = 0, len(kinds)
    while at < count:
        kind = kinds[at]
        if kind in ("\n", ";"):
            at += 1
            continue
        if kind == "}":
            if len(open_groups) == 1:
                raise broken("a '}' without its '{'")
            name, args, children = open_groups.pop()
            open_groups[-1][2].append(Statement(name, args, "", tuple(children)))
            at += 1
            continue
        if kind != "w" or not _NAME.fullmatch(words[at]):
            raise broken(repr(words[at]))
        name, args, value = words[at], (), ""
        at = _skip_lines(kinds, at + 1) if at + 1 < count else count
        if at < count and kinds[at] == "(":
            start = at + 1
            while at < count and kinds[at] != ")":
                if kinds[at] not in "ws,\n(":
                    raise broken(repr(words[at]))
                at += 1
            args = tuple(words[k].strip() for k in range(start, at) if kinds[k] in "ws")
            at = _skip_lines(kinds, at + 1)
            if at < count and kinds[at] == "{":
                open_groups.append((name, args, []))
                if len(open_groups) > _MAX_DEPTH:
                    raise broken(f"groups nested more than {_MAX_DEPTH} deep")
                at += 1
                continue
        elif at < count and kinds[at] == ":":
            start = at = _skip_lines(kinds, at + 1)
            while at < count and kinds[at] in "ws":
                at += 1
            value = " ".join(words[k].strip() for k in range(start, at))
            if start == at or (at < count and kinds[at] not in ";\n}"):
                raise broken(f"no end of the value of {name}")
        else:
            raise broken(f"{name!r} without ':' or '('")
        open_groups[-1][2].append(Statement(name, args, value, ()))
    if len(open_groups) > 1:
        raise broken(f"an end of file inside {len(open_groups) - 1} open groups: is it truncated?")
    return _library_group(open_groups[0][2], source)


def _library_group(top: list[Statement], source: str) -> Statement:
    """The one statement at the top, which has to be the library."""
    groups = [statement for statement in top if not statement.value]
    if not groups:
        raise _broken(source, "no group at all")
    if groups[0].name != "library" or len(groups[0].args) != 1:
        raise _broken(source, f"a group called {groups[0].name!r} with {len(groups[0].args)} names")
    if len(top) > 1:
        raise _broken(source, "more than the library group")
    return groups[0]


def _tokens(text: str, source: str) -> tuple[list[str], list[str], list[int]]:
    """Kinds (w word, s string, or the punctuation itself), words and positions of all tokens."""
    kinds: list[str] = []
    words: list[str] = []
    positions: list[int] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        group = match.lastindex
        if group is not None:
            word = match.group(group)
            kinds.append("s" if group == 1 else "w" if group == 4 else word)
            words.append(word)
            positions.append(match.start())
    if end != len(text):
        line = text.count("\n", 0, end) + 1
        found = {'"': "a string without its closing quote", "/": "a comment without its end"}
        raise _broken(source, f"{found.get(text[end], repr(text[end]))} on line {line}")
    return kinds, words, positions


def _skip_lines(kinds: list[str], at: int) -> int:
    while at < len(kinds) and kinds[at] == "\n":
        at += 1
    return at


def _broken(source: str, found: str) -> AxhwError:
    return AxhwError(f"Expected one complete Liberty library in {source}, found {found}.")

"""Liberty text to a tree of statements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from axhw.errors import AxhwError

# A string, a mark, a word, or what is none of these, with all behind it: nobody looks further. Comments, blanks and
# continued lines match without a group.
_TOKEN = re.compile(
    r'[^\S\n]*(?:("[^"]*")|/\*.*?\*/|//[^\n]*|\\\s*\n|([\n(){}:;,])|((?!/\*)[^\s"(){}:;,\\]+)|(\S.*))', re.DOTALL
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
    kinds, words = _tokens(text, source)

    def broken(found: str) -> AxhwError:
        return _broken(source, f"{found} on line {_line(text, min(at, len(kinds) - 1))}")

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


def _tokens(text: str, source: str) -> tuple[list[str], list[str]]:
    """Kinds (w word, s string, or the mark itself) and words of all tokens."""
    kinds: list[str] = []
    words: list[str] = []
    for string, mark, word, wrong in _TOKEN.findall(text):
        if word:
            kinds.append("w")
            words.append(word)
        elif mark:
            kinds.append(mark)
            words.append(mark)
        elif string:
            kinds.append("s")
            words.append(string[1:-1])
        elif wrong:
            found = {'"': "a string without its closing quote", "/": "a comment without its end"}
            line = _line(text, len(kinds))
            raise _broken(source, f"{found.get(wrong[0], repr(wrong[0]))} on line {line}")
    return kinds, words


def _line(text: str, place: int) -> int:
    """The line of the token at a place among all, which are not asked for theirs unless something is wrong."""
    tokens = (match for match in _TOKEN.finditer(text) if match.lastindex is not None)
    token = next(islice(tokens, max(place, 0), None), None)
    return 1 if token is None else text.count("\n", 0, token.start(cast(int, token.lastindex))) + 1


def _skip_lines(kinds: list[str], at: int) -> int:
    while at < len(kinds) and kinds[at] == "\n":
        at += 1
    return at


def _broken(source: str, found: str) -> AxhwError:
    return AxhwError(f"Expected one complete Liberty library in {source}, found {found}.")

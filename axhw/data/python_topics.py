"""What ``help()`` of Python says on its language: `pydoc_data.topics`, 79 topics, 0.4 MB, in every installation.

They are excerpts of the language reference (PSF licence) and repeat each other: ``compound`` contains ``class``,
``try`` and more. A paragraph is therefore kept once, in the shortest of its topics, before the topics are divided;
otherwise most of the test text would be in the training text too. The text differs between versions of Python: the
held-out parts are those of Python 3.12.3 everywhere, and come along (``held_out``), so that perplexities on them can be
compared; the training part is that of the Python that runs, without what is in these.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib import resources

from axhw.errors import AxhwError

NAME = "python_topics"
_PARAGRAPH_END = re.compile(r"\n\s*\n")
# Of all small numbers the one for which both held-out parts are nearest to 5 % (Python 3.11 and 3.12).
_SALT = 1
_VALIDATION_FROM, _TEST_FROM = 0.90, 0.95


def load() -> tuple[bytes, bytes, bytes]:
    """Training, validation and test text, about 90, 5 and 5 %; no paragraph is in two of them.

    Raises
    ------
    AxhwError
        If this Python comes without its help topics.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise AxhwError(
            "Expected Python's help topics (pydoc_data.topics), found a Python without them: install the complete "
            "standard library, or choose the text tinyshakespeare."
        ) from error
    validation, test = held_out()
    known = {_words(paragraph) for part in (validation, test) for paragraph in _PARAGRAPH_END.split(part.decode())}
    paragraphs = _PARAGRAPH_END.split(divide(topics)[0].decode().strip("\n"))
    return _joined(paragraph for paragraph in paragraphs if _words(paragraph) not in known), validation, test


def held_out() -> tuple[bytes, bytes]:
    """Validation and test text, the same with every Python."""
    folder = resources.files("axhw.data") / "held_out"
    validation, test = ((folder / f"{NAME}-{part}.txt").read_bytes() for part in ("validation", "test"))
    return validation, test


def divide(topics: Mapping[str, str]) -> tuple[bytes, bytes, bytes]:
    """Training, validation and test text out of topics by name: by hash of the name, in the order of the names.

    No paragraph is there twice.
    """
    own = _own_paragraphs(topics)
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name in sorted(topics):
        parts[part_of(name)].extend(own[name])
    training, validation, test = map(_joined, parts)
    return training, validation, test


def part_of(name: str) -> int:
    """Where a topic goes: 0 for training, 1 for validation, 2 for test."""
    digest = hashlib.sha256(f"{_SALT}:{name}".encode()).digest()
    place = int.from_bytes(digest[:4], "big") / 2**32
    return (place >= _VALIDATION_FROM) + (place >= _TEST_FROM)


def _own_paragraphs(topics: Mapping[str, str]) -> dict[str, list[str]]:
    """The paragraphs of each topic that are in no shorter one; white space makes no difference."""
    seen: set[str] = set()
    own: dict[str, list[str]] = {}
    for name in sorted(topics, key=lambda name: (len(topics[name]), name)):
        own[name] = []
        for paragraph in _PARAGRAPH_END.split(topics[name].strip("\n")):
            words = _words(paragraph)
            if words and words not in seen:
                seen.add(words)
                own[name].append(paragraph)
    return own


def _words(paragraph: str) -> str:
    return " ".join(paragraph.split())


def _joined(paragraphs: Iterable[str]) -> bytes:
    return "".join(f"{paragraph}\n\n" for paragraph in paragraphs).encode()

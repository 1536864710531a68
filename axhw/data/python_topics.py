"""What ``help()`` of Python says on its language: `pydoc_data.topics`, 79 topics, 0.4 MB, in every installation.

They are excerpts of the language reference (PSF licence) and repeat each other: ``compound`` contains ``class``,
``try`` and more. A paragraph is therefore kept once, in the shortest of its topics, before the topics are divided;
otherwise most of the test text would be in the training text too. The text differs between versions of Python, but a
topic is in the same part in all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from axhw.errors import AxhwError

NAME = "python_topics"
_PARAGRAPH_END = re.compile(r"\n\s*\n")
# Of all small numbers the one for which both held-out parts are nearest to 5 % (Python 3.11 and 3.12).
_SALT = 1
_VALIDATION_FROM, _TEST_FROM = 0.90, 0.95


def load() -> tuple[bytes, bytes, bytes]:
    """Training, validation and test text: about 90, 5 and 5 % of the topics, by hash of their names.

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
    return divide(topics)


def divide(topics: Mapping[str, str]) -> tuple[bytes, bytes, bytes]:
    """Training, validation and test text out of topics by name, in the order of their names; no paragraph twice."""
    own = _own_paragraphs(topics)
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name in sorted(topics):
        parts[part_of(name)].extend(own[name])
    training, validation, test = ("".join(f"{paragraph}\n\n" for paragraph in part).encode() for part in parts)
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
            words = " ".join(paragraph.split())
            if words and words not in seen:
                seen.add(words)
                own[name].append(paragraph)
    return own

"""Text as bytes, for small language models: every byte is a token."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.data import python_topics, tinyshakespeare
from axhw.errors import AxhwError

Bytes: TypeAlias = "npt.NDArray[np.uint8]"

MIX = "mix"
TEXTS = (tinyshakespeare.NAME, python_topics.NAME, MIX)
"""Names that `load_text` knows; `MIX` is the other ones one after another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextSplits:
    """Disjoint parts of one text: fit on `train`, choose on `validation`, report on `test`.

    Attributes
    ----------
    name : str
    train, validation, test : uint8 array, shape (n,)
    sources : tuple of TextSplits
        Of a mix, what it consists of.

    Raises
    ------
    AxhwError
        If a part is empty.
    """

    name: str
    train: Bytes
    validation: Bytes
    test: Bytes
    sources: tuple[TextSplits, ...] = ()

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            if not len(getattr(self, part)):
                raise AxhwError(f"Expected at least one byte in each part of the text {self.name}, found no {part}.")

    @property
    def sha256(self) -> str:
        """Of the three parts: Python's topics differ from version to version."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part.tobytes())
        return digest.hexdigest()


def load_text(name: str, *, root: Path | None = None) -> TextSplits:
    """A text by its name.

    Parameters
    ----------
    name : str
        One of `TEXTS`.
    root : Path, optional
        Folder to look for files in first, as `axhw.data.names.load_dataset` does.

    Raises
    ------
    AxhwError
        For an unknown name, a file of other content, or if a download fails.
    """
    if name == tinyshakespeare.NAME:
        return _splits(name, tinyshakespeare.load(root=root))
    if name == python_topics.NAME:
        return _splits(name, python_topics.load())
    if name == MIX:
        return mixed(tuple(load_text(source, root=root) for source in TEXTS if source != MIX), name=name)
    raise AxhwError(f"Expected a text out of {', '.join(TEXTS)}, found {name!r}.")


def mixed(sources: tuple[TextSplits, ...], *, name: str = MIX) -> TextSplits:
    """The texts one after another, part by part."""
    return TextSplits(
        name=name,
        train=np.concatenate([source.train for source in sources]),
        validation=np.concatenate([source.validation for source in sources]),
        test=np.concatenate([source.test for source in sources]),
        sources=sources,
    )


def _splits(name: str, parts: tuple[bytes, bytes, bytes]) -> TextSplits:
    train, validation, test = (np.frombuffer(part, np.uint8) for part in parts)
    return TextSplits(name=name, train=train, validation=validation, test=test)

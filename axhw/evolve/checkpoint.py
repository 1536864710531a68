"""A search on disk: its state between two chunks, and what it was a search for."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.evolve.search import Search
from axhw.files import replacing

FILE = "evolution.npz"
_QUESTION = "question"


def save(search: Search, question: Mapping[str, Any], folder: Path) -> None:
    """Write the state; a file that was there is replaced when the new one is complete.

    Parameters
    ----------
    question : mapping
        JSON values that say what is searched and how: the same ones are needed to go on.
    """
    with replacing(folder / FILE) as draft, draft.open("wb") as file:
        arrays: dict[str, Any] = {_QUESTION: np.array(json.dumps(dict(question))), **search.arrays()}
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def restore(search: Search, question: Mapping[str, Any], folder: Path) -> None:
    """Go on where the state in the folder was taken.

    Raises
    ------
    AxhwError
        If there is none, if it cannot be read, or if it is of another search.
    """
    path = folder / FILE
    if not path.is_file():
        raise AxhwError(f"Expected {path} to resume, found none: leave out --resume to begin.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        asked = json.loads(str(arrays.pop(_QUESTION)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AxhwError(f"Expected a search in {path}, found: {error}.") from error
    if not isinstance(asked, dict):
        raise AxhwError(f"Expected a search in {path}, found no question.")
    own = json.loads(json.dumps(dict(question)))
    for key in sorted({*asked, *own}):
        if asked.get(key) != own.get(key):
            raise AxhwError(
                f"Expected the search that was begun in {folder} ({key} = {_short(asked.get(key))}), found "
                f"{_short(own.get(key))}: resume with the same options or take another folder."
            )
    search.restore(arrays)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."

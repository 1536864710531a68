"""A folder of one search: files of another are not replaced, nor mixed with its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axhw.errors import AxhwError

_OF_ONE_FILE = ("level", "layers", "strategy", "sharing")


def refuse_other_search(folder: Path, settings: Mapping[str, Any], *, front: str) -> None:
    """Refuse a folder with the states or the front of a search with other settings.

    Parameters
    ----------
    folder : Path
        It may be missing.
    settings : mapping
        JSON values that all states of the search depend on.
    front : str
        Name of the file with all fronts.

    Raises
    ------
    AxhwError
        If it has any, or files that are no states.
    """
    wanted = json.loads(json.dumps(dict(settings)))
    states = sorted(folder.glob("state-*.json"))
    for path in states:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found = {name: value for name, value in document["settings"].items() if name not in _OF_ONE_FILE}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AxhwError(
                f"Expected the state of a search in {path}, found another file ({error}): choose another --out."
            ) from error
        other = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        if other:
            raise AxhwError(
                f"Expected the search in {path} to have the same settings, found another {', '.join(other)}: choose "
                "another --out, or repeat its settings with --resume."
            )
    if not states and (folder / front).exists():
        raise AxhwError(
            f"Expected a folder without other searches, found {folder / front} without the state of its search: choose "
            "another --out."
        )

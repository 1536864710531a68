"""Parts of an experiment that are kept as they are finished, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axhw import __version__
from axhw.errors import AxhwError
from axhw.files import output_folder, replacing

PARTS = "parts"
"""Folder of finished parts in that of the results."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A folder of finished parts.

    Attributes
    ----------
    folder : Path
        One JSON file a part, named by the digest of what the part depends on: other settings make other files, and
        never read these.
    seconds : dict of str to float
        How long each part that was asked for took, in this run or in the one that made it.
    """

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def file(self, name: str, settings: Mapping[str, Any], suffix: str = ".json") -> Path:
        """Where something that depends on these settings is kept."""
        text = json.dumps([__version__, dict(settings)], sort_keys=True)
        return self.folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}{suffix}"

    def remember(self, name: str, settings: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """The JSON values that `make` gives, from the folder where they are there.

        Raises
        ------
        AxhwError
            If a file of the folder is damaged.
        """
        path = self.file(name, settings)
        if not path.exists():
            begun = time.perf_counter()
            part = {"found": make(), "seconds": time.perf_counter() - begun}
            output_folder(path.parent)
            with replacing(path) as draft:
                draft.write_text(json.dumps(part) + "\n", encoding="utf-8")
        # What was made is read back, too: a run that goes on gets the very same values.
        try:
            part = json.loads(path.read_text(encoding="utf-8"))
            self.seconds[path.name] = part["seconds"]
            return part["found"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AxhwError(
                f"Expected a finished part of the experiment in {path}, found {error}: remove it."
            ) from error

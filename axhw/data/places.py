"""Where data sets are looked for, and where downloads and decoded copies are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from axhw.errors import AxhwError

DATA_ENVIRONMENT = "AXHW_DATA_DIR"
CACHE_ENVIRONMENT = "AXHW_CACHE_DIR"


def cache_folder() -> Path:
    """``AXHW_CACHE_DIR``, or the user's cache folder: nothing in it that cannot be made again."""
    chosen = os.environ.get(CACHE_ENVIRONMENT)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("axhw")


def data_folders(root: Path | None) -> tuple[Path, ...]:
    """Where to look for data sets: `root`, ``AXHW_DATA_DIR``, and where downloads go without either.

    Raises
    ------
    AxhwError
        For a folder that was named and is none.
    """
    chosen = os.environ.get(DATA_ENVIRONMENT)
    named = [path for path in (root, Path(chosen).expanduser() if chosen else None) if path is not None]
    for path in named:
        if not path.is_dir():
            raise AxhwError(f"Expected a folder with data sets, found none at {path}: make it, or name another one.")
    return (*named, cache_folder() / "datasets")

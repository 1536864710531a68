"""Writing files that are complete or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axhw.errors import AxhwError


def output_folder(path: Path) -> Path:
    """The folder, made where it is missing.

    Raises
    ------
    AxhwError
        If it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        reason = error.strerror or str(error)
        raise AxhwError(f"Expected an output folder that can be written to, found {path}: {reason}.") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; what was written takes the place of `path` when the block ends well."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        # mkstemp makes private files; results are for everybody.
        draft.chmod(0o666 & ~_umask())
        draft.replace(path)
    except OSError as error:
        raise AxhwError(f"Expected to write {path}, found: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

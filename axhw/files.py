"""Writing files that are complete or absent."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    """A path to write to; what was written takes the place of `path` when the block ends well.

    Raises
    ------
    AxhwError
        If writing fails; `path` is then as before.
    """
    # Not made here: files of mkstemp are private, results are for everybody whom the umask allows.
    draft = path.with_name(f".{path.stem}-{secrets.token_hex(8)}{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise AxhwError(f"Expected to write {path}, found: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            draft.unlink()

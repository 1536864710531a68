"""Digests of the files of a folder, in the format of ``sha256sum``: ``sha256sum -c SHA256SUMS`` checks them, too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

FILE = "SHA256SUMS"


def sums(files: Mapping[str, bytes]) -> bytes:
    """What the file of digests holds, in the order of the names."""
    return "".join(f"{_digest(content)}  {name}\n" for name, content in sorted(files.items())).encode()


def mismatch(folder: Path, name: str, content: bytes) -> str | None:
    """Why a file's content is not what the folder's digests say; None if it is."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"no {FILE} beside it to hold it against"
    known = {file: digest for digest, _, file in (line.partition("  ") for line in lines)}
    return None if known.get(name) == _digest(content) else f"other bytes than {FILE} tells"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

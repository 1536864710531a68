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
    known = _known(folder)
    if known is None:
        return f"no {FILE} beside it to hold it against"
    return None if known.get(name) == _digest(content) else f"other bytes than {FILE} tells"


def is_sound(folder: Path) -> bool:
    """Whether all files that the folder's digests are of are there and as they were."""
    known = _known(folder) or {}
    try:
        return bool(known) and all(_digest((folder / name).read_bytes()) == digest for name, digest in known.items())
    except OSError:
        return False


def _known(folder: Path) -> dict[str, str] | None:
    """Digests by name; None without the file of them."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return {file: digest for digest, _, file in (line.partition("  ") for line in lines)}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

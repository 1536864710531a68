"""Files in a folder or a zip archive, read by their names; nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from axhw.errors import AxhwError

# What reading a damaged or unusual archive raises; RuntimeError is for encryption and unknown methods.
ZIP_ERRORS = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)

_LARGEST_FILE = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Tree:
    """What `open_tree` makes.

    Attributes
    ----------
    source : str
        Name of the folder or archive, for messages and reports.
    names : tuple of str
        Of all files, relative, with forward slashes, sorted; none of them hidden.
    fingerprint : str
        Differs whenever a file does.
    read_bytes : callable
        The content of a name.
    """

    source: str
    names: tuple[str, ...]
    fingerprint: str
    read_bytes: Callable[[str], bytes]

    def text(self, name: str) -> str:
        """The content of a text file.

        Raises
        ------
        AxhwError
            For a file that is missing or cannot be read.
        """
        if name not in self.names:
            raise AxhwError(f"Expected {name} in {self.source}, found no such file.")
        return self.read_bytes(name).decode("utf-8", "replace")


def open_tree(path: Path) -> Tree:
    """The files below a folder or in a .zip file.

    Raises
    ------
    AxhwError
        For what is neither, and for an archive whose names lead out of it.
    """
    return _folder(path) if path.is_dir() else _zip(path)


def _folder(path: Path) -> Tree:
    found = {}
    for folder, _, files in os.walk(path):
        for name in files:
            file = Path(folder, name)
            try:
                state = file.stat()
            except OSError as error:
                raise AxhwError(f"Expected to read {file}, found: {error.strerror}.") from error
            found[file.relative_to(path).as_posix()] = f"{state.st_size} {state.st_mtime_ns}"

    def read(name: str) -> bytes:
        try:
            return (path / name).read_bytes()
        except OSError as error:
            raise AxhwError(f"Expected to read {path / name}, found: {error.strerror}.") from error

    return _tree(path, found, (str(path.resolve()),), read)


def _zip(path: Path) -> Tree:
    try:
        archive = zipfile.ZipFile(path)
    except ZIP_ERRORS as error:
        raise AxhwError(f"Expected a folder or a zip archive at {path}, found: {error}.") from error
    members = {member.filename: member for member in archive.infolist() if not member.filename.endswith("/")}
    for name in members:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in name.split("/")[0]:
            raise AxhwError(f"Expected names below the archive in {path}, found {name!r}, which leads out of it.")

    def read(name: str) -> bytes:
        if members[name].file_size > _LARGEST_FILE:
            raise AxhwError(f"Expected at most {_LARGEST_FILE} bytes in {name} of {path}, found more.")
        try:
            return archive.read(name)
        except ZIP_ERRORS as error:
            raise AxhwError(f"Expected to read {name} in {path}, found: {error}.") from error

    states = {name: f"{member.file_size} {member.CRC}" for name, member in members.items()}
    return _tree(path, states, (), read)


def _tree(path: Path, states: dict[str, str], salt: Iterable[str], read: Callable[[str], bytes]) -> Tree:
    """`states` holds, for each file, what changes with its content."""
    names = tuple(sorted(name for name in states if not any(part.startswith(".") for part in name.split("/"))))
    lines = (*salt, *(f"{name} {states[name]}" for name in names))
    fingerprint = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return Tree(source=path.resolve().name, names=names, fingerprint=fingerprint, read_bytes=read)

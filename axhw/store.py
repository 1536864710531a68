"""Designs and synthesis results on disk: content-addressed, complete or absent.

    <root>/designs/<key>/      design.json, design.v, netlist.v, netlist.json and lut.npy of one record
    <root>/mixed/<key>/        the same of a design with several multipliers, with lut_0.npy, lut_1.npy, ...
    <root>/synthesis/<key>/    synthesis.json, what Yosys made of one job
    <root>/<room>/<key>/       figures.json, what a measurement beside these found
    <root>/partial/            folders being written; a killed run leaves its rubbish only here
    <root>/damaged/            designs whose files had changed when they were made again

Beside the files of a design, SHA256SUMS has their digests: whatever is read is held against them. An entry is written
into a folder of its own, flushed to disk and renamed into place. Readers never see half an entry, two processes that
make the same entry end with one of them, and nothing is ever overwritten.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from axhw import checksums
from axhw.errors import AxhwError
from axhw.synth.synthesis import Synthesis, SynthesisJob
from axhw.where import SHORTEST_KEY

ENVIRONMENT = "AXHW_STORE"
DESIGNS, MIXED = "designs", "mixed"
"""Rooms of the store: designs of one multiplier, and of several."""

_SYNTHESIS = "synthesis.json"
_FIGURES = "figures.json"
_ABANDONED_S = 24 * 3600.0


def default_root() -> Path:
    """``AXHW_STORE``, or the user's data folder."""
    chosen = os.environ.get(ENVIRONMENT)
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("axhw")


class UnknownDesignError(AxhwError):
    """No design of the store has that name or key."""


@dataclass(frozen=True)
class Entry:
    """One stored design: its document and the folder of its files."""

    key: str
    folder: Path
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.document["name"])


@dataclass(frozen=True)
class Store:
    """A store under `root`; folders appear when something is written."""

    root: Path

    @classmethod
    def default(cls) -> Store:
        """The store of this user.

        Raises
        ------
        AxhwError
            If a file is in its place.
        """
        root = default_root()
        if root.is_file():
            raise AxhwError(f"Expected a folder as {ENVIRONMENT}, found the file {root}.")
        return cls(root)

    def synthesise(self, job: SynthesisJob) -> Synthesis:
        """The stored result of the job, or a fresh one, stored.

        Raises
        ------
        AxhwError
            As `SynthesisJob.run`, or if the store cannot be written to or holds a damaged result.
        """
        folder = self.root / "synthesis" / job.key
        if not os.path.isdir(folder):
            result = job.run()
            # One file, because the disk takes as long for each.
            self._publish(folder, {_SYNTHESIS: json.dumps(dataclasses.asdict(result)).encode()})
            return result
        document = _read_json(folder / _SYNTHESIS)
        try:
            return Synthesis(**document)
        except TypeError as error:
            raise _damaged(folder / _SYNTHESIS, "other fields") from error

    def remember(self, room: str, key: str, measure: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The stored figures of a measurement, or fresh ones, stored.

        Parameters
        ----------
        room : str
            Folder of measurements of one kind.
        key : str
            Digest of all that they depend on.
        measure : callable
            Gives JSON values.

        Raises
        ------
        AxhwError
            If the store cannot be written to or holds damaged figures.
        """
        folder = self.root / room / key
        if not os.path.isdir(folder):
            figures = measure()
            self._publish(folder, {_FIGURES: json.dumps(figures).encode()})
            return figures
        found: Mapping[str, Any] = _read_json(folder / _FIGURES)
        return found

    def get(self, key: str, *, room: str = DESIGNS) -> Entry | None:
        """The design of that key in a room of the store, or None.

        Raises
        ------
        AxhwError
            If its document is damaged.
        """
        folder = self.root / room / key
        if not os.path.isdir(folder):
            return None
        path = folder / "design.json"
        text = _read(path)
        if (found := checksums.mismatch(folder, path.name, text.encode())) is not None:
            raise _damaged(path, found)
        return Entry(key=key, folder=folder, document=json.loads(text))

    def sound(self, key: str, *, room: str = DESIGNS) -> Entry | None:
        """As `get`, if all its files are as they were stored; if not, it is moved aside, to be made again.

        Raises
        ------
        AxhwError
            If the store cannot be written to.
        """
        folder = self.root / room / key
        if os.path.isdir(folder) and not checksums.is_sound(folder):
            aside = self.root / "damaged"
            try:
                aside.mkdir(parents=True, exist_ok=True)
                folder.rename(Path(tempfile.mkdtemp(prefix=f"{key}-", dir=aside)) / room)
            except FileNotFoundError:
                # Somebody else was first.
                return None
            except OSError as error:
                raise self._not_written(error) from error
        return self.get(key, room=room)

    def put(self, key: str, document: Mapping[str, Any], files: Mapping[str, bytes], *, room: str = DESIGNS) -> Entry:
        """Store a design; one that is there already stays as it is.

        Raises
        ------
        AxhwError
            If the store cannot be written to.
        """
        contents = {**files, "design.json": json.dumps(document, indent=2).encode()}
        self._publish(self.root / room / key, {**contents, checksums.FILE: checksums.sums(contents)})
        entry = self.get(key, room=room)
        if entry is None:
            raise AxhwError(f"Expected the design {document['name']} in the store {self.root}, found it removed.")
        return entry

    def designs(self, *, room: str = DESIGNS) -> Iterator[Entry]:
        """All stored designs of a room, oldest first."""
        for key in self.keys(room=room):
            if (entry := self.get(key, room=room)) is not None:
                yield entry

    def readable(self, *, room: str = DESIGNS) -> Iterator[Entry]:
        """The designs of a room whose documents can be read."""
        for key in self.keys(room=room):
            with contextlib.suppress(AxhwError):
                if (entry := self.get(key, room=room)) is not None:
                    yield entry

    def keys(self, *, room: str = DESIGNS) -> list[str]:
        """Those of all stored designs of a room, oldest first, damaged ones too."""
        folder = self.root / room
        if not os.path.isdir(folder):
            return []
        found = []
        for path in folder.iterdir():
            # Somebody may remove a design meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime_ns, path.name))
        return [name for _, name in sorted(found)]

    def find(self, word: str, *, room: str = DESIGNS) -> Entry:
        """The newest design of that name, or the one whose key starts with the word (8 letters or more).

        Raises
        ------
        UnknownDesignError
            If there is none.
        AxhwError
            If a key prefix is ambiguous.
        """
        entries = list(self.readable(room=room))
        named = [entry for entry in entries if entry.name == word]
        if named:
            return named[-1]
        keyed = [entry for entry in entries if len(word) >= SHORTEST_KEY and entry.key.startswith(word)]
        if len(keyed) > 1:
            raise AxhwError(f"Expected a key that only one design has, found {len(keyed)} beginning with {word}.")
        if not keyed:
            # If one is damaged, it may be that one: this says which.
            list(self.designs(room=room))
            raise UnknownDesignError(
                f"Expected the name or key of a stored design, found {word!r}, which the store {self.root} "
                "does not hold: make it with `axhw gen`, or see `axhw ls`."
            )
        return keyed[0]

    def _publish(self, folder: Path, files: Mapping[str, bytes]) -> None:
        partial = self.root / "partial"
        try:
            partial.mkdir(parents=True, exist_ok=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._sweep(partial)
            draft = Path(tempfile.mkdtemp(dir=partial))
            try:
                for name, content in files.items():
                    _write_durably(draft / name, content)
                draft.chmod(0o755)
                _flush_folder(draft)
                try:
                    draft.rename(folder)
                except OSError:
                    # Somebody else was first; entries are addressed by content, so theirs is as good.
                    if not folder.is_dir():
                        raise
            finally:
                # Gone after the rename; there after a lost race, a full disk or Ctrl-C.
                shutil.rmtree(draft, ignore_errors=True)
            _flush_folder(folder.parent)
        except OSError as error:
            raise self._not_written(error) from error

    def _not_written(self, error: OSError) -> AxhwError:
        return AxhwError(
            f"Expected to write into the store {self.root}, found {error.strerror or error}: "
            f"set {ENVIRONMENT} to a folder you can write to."
        )

    def _sweep(self, partial: Path) -> None:
        """Remove drafts that a killed process left a day ago or earlier."""
        limit = time.time() - _ABANDONED_S
        for draft in partial.iterdir():
            try:
                if draft.stat().st_mtime < limit:
                    shutil.rmtree(draft, ignore_errors=True)
            except FileNotFoundError:
                continue


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, getattr(error, "strerror", None) or "other bytes than text") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise _damaged(path, "no JSON document") from error


def _damaged(path: Path, found: str) -> AxhwError:
    return AxhwError(f"Expected the file {path} of the store, found {found}: remove its folder and make it again.")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

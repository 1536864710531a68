"""The summaries of a store's designs in SQLite, so that listing thousands of them opens one file.

``<root>/index.sqlite`` is derived data: the design folders are the truth, and every use first brings the index up to
date with them. Writers of designs do not touch it, so they neither wait for it nor can they damage it; a file that is
no longer a database is thrown away and built anew. Where it cannot be written (a read-only store, a full disk, a lock
that somebody keeps), designs are read from their folders as if there were no index.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axhw import __version__, record
from axhw.errors import AxhwError
from axhw.record import DesignRecord
from axhw.store import Entry, Store
from axhw.where import SHORTEST_KEY

FILE = "index.sqlite"

_LOCK_FILE = "index.lock"
_UNREADABLE = "unreadable"
_BUSY_S = 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (made_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS designs (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, stored INTEGER NOT NULL, name TEXT NOT NULL, summary TEXT NOT NULL,
    digest INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_name ON designs (name, stored);
"""


@dataclass(frozen=True)
class _Folder:
    """A design's folder as the file system describes it."""

    stored: int
    """When it was stored, ns."""
    state: str
    """Changes when files come or go, and when the document is written to."""


@dataclass(frozen=True)
class Index:
    """The index of a store."""

    store: Store

    @property
    def path(self) -> Path:
        """The database file."""
        return self.store.root / FILE

    def summaries(self, *, name: str | None = None) -> list[dict[str, Any]]:
        """`DesignRecord.summary` of every stored design that can be read, or of those of a name, oldest first."""
        return [summary for summary in self._rows(name) if _UNREADABLE not in summary]

    def unreadable(self) -> list[str]:
        """A sentence on each design that is damaged or holds figures of another version of axhw."""
        return [summary[_UNREADABLE] for summary in self._rows() if _UNREADABLE in summary]

    def _rows(self, name: str | None = None) -> list[dict[str, Any]]:
        columns = "key, state, stored, name, summary, digest"
        values = () if name is None else (name,)
        where = "WHERE name = ? " if values else ""
        rows = self._query(f"SELECT {columns} FROM designs {where}ORDER BY stored, key", *values)
        if rows is None:
            folders = sorted(_folders(self.store).items(), key=lambda item: (item[1].stored, item[0]))
            found = (_summary(self.store, key) for key, _ in folders)
            return [each for each in found if each is not None and (name is None or each.get("name") == name)]
        return [json.loads(row[4]) for row in rows]

    def find(self, word: str) -> Entry:
        """As `Store.find`, without reading the other designs.

        Raises
        ------
        AxhwError
            If there is no such design, or if it is damaged.
        """
        rows = self._query("SELECT key FROM designs WHERE name = ? ORDER BY stored DESC, key DESC LIMIT 1", word)
        if rows == [] and len(word) >= SHORTEST_KEY:
            rows = self._query("SELECT key FROM designs WHERE substr(key, 1, ?) = ? LIMIT 2", len(word), word)
        entry = self.store.get(rows[0][0]) if rows is not None and len(rows) == 1 else None
        if entry is not None and (entry.name == word or entry.key.startswith(word)):
            return entry
        # None, several, or no index: the store knows, or says what is wrong.
        return self.store.find(word)

    def _query(self, query: str, *values: object) -> list[Any] | None:
        """Rows of the index, after bringing it up to date; None where there can be none."""
        folders = _folders(self.store)
        if not folders:
            return None
        for _ in range(2):
            try:
                with contextlib.closing(
                    sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
                ) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    # After a power failure the latest changes may be missing, and are made again.
                    connection.execute("PRAGMA synchronous = NORMAL")
                    self._update(connection, folders)
                    rows = connection.execute(query, values).fetchall()
                    if any(len(row) > 1 and row[-1] != _digest(*row[:-1]) for row in rows):
                        raise sqlite3.DatabaseError("a row is not what was written")
                    return rows
            except sqlite3.OperationalError:
                # It cannot be opened, written or locked.
                return None
            except sqlite3.DatabaseError:
                if not self._discard():
                    return None
        return None

    def _update(self, connection: sqlite3.Connection, folders: Mapping[str, _Folder]) -> None:
        """Make the rows those of `folders`: all of the change or nothing of it."""
        if _known(connection) == {key: folder.state for key, folder in folders.items()}:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Somebody else may have brought it up to date meanwhile.
            known = _known(connection)
            if known is None:
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    connection.execute(f'DROP TABLE "{name}"')
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    connection.execute(statement)
                connection.execute("INSERT INTO about VALUES (?)", (_made_by(),))
                known = {}
            connection.executemany(
                "DELETE FROM designs WHERE key = ?", [(key,) for key in known.keys() - folders.keys()]
            )
            for key, folder in folders.items():
                if known.get(key) != folder.state and (summary := _summary(self.store, key)) is not None:
                    row = (key, folder.state, folder.stored, summary.get("name", ""), json.dumps(summary))
                    values = (*row, _digest(*row))
                    connection.execute("INSERT OR REPLACE INTO designs VALUES (?, ?, ?, ?, ?, ?)", values)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _discard(self) -> bool:
        """Remove a file that is no sound database any more; false where that cannot be."""
        try:
            with _locked(self.store.root / _LOCK_FILE):
                # The database goes last: SQLite throws away a log that it finds without one.
                for suffix in ("-wal", "-shm", ""):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(f"{self.path}{suffix}")
        except OSError:
            return False
        return True


def _summary(store: Store, key: str) -> dict[str, Any] | None:
    """The summary of a design, or why it cannot be read; None if it is not there any more."""
    try:
        entry = store.get(key)
        return None if entry is None else DesignRecord.from_entry(entry).summary()
    except AxhwError as error:
        return {_UNREADABLE: str(error)}


def _known(connection: sqlite3.Connection) -> dict[str, str] | None:
    """State by key of the rows there are; None if this version of axhw did not write them."""
    try:
        made_by = connection.execute("SELECT made_by FROM about").fetchall()
        rows = connection.execute("SELECT key, state FROM designs").fetchall()
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        return None
    return dict(rows) if made_by == [(_made_by(),)] else None


def _folders(store: Store) -> dict[str, _Folder]:
    """The design folders by key."""
    result = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(store.root / "designs") as entries:
        for entry in entries:
            if entry.is_dir():
                folder = entry.stat()
                try:
                    document = os.stat(f"{entry.path}/design.json")
                    state = f"{folder.st_mtime_ns} {document.st_mtime_ns} {document.st_size}"
                except OSError:
                    # Reading it says what is wrong.
                    state = "damaged"
                result[entry.name] = _Folder(stored=folder.st_mtime_ns, state=state)
    return result


def _digest(*row: object) -> int:
    """SQLite has no checksums of its own, and a flipped bit in a figure would be a wrong number."""
    return zlib.crc32(repr(row).encode())


@functools.cache
def _made_by() -> str:
    """What the summaries depend on beside the documents."""
    digest = hashlib.sha256()
    for source in (record.__file__, __file__):
        digest.update(Path(source).read_bytes())
    return f"{__version__} {digest.hexdigest()}"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time, where the system can lock files; a killed process gives the lock back."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""The shipped designs in one archive: their documents are read from it, their files unpacked when they are needed.

``designs.zip`` holds a folder for each record with its document and its netlists. Product tables take more room than
all of that, and are made of the golden model when a design is unpacked; `DesignRecord.table` holds them against the
digest of the table that was proved.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.hdl.registry import DesignSpec, restore
from axhw.hdl.spec import MultiplierSpec
from axhw.record import DesignRecord
from axhw.store import Entry, Store

SHIPPED = Path(__file__).with_name("designs.zip")

_DOCUMENT = "design.json"
_TABLE = "lut.npy"
# The same designs make the same archive, whenever it is written.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Archive:
    """Designs in a zip file.

    Attributes
    ----------
    path : Path
    """

    path: Path = SHIPPED

    def named(self, name: str) -> list[DesignSpec]:
        """The specs of the designs of a name."""
        return [restore(document["spec"]) for document in self.documents.values() if document["name"] == name]

    @functools.cached_property
    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """The document of every design by key, in the order of the archive.

        Raises
        ------
        AxhwError
            If the archive cannot be read.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [name for name in archive.namelist() if name.endswith(f"/{_DOCUMENT}")]
                return {name.partition("/")[0]: json.loads(archive.read(name)) for name in names}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error

    @functools.cached_property
    def summaries(self) -> list[dict[str, Any]]:
        """`DesignRecord.summary` of every design."""
        return [self._summary(key) for key in self.documents]

    def summaries_of(self, name: str) -> list[dict[str, Any]]:
        """The same of the designs of a name, without reading the others."""
        return [self._summary(key) for key, document in self.documents.items() if document["name"] == name]

    def unpack(self, key: str, store: Store) -> Entry:
        """A design with its files, which are kept beside the designs of the store.

        Raises
        ------
        AxhwError
            If the archive cannot be read or the store not be written to.
        """
        place = Store(store.root / "library" / self._digest)
        if (entry := place.sound(key)) is not None:
            return entry
        document = self.documents[key]
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [name for name in archive.namelist() if name.startswith(f"{key}/")]
                files = {name.partition("/")[2]: archive.read(name) for name in names}
        except (OSError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error
        files.pop(_DOCUMENT)
        if document["verification"]["table_sha256"] is not None:
            files[_TABLE] = _table(DesignRecord.from_entry(Entry(key, self.path / key, document)).multiplier)
        return place.put(key, document, files)

    def _summary(self, key: str) -> dict[str, Any]:
        return DesignRecord.from_entry(Entry(key, self.path / key, self.documents[key])).summary()

    @functools.cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def _damaged(self, error: Exception) -> AxhwError:
        return AxhwError(f"Expected the designs that come with axhw in {self.path}, found {error}: install axhw again.")


@functools.cache
def shipped_keys() -> frozenset[str]:
    """Keys of the designs that come with axhw."""
    return frozenset(Archive().documents)


def write_archive(path: Path, records: Iterable[DesignRecord]) -> None:
    """An archive of records, in their order; equal records give an equal file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for record in records:
            for file in record.files:
                if file.name != _TABLE:
                    entry = zipfile.ZipInfo(f"{record.key}/{file.name}", _EPOCH)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, file.read_bytes(), compresslevel=9)


def _table(spec: MultiplierSpec) -> bytes:
    codes = spec.operand_codes()
    buffer = io.BytesIO()
    np.save(buffer, spec.reference(codes[:, None], codes).astype(np.int32), allow_pickle=False)
    return buffer.getvalue()

"""The files of a stored design, read with the checks that what was proved is what is there."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from axhw import __version__, checksums
from axhw.errors import AxhwError
from axhw.hdl.registry import describe
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.product_table import ProductTable


class StoredDesign(ABC):
    """What has a name and a folder of files.

    Attributes
    ----------
    folder : Path
    name : str
    document : mapping
        What design.json holds.
    """

    folder: Path
    document: Mapping[str, Any]

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    def files(self) -> list[Path]:
        """The files by name; their digests lie beside them."""
        return [path for path in sorted(self.folder.iterdir()) if path.name != checksums.FILE]

    def read(self, name: str) -> bytes:
        """One of the files.

        Raises
        ------
        AxhwError
            If it cannot be read, or is not what was stored.
        """
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise self.damaged(name, error.strerror or str(error)) from error
        if (found := checksums.mismatch(self.folder, name, content)) is not None:
            raise self.damaged(name, found)
        return content

    def damaged(self, file: str, found: str) -> AxhwError:
        """The error for a file that is not what was stored."""
        return AxhwError(
            f"Expected {file} of {self.name} in {self.folder}, found {found}: remove that folder and make the design "
            "again."
        )

    def proved_table(
        self, file: str, multiplier: MultiplierSpec, *, sha256: str, netlist_sha256: str | None
    ) -> ProductTable:
        """The product table of a multiplier.

        Raises
        ------
        AxhwError
            If the stored table is not the one that was proved, whose digest is given.
        """
        try:
            values = np.lib.format.read_array(io.BytesIO(self.read(file)), allow_pickle=False)
        except ValueError as error:
            raise self.damaged(file, "no array") from error
        table = ProductTable(
            values=values,
            width=multiplier.width,
            signed=multiplier.signed,
            name=multiplier.name,
            source=describe(multiplier),
            netlist_sha256=netlist_sha256,
        )
        if table.sha256 != sha256:
            raise self.damaged(file, "values that were not proved")
        return table


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Read the document of a stored design.

    Raises
    ------
    AxhwError
        If it holds other figures, as that of another version of axhw may.
    """
    try:
        yield
    except (KeyError, TypeError) as error:
        raise AxhwError(
            f"Expected design.json in {folder} to hold what axhw {__version__} writes, found {error}: remove "
            "that folder and make the design again."
        ) from error

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from axhw.importer.netlist_file import Language, NetlistFile
from axhw.synth.engines import Engine, find_engine
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library

FILES = Path(__file__).with_name("files")


@pytest.fixture(scope="session")
def library() -> LibrarySource:
    return load_library(DEFAULT)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find_engine()


@pytest.fixture(scope="session")
def files() -> Path:
    """Small files of our own with the traps of published ones."""
    return FILES


@pytest.fixture(scope="session")
def netlist_file(library: LibrarySource, engine: Engine) -> Callable[..., NetlistFile]:
    """A circuit from its text: ``netlist_file("module m(...); ...")``."""

    def make(
        text: str,
        *,
        language: Language = "verilog",
        top: str | None = None,
        supplies: tuple[str, ...] = (),
        cells: CellLibrary = library.cells,
    ) -> NetlistFile:
        name = "m.blif" if language == "blif" else "m.v"
        return NetlistFile(
            text=text, language=language, name=name, library=cells, engine=engine, top=top, supplies=supplies
        )

    return make

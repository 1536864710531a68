"""Cell libraries by name or path: the text that Yosys maps with and the figures that costs come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from axhw.errors import AxhwError
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.mapping import mapping_text
from axhw.synth.liberty.reader import EMBEDDED_LIBRARY, embedded_library, liberty_text, parse_library

DEFAULT = "sg13g2"
EMBEDDED: Mapping[str, str] = {
    DEFAULT: "IHP SG13G2, 130 nm, typical, 1.2 V, 25 C: fitted from the open library (Apache-2.0)",
}
"""Names of the libraries in the package and a sentence on each."""

_SEPARATOR = ","
_SUFFIXES = (".lib", ".lib.gz", ".lib.bz2", ".lib.xz", ".liberty")


@dataclass(frozen=True, kw_only=True, eq=False)
class LibrarySource:
    """A library three times: for synthesis, for cost, and as it came.

    Attributes
    ----------
    text : str
        Liberty text that Yosys maps with: the cells that may be used, of all files.
    cells : CellLibrary
    files : tuple of str
        The Liberty texts that were read.
    """

    text: str
    cells: CellLibrary
    files: tuple[str, ...] = ()


def load_library(name: str) -> LibrarySource:
    """The embedded library of that name, any Liberty file, or several files with commas between them.

    Raises
    ------
    AxhwError
        If it is none of these, or for what is wrong with the files.
    """
    if name in EMBEDDED:
        text = (resources.files("axhw.synth") / "data" / EMBEDDED_LIBRARY).read_text(encoding="utf-8")
        return LibrarySource(text=text, cells=embedded_library(), files=(text,))
    paths = library_files(name)
    for path in paths:
        if len(paths) > 1 and path in EMBEDDED:
            raise AxhwError(f"Expected one embedded library or Liberty files, found {path} among {len(paths)} names.")
        if not (path.endswith(_SUFFIXES) or "/" in path or Path(path).is_file()):
            raise AxhwError(f"Expected an embedded library ({', '.join(EMBEDDED)}) or a Liberty file, found {path!r}.")
    texts = {path: liberty_text(path) for path in paths}
    cells = parse_library(texts)
    return LibrarySource(text=mapping_text(cells, source=", ".join(paths)), cells=cells, files=tuple(texts.values()))


def library_files(name: str) -> list[str]:
    """The files that a library's name lists; one whose own name has commas stays one."""
    return [part for part in name.split(_SEPARATOR) if part and not Path(name).is_file()] or [name]


def absolute_name(name: str) -> str:
    """The name that means the same library in every folder."""
    return name if name in EMBEDDED else _SEPARATOR.join(str(Path(path).absolute()) for path in library_files(name))

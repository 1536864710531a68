"""Cell libraries by name or path: the text that Yosys maps with and the figures that costs come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from axhw.errors import AxhwError
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.reader import EMBEDDED_LIBRARY, embedded_library, liberty_text, read_library

DEFAULT = "sg13g2"
EMBEDDED: Mapping[str, str] = {
    DEFAULT: "IHP SG13G2, 130 nm, typical, 1.2 V, 25 C: fitted from the open library (Apache-2.0)",
}
"""Names of the libraries in the package and a sentence on each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LibrarySource:
    """A library twice: as Liberty text for synthesis and as parsed cells for cost.

    Attributes
    ----------
    text : str
    cells : CellLibrary
    """

    text: str
    cells: CellLibrary


def load_library(name: str) -> LibrarySource:
    """The embedded library of that name, or any Liberty file.

    Raises
    ------
    AxhwError
        If it is neither, or for what is wrong with the file.
    """
    if name in EMBEDDED:
        text = (resources.files("axhw.synth") / "data" / EMBEDDED_LIBRARY).read_text(encoding="utf-8")
        return LibrarySource(text=text, cells=embedded_library())
    if not name.endswith((".lib", ".lib.gz", ".liberty")) and "/" not in name:
        raise AxhwError(f"Expected an embedded library ({', '.join(EMBEDDED)}) or a Liberty file, found {name!r}.")
    return LibrarySource(text=liberty_text(name), cells=read_library(name))

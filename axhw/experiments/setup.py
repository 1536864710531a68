"""What every study is carried out with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from axhw.experiments.parts import PARTS, Parts
from axhw.flow import Flow


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where results go, and with what circuits are made.

    Attributes
    ----------
    folder : Path
        Finished parts and results.
    flow : Flow
    root : Path, optional
        Folder to look for data sets and texts in.
    progress : callable
        Called with steps done, their total and what comes next.
    """

    folder: Path
    flow: Flow
    root: Path | None = None
    progress: Callable[[int, int, str], None] = lambda done, total, what: None

    @cached_property
    def parts(self) -> Parts:
        """Finished parts."""
        return Parts(folder=self.folder / PARTS)

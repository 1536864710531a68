"""What a paper claims beside what was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes
    ----------
    claim : str
        In one sentence.
    paper : str
        The paper's figure.
    ours : str
        The figure measured here.
    met : bool
        Computed from the figures, by the rule that `basis` states.
    basis : str
        On what network, data and designs, and when the claim counts as met.
    """

    claim: str
    paper: str
    ours: str
    met: bool
    basis: str

    def row(self) -> Mapping[str, Any]:
        """As JSON values."""
        return asdict(self)

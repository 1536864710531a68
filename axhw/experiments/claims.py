"""What a paper claims beside what was measured here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

Measured = TypeVar("Measured")


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


class Missing(Exception):
    """What a claim lacks to be computed."""


def computed(
    makers: Mapping[str, Callable[[Measured], Claim]], measured: Measured
) -> tuple[list[Claim], list[dict[str, str]]]:
    """All claims that can be computed, and those that can't with what they lack.

    Parameters
    ----------
    makers : mapping of str to callable
        By the claim's sentence: what computes it, or raises `Missing`.
    measured
        What they compute it from.

    Returns
    -------
    claims : list of Claim
    missing : list of mapping
        ``claim`` and ``lacks``.
    """
    found, missing = list[Claim](), list[dict[str, str]]()
    for sentence, make in makers.items():
        try:
            found.append(make(measured))
        except Missing as lack:
            missing.append({"claim": sentence, "lacks": str(lack)})
    return found, missing

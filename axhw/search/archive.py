"""All configurations that a search has evaluated, and the file it goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.search.hypervolume import WORST_LOSS, front, hypervolume
from axhw.search.space import Genome

_FORMAT = "axhw search 1"


@dataclass(kw_only=True)
class Archive:
    """Evaluated genomes in their order, with what the strategy remembers.

    Attributes
    ----------
    genomes : list of tuple of int
    losses : list of float
        Of accuracy against exact products, as a share of the images.
    energies : list of float
        Relative to exact products.
    generation : int
        Rounds of proposals so far.
    state : dict
        Of the strategy, JSON values.
    """

    genomes: list[Genome] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    energies: list[float] = field(default_factory=list)
    generation: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.genomes)

    @property
    def points(self) -> list[tuple[float, float]]:
        """Loss and energy of each."""
        return list(zip(self.losses, self.energies))

    def front(self, *, worst_loss: float = WORST_LOSS) -> list[int]:
        """Places of those that no other beats, among those that lose less than `worst_loss`, from the highest energy
        down."""
        return [place for place in front(self.points) if self.losses[place] < worst_loss]

    def hypervolume(self, *, first: int | None = None, worst_loss: float = WORST_LOSS) -> float:
        """Of all configurations, or the first so many evaluated."""
        return hypervolume(self.points[:first], worst_loss=worst_loss)

    def add(self, genomes: Sequence[Genome], losses: Sequence[float], energies: Sequence[float]) -> None:
        """Append a round."""
        self.genomes += genomes
        self.losses += losses
        self.energies += energies
        self.generation += 1

    def save(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write all of it, whole or not at all.

        Parameters
        ----------
        path : Path
        settings : mapping
            JSON values: what the search depends on.
        """
        document = {
            "format": _FORMAT,
            "settings": dict(settings),
            "generation": self.generation,
            "state": self.state,
            "genomes": self.genomes,
            "losses": self.losses,
            "energies": self.energies,
        }
        with replacing(path) as draft:
            draft.write_text(json.dumps(document) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, settings: Mapping[str, Any]) -> Archive:
        """Go on from a file.

        Raises
        ------
        AxhwError
            If it cannot be read, or is that of a search with other settings.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found = document["settings"] if document["format"] == _FORMAT else None
            archive = cls(
                genomes=[tuple(genome) for genome in document["genomes"]],
                losses=document["losses"],
                energies=document["energies"],
                generation=document["generation"],
                state=document["state"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AxhwError(f"Expected the state of a search in {path}, found another file ({error}).") from error
        wanted = json.loads(json.dumps(dict(settings)))
        if found != wanted:
            names = set(wanted) | set(found or {})
            other = sorted(name for name in names if (found or {}).get(name) != wanted.get(name))
            raise AxhwError(
                f"Expected the search in {path} to have the same settings, found another {', '.join(other)}: choose "
                "another folder."
            )
        return archive

"""The designs a user can name: those of the store, and those that come with axhw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axhw.index import Index
from axhw.library.archive import Archive
from axhw.record import DesignRecord
from axhw.store import Store, UnknownDesignError
from axhw.where import SHORTEST_KEY


@dataclass(frozen=True)
class Catalogue:
    """A store with the shipped designs behind it.

    Attributes
    ----------
    store : Store
    archive : Archive
        The shipped designs by default.
    """

    store: Store
    archive: Archive = field(default_factory=Archive)

    def summaries(self, *, name: str | None = None) -> list[dict[str, Any]]:
        """`DesignRecord.summary` of every design with ``shipped`` beside it: the shipped ones, then the store's.

        Of a name, only those of that name are read. A shipped design is left out where the store has one of the same
        name on the same cell library.
        """
        own = Index(self.store).summaries(name=name)
        hidden = {(summary["name"], summary["library_sha256"]) for summary in own}
        shipped = [each for each in self.shipped(name=name) if (each["name"], each["library_sha256"]) not in hidden]
        return shipped + [summary | {"shipped": False} for summary in own]

    def shipped(self, *, name: str | None = None) -> list[dict[str, Any]]:
        """The same of every shipped design, those left out above included."""
        summaries = self.archive.summaries if name is None else self.archive.summaries_of(name)
        return [summary | {"shipped": True} for summary in summaries]

    def find(self, word: str) -> DesignRecord:
        """The design of that name, or whose key begins with the word (8 letters or more); the store's come first.

        Raises
        ------
        UnknownDesignError
            If there is none.
        AxhwError
            If a key prefix is ambiguous, or a stored design damaged.
        """
        try:
            return DesignRecord.from_entry(Index(self.store).find(word))
        except UnknownDesignError:
            documents = self.archive.documents
            keys = [key for key, document in documents.items() if document["name"] == word]
            if not keys and len(word) >= SHORTEST_KEY:
                keys = [key for key in documents if key.startswith(word)]
            if len(keys) != 1:
                raise
            return DesignRecord.from_entry(self.archive.unpack(keys[0], self.store))

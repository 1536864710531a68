"""What the first layers of a configuration make, kept for others that begin alike, up to a limit of memory."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

State = TypeVar("State")


class PrefixCache(Generic[State]):
    """States by what made them; the least recently used go first when they take too many bytes.

    Only states are worth keeping that are met a second time, or known to be needed again: most configurations share
    their first layers with others and their last layers with none.

    Parameters
    ----------
    most_bytes : int
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._states: OrderedDict[Hashable, tuple[State, int]] = OrderedDict()
        self._bytes = 0
        self._met: set[bytes] = set()
        self._expected: Counter[bytes] = Counter()

    def expect(self, prefixes: Iterable[bytes]) -> None:
        """Say which prefixes will be met, each as often as it occurs, in place of what was said before."""
        self._expected = Counter(prefixes)

    def wants(self, prefix: bytes) -> bool:
        """Whether states behind a prefix are worth keeping; asking counts as meeting it."""
        again = prefix in self._met or self._expected[prefix] > 1
        self._met.add(prefix)
        return again

    def put(self, key: Hashable, state: State, *, size: int) -> None:
        """Keep a state of so many bytes."""
        if size > self._most or key in self._states:
            return
        self._states[key] = (state, size)
        self._bytes += size
        while self._bytes > self._most:
            _, (_, freed) = self._states.popitem(last=False)
            self._bytes -= freed

    def get(self, key: Hashable) -> State | None:
        """A kept state."""
        if key not in self._states:
            return None
        self._states.move_to_end(key)
        return self._states[key][0]

    @property
    def bytes(self) -> int:
        """Of all states kept."""
        return self._bytes

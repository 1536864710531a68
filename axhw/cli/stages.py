"""How long the stages of a command take."""

from __future__ import annotations

import time


class Stages:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name = ""
        self._start = 0.0

    def begin(self, name: str) -> None:
        self.end()
        self._name, self._start = name, time.perf_counter()

    def end(self) -> None:
        if self._name:
            self.seconds[self._name] = round(time.perf_counter() - self._start, 4)
            self._name = ""

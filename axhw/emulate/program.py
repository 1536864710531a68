"""Calls of kernels in the order in which threads draw them, in the form that compiled code reads."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from axhw.emulate.calls import Call

Task = Sequence[Call]

_LINE = 64


class Program:
    """Tasks, each a sequence of calls for one thread.

    Parameters
    ----------
    tasks : sequence of tasks
        In any order, at once.
    work_bytes : int
        Of the work space that each thread needs.

    Attributes
    ----------
    address : int
        Of the words that `axhw.emulate.team_ir` describes.
    tasks : int
        How many.
    work_bytes : int
        In whole cache lines.
    """

    def __init__(self, tasks: Sequence[Task], *, work_bytes: int = 0) -> None:
        starts, words = [], list[int]()
        for task in tasks:
            starts.append(len(words))
            for call in task:
                words += call.words
        starts.append(len(words))
        self._words = array("q", [len(starts) + start for start in starts] + words)
        # The calls hold the arrays that their words point to.
        self._calls = [call for task in tasks for call in task]
        self.address = self._words.buffer_info()[0]
        self.tasks = len(tasks)
        self.work_bytes = -(-work_bytes // _LINE) * _LINE

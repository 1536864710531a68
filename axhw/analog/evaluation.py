"""Many placements on many chips, scored on one text: layers before the first one that differs are computed once.

For one chip and one batch of windows, placements are ordered so that those with the same digital experts in their first
layers follow one another, and the states behind each layer, and behind the attention of the next one, are kept until a
placement differs in it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import Placement
from axhw.analog.tasks import BATCH_TOKENS, Batch, ChipKey, Chips, Progress, Steps, batches, run_tasks
from axhw.emulate.threads import thread_count
from axhw.lm.matrices import Float32Array
from axhw.lm.scoring import Score, mean_score, score_states

ByLayer: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is scored.

    Attributes
    ----------
    hybrid : HybridModel
    placement : Placement
    programming : Programming
    """

    hybrid: HybridModel
    placement: Placement
    programming: Programming = field(default_factory=Programming)

    @cached_property
    def chip(self) -> ChipKey:
        """Cases with equal ones share a chip; those without anything analog share one, too."""
        digital = self.placement.share(self.hybrid.config) == 1 and not self.hybrid.dense_keys
        return self.hybrid, Programming() if digital else self.programming.canonical

    @cached_property
    def by_layer(self) -> ByLayer:
        """Digital experts of each layer."""
        layers: list[list[int]] = [[] for _ in range(self.hybrid.config.layers)]
        for site in sorted(self.placement.digital):
            layers[site.layer].append(site.expert)
        return tuple(map(tuple, layers))


class Evaluator:
    """Scores on a text.

    Parameters
    ----------
    text : integer array, shape (n,)
    window : int
        Tokens that a model sees at once, as for `axhw.lm.scoring.score`.
    jobs : int, optional
        Threads; as many as processors by default. Scores are the same for any.
    batch_tokens : int
        What is computed at once. Scores equal those of `axhw.lm.scoring.score` with the same.

    Attributes
    ----------
    batches : tuple of Batch
    jobs : int

    Raises
    ------
    AxhwError
        For a text without a window in it.
    """

    def __init__(
        self, text: npt.ArrayLike, *, window: int, jobs: int | None = None, batch_tokens: int = BATCH_TOKENS
    ) -> None:
        self.batches = batches(text, window=window, batch_tokens=batch_tokens)
        self.jobs = thread_count(jobs)
        # The last ones are kept for the next scores, which often are of the same ones.
        self._chips = Chips(most=self.jobs + 1)

    def interleaved(self, parts: int) -> Evaluator:
        """The same windows in at least so many batches of every so-manyth window, fewer where there are fewer windows.

        Batches then are samples of the text, where those of `batches` are passages.
        """
        inputs, targets = (
            np.concatenate([getattr(batch, name) for batch in self.batches]) for name in ("inputs", "targets")
        )
        count = min(max(parts, len(self.batches)), len(inputs))
        cut = copy.copy(self)
        cut.batches = tuple(Batch(inputs=inputs[i::count], targets=targets[i::count]) for i in range(count))
        return cut

    def scores(self, cases: Sequence[Case], *, progress: Progress | None = None, what: str = "scoring") -> list[Score]:
        """A score for each case; equal cases are computed once.

        Parameters
        ----------
        cases : sequence of Case
        progress : callable, optional
            Told of steps done, of all steps, and `what`.
        what : str

        Raises
        ------
        AxhwError
            For experts that a model does not have, and texts that it can't take.
        """
        groups: dict[ChipKey, dict[ByLayer, Case]] = {}
        for case in cases:
            case.placement.check(case.hybrid.config)
            groups.setdefault(case.chip, {}).setdefault(case.by_layer, case)
        tasks = [
            _Task(chip=chip, cases=tuple(group[by_layer] for by_layer in sorted(group)), batch=batch)
            for chip, group in groups.items()
            for batch in self.batches
        ]
        steps = Steps(sum(len(task.cases) for task in tasks), progress, what)
        results = run_tasks(lambda task: task.run(self._chips, steps), tasks, jobs=self.jobs, steps=steps)
        parts: dict[tuple[ChipKey, ByLayer], list[Score]] = {}
        for task, found in zip(tasks, results):
            for case, part in zip(task.cases, found):
                parts.setdefault((case.chip, case.by_layer), []).append(part)
        return [mean_score(parts[case.chip, case.by_layer]) for case in cases]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """Placements on one chip, those alike in their first layers beside one another, and a batch of windows."""

    chip: ChipKey
    cases: tuple[Case, ...]
    batch: Batch

    def run(self, chips: Chips, steps: Steps) -> list[Score]:
        """A score for each case."""
        chip = chips.get(self.chip)
        scores: list[Score] = []
        # Before each layer, and behind its attention.
        states: list[Float32Array] = []
        attended: list[Float32Array] = []
        before: ByLayer = ()
        for case in self.cases:
            if steps.stopped:
                break
            model = chip.place(case.placement)
            if not states:
                states = [model.embed(self.batch.inputs)]
            alike = next((i for i, (old, new) in enumerate(zip(before, case.by_layer)) if old != new), len(before))
            del states[alike + 1 :], attended[alike + 1 :]
            for layer in range(len(states) - 1, model.config.layers):
                if len(attended) == layer:
                    attended.append(model.attended(layer, states[-1]))
                states.append(model.feed_forward(layer, attended[layer]))
            scores.append(score_states(model, states[-1], self.batch.targets))
            before = case.by_layer
            steps.count()
        return scores

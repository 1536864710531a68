"""Many placements on many chips score as each does by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.evaluation import Case, Evaluator
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import ExpertSite, Placement, expert_sites
from axhw.analog.programming_noise import Pcm
from axhw.errors import AxhwError
from axhw.lm.model import LanguageModel
from axhw.lm.scoring import score

ByteArray = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def text(some_bytes: Callable[[int, int], ByteArray]) -> ByteArray:
    return some_bytes(11, 10 * 16 + 1)


@pytest.fixture(scope="module")
def hybrid(moe_model: LanguageModel, on_tiles: Callable[..., HybridModel]) -> HybridModel:
    return on_tiles(moe_model)


@pytest.fixture(scope="module")
def cases(hybrid: HybridModel) -> list[Case]:
    """Any placements on two chips, some of them twice."""
    rng = np.random.default_rng(0)
    sites = expert_sites(hybrid.config)
    placements = [Placement(), Placement.all_digital(hybrid.config)] + [
        Placement(digital=frozenset(site for site in sites if rng.random() < 0.5)) for _ in range(6)
    ]
    programmings = [Programming(noise=Pcm(magnitude=2.0), seed=seed) for seed in (0, 1)]
    return [
        Case(hybrid=hybrid, placement=placements[i], programming=programmings[j])
        for i, j in rng.integers(0, (len(placements), 2), (24, 2))
    ]


def test_they_equal_full_evaluations(hybrid: HybridModel, text: ByteArray, cases: list[Case]) -> None:
    found = Evaluator(text, window=16, jobs=1, batch_tokens=64).scores(cases)
    for case, each in zip(cases, found):
        alone = hybrid.place(case.placement, case.programming)
        assert each == score(alone, text, window=16, batch_tokens=64)


def test_interleaved_windows(hybrid: HybridModel, text: ByteArray, cases: list[Case]) -> None:
    whole = Evaluator(text, window=16, jobs=1, batch_tokens=64)
    cut = whole.interleaved(4)
    assert [batch.inputs.shape for batch in cut.batches] == [(3, 16), (3, 16), (2, 16), (2, 16)]
    np.testing.assert_array_equal(cut.batches[1].inputs.ravel(), [*text[16:32], *text[80:96], *text[144:160]])
    np.testing.assert_array_equal(cut.batches[1].targets[0], text[17:33])
    (before,), (after,) = whole.scores(cases[:1]), cut.scores(cases[:1])
    assert after.nats_per_token == pytest.approx(before.nats_per_token, rel=1e-6)
    # At least as many batches as before, and none without a window.
    assert len(whole.interleaved(1).batches) == len(whole.batches) == 3
    assert len(whole.interleaved(99).batches) == 10


def test_the_number_of_threads_makes_no_difference(text: ByteArray, cases: list[Case]) -> None:
    one, three = (Evaluator(text, window=16, jobs=jobs, batch_tokens=64).scores(cases) for jobs in (1, 3))
    assert one == three


def test_equal_cases_and_common_layers_are_computed_once(
    hybrid: HybridModel, text: ByteArray, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    attentions: list[int] = []
    attended, feed_forward = LanguageModel.attended, LanguageModel.feed_forward

    def counted_attended(self: LanguageModel, index: int, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        attentions.append(index)
        return attended(self, index, x)

    def counted(self: LanguageModel, index: int, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        computed.append(index)
        return feed_forward(self, index, x)

    monkeypatch.setattr(LanguageModel, "attended", counted_attended)
    monkeypatch.setattr(LanguageModel, "feed_forward", counted)
    evaluator = Evaluator(text, window=16, jobs=1)
    sites = [Placement(digital=frozenset([ExpertSite(2, expert)])) for expert in range(4)]
    chips = [Programming(noise=Pcm(), seed=seed) for seed in (0, 1)]
    evaluator.scores([Case(hybrid=hybrid, placement=one, programming=chip) for chip in chips for one in sites * 2])
    assert sorted(computed) == [0] * 2 + [1] * 2 + [2] * 8
    assert sorted(attentions) == [0, 0, 1, 1, 2, 2]
    computed.clear()
    digital = Placement.all_digital(hybrid.config)
    evaluator.scores([Case(hybrid=hybrid, placement=digital, programming=chip) for chip in chips])
    assert computed == [0, 1, 2], "without anything analog all chips are alike"
    computed.clear()
    still = [Programming(noise=Pcm(magnitude=0.0), seed=seed) for seed in (0, 1)]
    evaluator.scores([Case(hybrid=hybrid, placement=Placement(), programming=chip) for chip in still])
    assert computed == [0, 1, 2], "nor do they differ without noise"


def test_progress_counts_placements_of_batches(text: ByteArray, cases: list[Case]) -> None:
    told: list[tuple[int, int, str]] = []
    evaluator = Evaluator(text, window=16, jobs=2, batch_tokens=64)
    evaluator.scores(cases, progress=lambda done, total, what: told.append((done, total, what)), what="cases")
    total = len({(case.chip, case.by_layer) for case in cases}) * len(evaluator.batches)
    assert told == [(done, total, "cases") for done in range(total + 1)]


def test_an_error_in_a_thread_reaches_the_caller(hybrid: HybridModel, text: ByteArray) -> None:
    too_long = Evaluator(text, window=80)
    with pytest.raises(AxhwError, match=r"Expected texts of at most 64 tokens, found 80."):
        too_long.scores([Case(hybrid=hybrid, placement=Placement())])
    with pytest.raises(AxhwError, match=r"found expert 9 of layer 1 in the placement."):
        Evaluator(text, window=16).scores(
            [Case(hybrid=hybrid, placement=Placement(digital=frozenset([ExpertSite(1, 9)])))]
        )

"""Texts, depths and hardware of the models of the study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axhw.data.python_topics import held_out
from axhw.errors import AxhwError
from axhw.experiments.analog_moe.groups import Groups, at_magnitude
from axhw.experiments.analog_moe.plan import MAXNN, QUICK, Depth, Plan
from axhw.experiments.analog_moe.points import measured
from axhw.experiments.analog_moe.rankings import Rankings
from axhw.experiments.analog_moe.subjects import Hardware, HeldOut, Subject, beginnings, subjects, weight_count
from axhw.experiments.parts import Parts
from axhw.lm.config import ModelConfig
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint

DEPTH = Depth(
    test_bytes=400,
    selection_bytes=400,
    seeds=1,
    main_seeds=1,
    magnitudes=(0.0, 2.5),
    shares_pct=(25.0,),
    selectors=(MAXNN, "random"),
    main_selectors=(),
    global_selectors=(),
    noise_selectors=(),
    noises=(),
    times_s=(),
    front_shares_pct=(),
    budgets_pct=(),
)


def model_folder(folder: Path, **changes: int) -> Path:
    """A small model with random weights."""
    sizes = {
        "vocabulary": 256,
        "hidden": 16,
        "layers": 2,
        "heads": 2,
        "kv_heads": 2,
        "head_dim": 8,
        "context": 64,
        "expert_width": 8,
    }
    config = ModelConfig(
        architecture="olmoe",
        rope_theta=1e4,
        norm_eps=1e-5,
        experts=4,
        active_experts=2,
        normalize_top_k=True,
        **{**sizes, **changes},  # type: ignore[arg-type]
    )
    write_checkpoint(folder, config, random_tensors(config, np.random.default_rng(0), spread=0.3))
    return folder


def plan(*folders: Path, depth: Depth = DEPTH) -> Plan:
    return Plan(
        models=folders,
        text=QUICK.text,
        deep=depth,
        brief=QUICK.brief,
        large=QUICK.large,
        multipliers=QUICK.multipliers,
        array_side=2,
        window=32,
    )


def test_beginnings_are_in_proportion() -> None:
    long, short = np.arange(90, dtype=np.uint8), np.arange(100, 110, dtype=np.uint8)
    assert beginnings((long, short), None).tolist() == [*range(90), *range(100, 110)]
    assert beginnings((long, short), 1000).tolist() == [*range(90), *range(100, 110)]
    assert beginnings((long, short), 20).tolist() == [*range(18), 100, 101]


def test_topics_are_those_that_come_along() -> None:
    text = HeldOut.load("python_topics")
    assert tuple(part[0].tobytes() for part in (text.validation, text.test)) == held_out()


def test_the_first_model_is_studied_in_depth(tmp_path: Path) -> None:
    folders = [model_folder(tmp_path / name) for name in ("one", "two")]
    first, second = subjects(plan(*folders), root=None, tables={}, jobs=1)
    assert (first.name, second.name) == ("one", "two")
    assert (first.depth, second.depth) == (DEPTH, QUICK.brief)
    assert first.digest == second.digest
    with pytest.raises(AxhwError, match="Expected models in folders of different names, found one, one"):
        subjects(plan(folders[0], folders[0]), root=None, tables={}, jobs=1)


def test_models_that_do_not_fit(tmp_path: Path) -> None:
    words = model_folder(tmp_path / "words", vocabulary=300)
    with pytest.raises(AxhwError, match=r"Expected a model of bytes .* found .*words with 300 tokens"):
        subjects(plan(words), root=None, tables={}, jobs=1)
    short = model_folder(tmp_path / "short", context=16)
    with pytest.raises(AxhwError, match="Expected a model that sees 32 bytes at once, found .* with 16"):
        subjects(plan(short), root=None, tables={}, jobs=1)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    (found,) = subjects(plan(model_folder(tmp_path / "one")), root=None, tables={}, jobs=1)
    return found


def test_hardware(subject: Subject) -> None:
    experts, everything = subject.hybrid(Hardware()), subject.hybrid(Hardware(analog="all"))
    assert subject.hybrid(Hardware()) is experts
    assert experts.dense == frozenset()
    assert {"attention", "router", "head"} <= everything.dense
    assert subject.hybrid(Hardware(analog="head")).dense == {"head"}
    assert subject.hybrid(Hardware(converters="ideal")).calibration.tiles.adc_bits is None
    published = subject.hybrid(Hardware(converters="published")).calibration
    assert {(ranges.k, ranges.output_range) for ranges in published.ranges.values()} == {(18.0, 14.0)}


def test_the_oracle_looks_at_less(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "one")
    (whole,) = subjects(plan(folder), root=None, tables={}, jobs=1)
    assert whole.oracle_selection is whole.selection
    (found,) = subjects(plan(folder, depth=replace(DEPTH, oracle_bytes=100)), root=None, tables={}, jobs=1)
    assert len(found.selection.text) == 400
    assert found.oracle_selection.text.tolist() == found.selection.text[:100].tolist()


def test_chips_at_the_main_magnitude(tmp_path: Path) -> None:
    depth = replace(DEPTH, main_seeds=3)
    (found,) = subjects(plan(model_folder(tmp_path / "one"), depth=depth), root=None, tables={}, jobs=1)
    groups = Groups(rankings=Rankings(subject=found, parts=Parts(folder=tmp_path / "parts")))
    assert [len(groups.chips(at_magnitude(c))) for c in (0.0, 1.0, 2.5)] == [1, 2, 6]
    assert groups.chips(at_magnitude(2.5), few=True) == groups.chips(at_magnitude(2.5))[:2]


def test_large_models_are_studied_in_less_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [model_folder(tmp_path / name) for name in ("one", "two")]
    (first, _) = subjects(plan(*folders), root=None, tables={}, jobs=1)
    other = replace(QUICK.large, seeds=7)
    chosen = replace(plan(*folders), large=other)
    for weights, depth in ((weight_count(first.config) + 1, QUICK.brief), (weight_count(first.config), other)):
        monkeypatch.setattr("axhw.experiments.analog_moe.subjects.LARGE_WEIGHTS", weights)
        assert [each.depth for each in subjects(chosen, root=None, tables={}, jobs=1)] == [DEPTH, depth]


def test_points_are_kept(subject: Subject, tmp_path: Path) -> None:
    groups = Groups(rankings=Rankings(subject=subject, parts=Parts(folder=tmp_path / "parts")))
    points = list(groups.selectors(2.5))
    # Two chips, without digital experts and by two selectors.
    assert len(points) == 6
    assert [len(point.placement.digital) for point in points[:3]] == [0, 2, 2]
    told: list[str] = []

    def rows() -> list[dict[str, object]]:
        found = measured(
            subject, points, groups.rankings.parts, name="some", progress=lambda done, total, what: told.append(what)
        )
        return [dict(row) for row in found]

    first = rows()
    assert set(told) == {"one: some"}
    told.clear()
    assert rows() == first
    assert told == []
    assert [(row["selector"], row["seed"], row["mirrored"]) for row in first[:4]] == [
        ("any", 0, False),
        ("maxnn", 0, False),
        ("random", 0, False),
        ("any", 0, True),
    ]
    names = [name for name, points in groups.all() if points]
    assert names == ["digital", "conditions", "modules", "selectors at 0", "selectors at 2.5"]

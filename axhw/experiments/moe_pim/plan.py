"""What is run: workloads, traces, crossbars and caches in gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from axhw.data.python_topics import NAME as PYTHON_TOPICS
from axhw.data.text import MIX
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.measure import Conditions
from axhw.pim.search_space import FULL_SPACE, QUICK_SPACE, SearchSpace

ALL_GROUPINGS = ("U1", "U2", "S2", "C2", "U4", "S4", "C4")
"""Groupings of the study; U and S are published."""

MODEL = "olmoe_bytes_small"
"""The trained model whose choices are scheduled; it comes with axhw."""


@dataclass(frozen=True, kw_only=True)
class GroupSetting:
    """Crossbars that are measured in groups.

    Attributes
    ----------
    multiplier : str
        Of the cells, or of the periphery.
    rows, columns : int
        Of a crossbar.
    multiply_in : str
        "cells" or "periphery".
    crossbars : tuple of int
        Sizes of groups.
    depth : int
        Requests in the queue.
    """

    multiplier: str
    rows: int
    columns: int
    multiply_in: str
    crossbars: tuple[int, ...]
    depth: int = CrossbarGroupSpec.depth


@dataclass(frozen=True, kw_only=True)
class CacheSetting:
    """A GO-cache unit that is measured: experts, tokens that each keeps, bits of a score, longest sequence."""

    experts: int
    kept: int
    score_bits: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class ValuePlan:
    """What is computed with values.

    Attributes
    ----------
    text : str
        Held-out text: ``python_topics``, which comes with axhw, or ``mix``.
    test_bytes, calibration_bytes : int
        Of its test and of its validation part.
    prompts : tuple of int
        Tokens in front of a GO cache, in windows of 256; the first one is that of schedules and of inexact hardware.
    short : tuple of int
        New tokens behind the first prompt, in windows of no more.
    score_bits : tuple of int
        Of caches that compare scores of so many bits, beside those in float32.
    multipliers : tuple of str
        Approximate ones of 8 bits.
    magnitudes : tuple of float
        Of programming noise.
    chips : tuple of int
        Seeds of it.
    scheduled : int
        Bytes that go through groups and schedules.
    groupings : tuple of str
        Of these.
    """

    text: str
    test_bytes: int
    calibration_bytes: int
    prompts: tuple[int, ...] = (32, 128)
    short: tuple[int, ...]
    score_bits: tuple[int, ...]
    multipliers: tuple[str, ...]
    magnitudes: tuple[float, ...]
    chips: tuple[int, ...]
    scheduled: int
    groupings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The study.

    Attributes
    ----------
    seed : int
        Of drawn choices and schedulers.
    generated : tuple of int
        New tokens of the published workload, its 8 included.
    models : mapping of str to int
        Larger models by name, and tokens of their prompt.
    model_steps : int
        New tokens after it.
    tokens : int
        Of the traces that are scheduled.
    traces : tuple of int
        Seeds of the synthetic ones.
    grouped : int
        Of these, so many from the first are grouped on other tokens, too.
    bounded : mapping of str to tuple of int
        Traces, by grouping, whose transfers in token order are bounded from below; those that save less than a tenth
        are, too.
    bound_rounds : int
        Of the bound.
    small_cases : int
        Traces that are solved exactly.
    layers : tuple of int
        Of the trained model.
    training_tokens : int
        Other tokens that groupings are made on, where they are held out.
    timeline : int
        Decode steps of the figure of the cache.
    groups : tuple of GroupSetting
    caches : tuple of CacheSetting
    conditions : Conditions
        Of measurements in gates.
    shared : tuple of int
        Experts at a shared periphery, of chips whose area is told; 1 first.
    space : SearchSpace
        Chips that are searched.
    values : ValuePlan
    value_models : tuple of str
        Trained models that values are computed with: names of those that come with axhw, or folders.
    """

    seed: int
    generated: tuple[int, ...]
    models: Mapping[str, int]
    model_steps: int
    tokens: int
    traces: tuple[int, ...]
    grouped: int
    bounded: Mapping[str, tuple[int, ...]]
    bound_rounds: int
    small_cases: int
    layers: tuple[int, ...]
    training_tokens: int
    timeline: int
    groups: tuple[GroupSetting, ...]
    caches: tuple[CacheSetting, ...]
    conditions: Conditions
    shared: tuple[int, ...]
    space: SearchSpace
    values: ValuePlan
    value_models: tuple[str, ...] = (MODEL,)


FULL = Plan(
    seed=0,
    generated=(8, 16, 24, 32, 40, 48, 56, 64),
    models={"olmoe": 128, "deepseekmoe": 64, "mixtral": 16},
    model_steps=32,
    tokens=512,
    traces=tuple(range(10)),
    grouped=4,
    bounded=dict.fromkeys(("U1", "U2", "S2", "U4", "S4"), (0, 1, 2, 3)),
    bound_rounds=250,
    small_cases=60,
    layers=(0, 1, 2),
    training_tokens=4096,
    timeline=32,
    groups=(
        GroupSetting(multiplier="exact", rows=4, columns=4, multiply_in="cells", crossbars=(1, 2, 4, 8)),
        GroupSetting(multiplier="exact", rows=4, columns=4, multiply_in="periphery", crossbars=(1, 2, 4, 8)),
    ),
    caches=(
        CacheSetting(experts=4, kept=4, score_bits=8, tokens=1024),
        CacheSetting(experts=16, kept=8, score_bits=8, tokens=1024),
    ),
    conditions=Conditions(),
    shared=(1, 2, 4, 8),
    space=FULL_SPACE,
    values=ValuePlan(
        text=MIX,
        test_bytes=16_385,
        calibration_bytes=8_193,
        short=(8, 32, 64),
        score_bits=(8,),
        multipliers=("mul8s_1KV6", "mul8s_1L2L", "roup:p=1,r=4"),
        magnitudes=(1.5, 2.5),
        chips=(0, 1),
        scheduled=128,
        groupings=("U1", "U2", "S2", "U4", "S4", "C4"),
    ),
)

QUICK = Plan(
    seed=0,
    generated=(8, 16, 32, 64),
    models={"olmoe": 32, "deepseekmoe": 16, "mixtral": 8},
    model_steps=8,
    tokens=512,
    traces=(0, 1),
    grouped=1,
    bounded={"U4": (0,), "S4": (0,)},
    bound_rounds=100,
    small_cases=30,
    layers=(1,),
    training_tokens=2048,
    timeline=32,
    groups=(GroupSetting(multiplier="exact:width=4", rows=2, columns=2, multiply_in="cells", crossbars=(1, 2, 4)),),
    caches=(CacheSetting(experts=4, kept=4, score_bits=8, tokens=64),),
    conditions=Conditions(pairs=512),
    shared=(1, 2, 4),
    space=QUICK_SPACE,
    values=ValuePlan(
        text=PYTHON_TOPICS,
        test_bytes=2_049,
        calibration_bytes=2_049,
        short=(8,),
        score_bits=(),
        multipliers=("mul8s_1L2L",),
        magnitudes=(1.5,),
        chips=(0,),
        scheduled=64,
        groupings=("S2", "C4"),
    ),
)

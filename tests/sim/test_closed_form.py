"""Metrics and ranks from factors against those of whole tables."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from axhw.hdl.registry import parse
from axhw.hdl.spec import Factors, MultiplierSpec
from axhw.sim.closed_form import closed_form_metrics, factored_rank
from axhw.sim.metrics import ErrorMetrics, exact_metrics
from axhw.sim.product_table import ProductTable
from axhw.sim.rank import table_rank

SEPARABLE = ["exact", "roup:p=1", "roup:p=3", "roup:p=4", "bam:ha=3", "bam:hb=2", "bam:ha=8", "kulkarni"]
OTHERS = ["roup:p=1,r=4", "bam:ha=1,hb=1", "bam:v=4", "drum:k=4", "truncated:k=5,correction=constant"]


def _spec(text: str, *, width: int = 8, signed: bool) -> MultiplierSpec:
    return parse(text, width=width, signed=signed)


def _table(spec: MultiplierSpec) -> np.ndarray:
    codes = spec.operand_codes()
    return spec.reference(codes[:, None], codes)


def _metrics(spec: MultiplierSpec) -> ErrorMetrics:
    table = ProductTable(
        values=_table(spec), width=spec.width, signed=spec.signed, name=spec.name, source={"name": spec.name}
    )
    return exact_metrics(table)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("text", SEPARABLE)
def test_separable_errors_have_the_metrics_of_the_table(text: str, signed: bool) -> None:
    spec = _spec(text, signed=signed)
    found, expected = closed_form_metrics(spec), _metrics(spec)
    assert found is not None
    figures = {key: value for key, value in dataclasses.asdict(expected).items() if value is not None}
    assert {key: value for key, value in dataclasses.asdict(found).items() if value is not None} == pytest.approx(
        figures, rel=1e-12, abs=1e-12
    )


@pytest.mark.parametrize("text", [*OTHERS, "mitchell", "lower_or:k=4"])
def test_other_errors_have_none(text: str) -> None:
    assert closed_form_metrics(_spec(text, signed=True)) is None


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("text", [*SEPARABLE, *OTHERS, "bam:ha=1,hb=2,v=7", "roup:r=8"])
def test_rank_of_factors_is_that_of_the_table(text: str, signed: bool) -> None:
    spec = _spec(text, signed=signed)
    factors = spec.factors()
    assert factors is not None
    assert factored_rank(factors) == table_rank(_table(spec))


def test_dependent_factors_do_not_count() -> None:
    rng = np.random.default_rng(3)
    left, right = rng.integers(-9, 9, (40, 3)), rng.integers(-9, 9, (40, 3))
    doubled = Factors(left=np.hstack([left, left]), right=np.hstack([right, 2 * right]))
    assert factored_rank(doubled) == 3
    assert factored_rank(Factors(left=np.hstack([left, left]), right=np.hstack([right, -right]))) == 0


def test_sixteen_bits_are_exact() -> None:
    metrics = closed_form_metrics(_spec("roup:p=2", width=16, signed=True))
    assert metrics is not None
    # The dropped part of b is uniform over 16 residues -8 .. 7 and a's magnitude has mean 2**14.
    assert metrics.mae == 2**14 * 4.0
    assert metrics.wce == 2**15 * 8
    assert (metrics.sampled, metrics.pairs) == (False, 2**32)

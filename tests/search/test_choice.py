"""Designs by layer: the least weighted error or energy of all that are within the budget."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.search.choice import Budget, choose_by_operands, mean_energy_fj
from axhw.search.palette import Palette

MULTIPLICATIONS = {"small": 30, "any": 10}


@pytest.fixture(scope="module")
def palette():
    return Palette.of(characterize(parse(text)) for text in ("exact", "bam:v=6", "roup:p=1,r=0", "roup:p=2,r=0"))


@pytest.fixture(scope="module")
def histograms():
    """Weights that are multiples of 16, which perforation multiplies exactly; and uniform operands."""
    small = np.zeros((256, 256), np.int64)
    small[:, ::16] = 1
    return {"small": small, "any": np.ones((256, 256), np.int64)}


def by_hand(palette, histogram, number):
    table = palette.tables[number]
    errors = np.abs(table.values - table.exact())
    return 100 * (errors * histogram).sum() / histogram.sum() / 65536


def test_least_error_within_an_energy(palette, histograms):
    energy = sorted(palette.energies_fj)[1]
    choices = choose_by_operands(palette, histograms, MULTIPLICATIONS, Budget(energy_fj=energy))
    inside = [number for number in range(len(palette)) if palette.energies_fj[number] <= energy]
    for choice in choices:
        errors = {number: by_hand(palette, histograms[choice.layer], number) for number in inside}
        assert choice.wmed_pct == pytest.approx(min(errors.values()))
        assert errors[choice.by_operands] == min(errors.values())
        assert choice.uniform_wmed_pct == pytest.approx(errors[choice.by_uniform])
    # With uniform operands the two are one question.
    assert choices[1].by_operands == choices[1].by_uniform


def test_least_energy_within_an_error(palette, histograms):
    choices = choose_by_operands(palette, histograms, MULTIPLICATIONS, Budget(error_pct=0.05))
    small = choices[0]
    # Perforation of two rows is exact here and the cheapest; by MAE none of the cheap ones is within the budget.
    assert palette.records[small.by_operands].name == "roup8s_p2_r0"
    assert small.wmed_pct <= 0.05
    assert palette.energies_fj[small.by_operands] < palette.energies_fj[small.by_uniform]
    mean = mean_energy_fj(palette, choices, by_operands=True)
    chosen = palette.energies_fj[[choice.by_operands for choice in choices]]
    assert mean == pytest.approx((30 * chosen[0] + 10 * chosen[1]) / 40)
    assert mean < mean_energy_fj(palette, choices, by_operands=False)


@pytest.mark.parametrize("given", [{}, {"energy_fj": 1.0, "error_pct": 1.0}, {"energy_fj": 0.0}])
def test_impossible_budgets(given):
    with pytest.raises(AxhwError, match="Expected a largest energy or a largest error above 0"):
        Budget(**given)


def test_a_budget_that_nothing_keeps(palette, histograms):
    with pytest.raises(AxhwError, match="Expected a design within the budget among 4, found none: the least energy is"):
        choose_by_operands(palette, histograms, MULTIPLICATIONS, Budget(energy_fj=1.0))

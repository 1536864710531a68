"""Changes of logits by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from axhw.nn.logit_change import logit_change

LABELS = np.array([0, 1], np.int64)


def test_two_images_of_two_classes() -> None:
    """The first image goes over to the wrong class, the second gets surer of the right one."""
    before = np.array([[1.0, 0.0], [0.0, 0.0]])
    after = np.array([[1.0, 2.0], [0.0, 1.0]])
    change = logit_change(before, after, LABELS)
    first = math.log(1 + math.e) - math.log(1 + 1 / math.e)
    second = math.log(1 + 1 / math.e) - math.log(2)
    assert change.cross_entropy_rise == pytest.approx((first + second) / 2)
    assert change.cross_entropy_error == pytest.approx(abs(first - second) / 2 / math.sqrt(2))
    # Of two equal logits the first one counts as the largest: the second image was wrong, and now is right.
    assert (change.loss_pct, change.changed_pct) == (0, 100)
    # (0, 2) less its mean is (-1, 1), and (0, 1) is (-1/2, 1/2).
    assert change.noise == pytest.approx((1 + 1 + 0.25 + 0.25) / 4)


def test_what_all_logits_change_together_is_no_noise() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 5))
    change = logit_change(logits, logits + 3, LABELS)
    assert (change.loss_pct, change.changed_pct) == (0, 0)
    assert change.noise == pytest.approx(0, abs=1e-25)
    assert change.cross_entropy_rise == pytest.approx(0, abs=1e-12)


def test_no_change_is_nothing_at_all() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    change = logit_change(logits, logits, LABELS)
    assert change.noise == change.cross_entropy_rise == change.cross_entropy_error == 0


def test_large_logits_do_not_overflow() -> None:
    change = logit_change(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([[0.0, 1e4], [0.0, 1e4]]), LABELS)
    assert change.cross_entropy_rise == pytest.approx(5e3)
    assert (change.loss_pct, change.changed_pct) == (50, 50)

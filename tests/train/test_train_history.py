"""The best weights so far."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.train.history import Best  # noqa: E402


def test_the_first_of_the_best_weights_are_kept() -> None:
    weights = torch.zeros(3)
    best = Best({"weight": weights})
    for epoch, accuracy in enumerate((0.5, 0.4, 0.7, 0.7, 0.6)):
        weights.fill_(epoch)
        best.offer(accuracy, epoch=epoch)
    assert best.epoch == 2
    best.take()
    assert weights.tolist() == [2, 2, 2]


def test_a_checkpoint_holds_which_epoch_was_best() -> None:
    weights = torch.ones(1)
    best = Best({"weight": weights})
    best.offer(0.9, epoch=4)
    again = Best({"weight": torch.zeros(1)})
    for name, tensor in again.state.items():
        tensor.copy_(best.state[name])
    again.offer(0.8, epoch=5)
    assert (again.epoch, again.state["best/weight"].tolist()) == (4, [1.0])

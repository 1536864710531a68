"""What routers add to the loss, and how evenly experts are used."""

from __future__ import annotations

import torch

from axhw.train.language.experts import assignments


class RouterLosses:
    """Collects what the routers of one pass decide.

    The balance of a layer is experts * sum_i f_i P_i, with f_i the share of assignments that expert i gets and P_i its
    mean probability: 1 when use is even (Fedus et al. 2022, equations 4 to 6). The z loss is the mean square of
    logsumexp(logits) (Zoph et al. 2022, equation 5). Both are means over the layers.
    """

    def __init__(self) -> None:
        self._balances: list[torch.Tensor] = []
        self._squares: list[torch.Tensor] = []

    def observe(self, layer: int, logits: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> None:
        """Take a layer's logits [n, experts] and chosen experts [n, k]."""
        experts = logits.shape[1]
        used = assignments(chosen, experts) / chosen.numel()
        probabilities = logits.softmax(dim=1).mean(dim=0)
        self._balances.append(experts * (used * probabilities).sum())
        self._squares.append(logits.logsumexp(dim=1).square().mean())

    def balance(self) -> torch.Tensor:
        """Scalar, at least about 1."""
        return torch.stack(self._balances).mean()

    def z(self) -> torch.Tensor:
        """Scalar."""
        return torch.stack(self._squares).mean()


class ExpertUse:
    """Counts assignments by layer and expert over many passes."""

    def __init__(self) -> None:
        self._counts: dict[int, torch.Tensor] = {}

    def observe(self, layer: int, logits: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> None:
        """Take a layer's chosen experts [n, k] out of as many as logits [n, experts] has columns."""
        counts = assignments(chosen, logits.shape[1])
        self._counts[layer] = self._counts[layer] + counts if layer in self._counts else counts

    def imbalance(self) -> float:
        """Assignments of the busiest expert to those of the mean one, mean over the layers: 1 when use is even."""
        ratios = [float(counts.max() / counts.double().mean()) for counts in self._counts.values()]
        return sum(ratios) / len(ratios)

    def unused(self) -> int:
        """Experts, of all layers, that no row went to."""
        return sum(int((counts == 0).sum()) for counts in self._counts.values())

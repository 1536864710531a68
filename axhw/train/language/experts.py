"""Gated feed-forward experts in PyTorch, all of a layer in three batched products."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class GatedLayer(nn.Module):
    """down(silu(gate(x)) * up(x)) for rows [n, hidden]: a dense layer or a shared expert."""

    def __init__(self, hidden: int, width: int, *, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.empty(width, hidden))
        self.up = nn.Parameter(torch.empty(width, hidden))
        self.down = nn.Parameter(torch.empty(hidden, width))
        self._dropout = dropout

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        inner = F.silu(F.linear(rows, self.gate)) * F.linear(rows, self.up)
        return F.linear(F.dropout(inner, self._dropout, self.training), self.down)


class Experts(nn.Module):
    """As many gated layers, of which each row goes through those that were chosen for it; none is dropped.

    Rows are moved to places [experts, capacity], with capacity the rows of the busiest expert, so that three batched
    products do the work. On a GPU the host waits for that number once a layer.
    """

    def __init__(self, experts: int, hidden: int, width: int, *, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.empty(experts, width, hidden))
        self.up = nn.Parameter(torch.empty(experts, width, hidden))
        self.down = nn.Parameter(torch.empty(experts, hidden, width))
        self._dropout = dropout

    def forward(self, rows: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Sum of the chosen experts' outputs by weight.

        Parameters
        ----------
        rows : tensor [n, hidden]
        chosen : int64 tensor [n, k]
        weights : tensor [n, k]
        """
        experts, hidden = self.gate.shape[0], rows.shape[1]
        if torch.is_autocast_enabled(rows.device.type):
            # Once, before rows are copied for every expert, not in each product.
            rows = rows.to(torch.get_autocast_dtype(rows.device.type))
        places, capacity = _places(chosen.flatten(), experts)
        spread = rows.repeat_interleave(chosen.shape[1], dim=0)
        # Every place is taken at most once: the gradients of both moves are plain copies, without atomic sums.
        packed = rows.new_zeros(experts * capacity, hidden).index_copy(0, places, spread)
        packed = packed.view(experts, capacity, hidden)
        inner = F.silu(packed @ self.gate.mT) * (packed @ self.up.mT)
        outputs = F.dropout(inner, self._dropout, self.training) @ self.down.mT
        found = outputs.reshape(experts * capacity, hidden).index_select(0, places).view(*chosen.shape, hidden)
        return (found * weights.unsqueeze(-1).to(found.dtype)).sum(dim=1)

    def take(self, rows: torch.Tensor, places: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The same where each expert takes rows, of every text as many.

        Rows are moved by products with zeros and ones, whose gradients are products too: a row may go to many experts,
        and sums of moved gradients would be in any order on a GPU.

        Parameters
        ----------
        rows : tensor [texts, length, hidden]
        places : int64 tensor [texts, experts, k]
            Rows of its text that an expert takes.
        weights : tensor [texts, experts, k]

        Returns
        -------
        tensor [texts, length, hidden]
        """
        if torch.is_autocast_enabled(rows.device.type):
            rows = rows.to(torch.get_autocast_dtype(rows.device.type))
        moves = F.one_hot(places, rows.shape[1]).to(rows.dtype)
        packed = torch.einsum("tekl,tlh->ekth", moves, rows).flatten(1, 2)
        inner = F.silu(packed @ self.gate.mT) * (packed @ self.up.mT)
        outputs = F.dropout(inner, self._dropout, self.training) @ self.down.mT
        outputs = outputs.unflatten(1, (places.shape[2], len(rows)))
        return torch.einsum("tekl,ekth->tlh", moves * weights.unsqueeze(-1).to(rows.dtype), outputs)


def assignments(chosen: torch.Tensor, experts: int) -> torch.Tensor:
    """How often each expert was chosen, int64 [experts]; unlike bincount without waiting for the GPU."""
    flat = chosen.flatten()
    return torch.zeros(experts, dtype=torch.int64, device=flat.device).scatter_add_(0, flat, torch.ones_like(flat))


def _places(experts_of: torch.Tensor, experts: int) -> tuple[torch.Tensor, int]:
    """Where each assignment goes in [experts * capacity], in order of arrival, and the capacity."""
    order = experts_of.argsort(stable=True)
    counts = assignments(experts_of, experts)
    starts = counts.cumsum(0) - counts
    capacity = int(counts.max())
    in_order = experts_of[order]
    rank = torch.arange(len(order), device=order.device) - starts[in_order]
    places = torch.empty_like(order)
    places[order] = in_order * capacity + rank
    return places, capacity

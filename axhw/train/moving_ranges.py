"""Ranges of codes that follow the activations of the batches, as moving averages of their extremes.

Of experts only the rows chosen for them count. Where one of them is chosen, and they share the range of what they make
together, that follows the extremes of all of them, before they are encoded.
"""

from __future__ import annotations

import torch

from axhw.nn.graph import Graph
from axhw.nn.layers.activations import Clip
from axhw.train.codings import CodePlan

_MOMENTUM = 0.01
"""Share of a new batch in moving ranges."""


class MovingRanges:
    """The ranges while one batch goes through the network.

    Parameters
    ----------
    graph : Graph
    plan : CodePlan
    limits : float64 tensor, shape (ranged, 2)
        The ranges, changed in place.
    """

    def __init__(self, graph: Graph, plan: CodePlan, limits: torch.Tensor) -> None:
        self._graph = graph
        self._plan = plan
        self._limits = limits
        self._chosen: dict[str, torch.Tensor] = {}
        self._together: dict[int, torch.Tensor] = {}

    def choose(self, gate: str, chosen: torch.Tensor) -> None:
        """Note which experts a gate chooses, bool [..., experts]."""
        self._chosen[gate] = chosen.reshape(-1, chosen.shape[-1])

    def see(self, tensor: str, real: torch.Tensor) -> None:
        """Let the range of a tensor follow its values before they are encoded, but behind a clip."""
        if tensor in self._plan.fixed:
            return
        place = self._plan.place[tensor]
        with torch.no_grad():
            extremes, share = self._extremes(tensor, real)
            if tensor in self._plan.candidates:
                known = self._together.get(place)
                self._together[place] = extremes if known is None else _widest(known, extremes)
            else:
                self._move(tensor, extremes, share)

    def see_choice(self, tensor: str) -> None:
        """The same for a choice of one expert, of whose candidates the values were seen."""
        with torch.no_grad():
            self._move(tensor, self._together.pop(self._plan.place[tensor]), None)

    def _extremes(self, tensor: str, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Lowest and highest value of the rows that count, float64, and 1 if there are any, else 0."""
        share = None
        route = self._graph.route_of(tensor)
        if route is not None:
            rows = self._chosen[route.gate][:, route.expert]
            # 0 is in every range.
            real = torch.where(rows.reshape(-1, *(1,) * (real.ndim - 1)), real, torch.zeros_like(real))
            share = rows.any().to(torch.float64)
        return torch.stack(torch.aminmax(real)).to(torch.float64), share

    def _move(self, tensor: str, extremes: torch.Tensor, share: torch.Tensor | None) -> None:
        clip = self._graph[self._plan.clips[tensor]].layer if tensor in self._plan.clips else None
        if isinstance(clip, Clip):
            extremes = torch.clamp(extremes, clip.low, clip.high)
        self._limits[self._plan.place[tensor]].lerp_(extremes, _MOMENTUM if share is None else _MOMENTUM * share)


def _widest(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.minimum(first[0], second[0]), torch.maximum(first[1], second[1])])

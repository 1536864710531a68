"""Cost of a token of a language model whose experts are digital in part and analog in part.

Energy is that of products with their additions and of fetching from memory, and the leakage of all arrays during the
time of a token. A batch B goes through the layers together, one token of B texts each:

    latency     attention, router, then shared experts and digital experts while analog ones work, in every layer, then
                the head: arrays do one matrix after the other, tiles those at the same time that hear the same rows; an
                expert on tiles takes its rows one behind the other, the most used one the longest
    tokens/s    1 / max over all resources of the time that a token keeps them busy

Resources are the arrays, those of experts where they have their own, the busiest tile, and the memory. This is the
bound of a pipeline over layers with as many batches under way as keep its slowest stage busy (bottleneck law: Denning
and Buzen, ACM Computing Surveys 10, 1978); arrays serve all layers, as their weights come from memory anyway.

Left out, here as in `axhw.moe.cost`: norms, rotary angles, activation functions, softmax, top-k and the weighting of
experts, moving activations between arrays, and control. Area is that of arrays and tiles: none for memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy.typing as npt

from axhw.analog.expert_cost import ExpertCosts, expert_costs
from axhw.analog.machine import Load, Machine
from axhw.analog.module_work import (
    Resource,
    Work,
    analog_experts,
    attention_works,
    dense_work,
    digital_experts,
    embedding_work,
    latency_together,
)
from axhw.analog.placement import BoolArray, Placement
from axhw.lm.config import ModelConfig
from axhw.lm.layout import layer_parts

# nW times ns is 1e-18 J.
NJ_PER_NW_NS = 1e-9
_NS = 1e9


@dataclass(frozen=True, kw_only=True)
class ModuleCost:
    """A module of all layers for a token.

    Attributes
    ----------
    module : str
        "embedding", "attention", "router", "digital experts", "analog experts", "shared_expert", "dense" or "head".
    macs : float
        Products with additions.
    compute_nj, memory_nj : float
        Energy of these, and of fetching.
    latency_ns : float
        Of a batch, all layers together, where nothing else is under way.
    weight_bytes : int
        In memory, a byte each: those on tiles are not.
    fetched_bytes : float
        Weights, keys and values; a batch shares the weights.
    tiles_mm2 : float
    """

    module: str
    macs: float = 0.0
    compute_nj: float = 0.0
    memory_nj: float = 0.0
    latency_ns: float = 0.0
    weight_bytes: int = 0
    fetched_bytes: float = 0.0
    tiles_mm2: float = 0.0

    @property
    def energy_nj(self) -> float:
        return self.compute_nj + self.memory_nj


@dataclass(frozen=True, kw_only=True)
class TokenCost:
    """A model for a token, the mean over a batch.

    Attributes
    ----------
    modules : tuple of ModuleCost
        In the order in which a token goes through them; those that the model has.
    busy_ns : mapping of str to float
        Time that a token keeps each resource busy.
    latency_ns : float
        Of a batch through all layers.
    arrays_mm2 : float
    leakage_nw : float
        Of all arrays.
    """

    modules: tuple[ModuleCost, ...]
    busy_ns: Mapping[str, float]
    latency_ns: float
    arrays_mm2: float
    leakage_nw: float

    @property
    def bottleneck(self) -> str:
        """The resource that a token keeps busy the longest."""
        return max(self.busy_ns, key=lambda name: self.busy_ns[name])

    @property
    def tokens_per_s(self) -> float:
        return _NS / self.busy_ns[self.bottleneck]

    @property
    def macs(self) -> float:
        return sum(module.macs for module in self.modules)

    @property
    def compute_nj(self) -> float:
        """Energy of products and additions."""
        return sum(module.compute_nj for module in self.modules)

    @property
    def memory_nj(self) -> float:
        """Energy of fetching."""
        return sum(module.memory_nj for module in self.modules)

    @property
    def leakage_nj(self) -> float:
        return NJ_PER_NW_NS * self.leakage_nw * self.busy_ns[self.bottleneck]

    @property
    def energy_nj(self) -> float:
        return self.compute_nj + self.memory_nj + self.leakage_nj

    @property
    def tokens_per_j(self) -> float:
        """Tokens/(W s)."""
        return _NS / self.energy_nj

    @property
    def area_mm2(self) -> float:
        """Of arrays and tiles."""
        return self.arrays_mm2 + sum(module.tiles_mm2 for module in self.modules)

    @property
    def weight_bytes(self) -> int:
        return sum(module.weight_bytes for module in self.modules)

    @property
    def fetched_bytes(self) -> float:
        return sum(module.fetched_bytes for module in self.modules)

    def row(self) -> dict[str, float]:
        """Its figures as columns of a table."""
        energies = ("energy_nj", "compute_nj", "memory_nj", "leakage_nj")
        others = ("latency_ns", "tokens_per_s", "tokens_per_j", "area_mm2", "weight_bytes", "fetched_bytes", "macs")
        return {name: float(getattr(self, name)) for name in (*energies, *others)}


def token_cost(
    config: ModelConfig,
    machine: Machine,
    placement: Placement,
    *,
    load: Load | None = None,
    use: npt.ArrayLike | None = None,
) -> TokenCost:
    """Cost of a token.

    Parameters
    ----------
    config : ModelConfig
    machine : Machine
    placement : Placement
        Its digital experts are on arrays, all others on tiles.
    load : Load, optional
    use : array-like, shape (layers, experts), optional
        Mean rows of a token in each expert; by default all experts are chosen alike.

    Raises
    ------
    AxhwError
        For experts that the model does not have, impossible uses, and tiles without a known cost.
    """
    load = Load() if load is None else load
    costs = expert_costs(config, machine, load=load, use=use)
    mask = placement.mask(config)
    works, latency_ns = [embedding_work(config)], 0.0
    for layer in range(config.layers):
        first, together = _layer_works(config, machine, load, layer, costs, mask[layer])
        latency_ns += sum(work.latency_ns for work in first) + latency_together(together)
        works += [*first, *together]
    head = dense_work(config, machine, load, None, "head")
    works.append(head)
    modules = _by_module(works, machine)
    pools = [machine.arrays]
    if machine.expert_arrays is not None and mask.any():
        pools.append(machine.expert_arrays)
    return TokenCost(
        modules=modules,
        busy_ns=_busy_ns(works, machine),
        latency_ns=latency_ns + head.latency_ns,
        arrays_mm2=sum(pool.area_mm2 for pool in pools),
        leakage_nw=sum(pool.leakage_nw for pool in pools),
    )


def _layer_works(
    config: ModelConfig, machine: Machine, load: Load, layer: int, costs: ExpertCosts, digital: BoolArray
) -> tuple[list[Work], list[Work]]:
    """What a layer does one after the other, and then what it does at the same time."""
    first, together = attention_works(config, machine, load, layer), list[Work]()
    for module in layer_parts(config, layer):
        if module == "router":
            first.append(dense_work(config, machine, load, layer, module))
        elif module in ("shared_expert", "dense"):
            together.append(dense_work(config, machine, load, layer, module))
        elif module == "expert" and digital.any():
            resource: Resource = "arrays" if machine.expert_arrays is None else "arrays of experts"
            together.append(digital_experts(costs, digital, layer, load, resource=resource))
        if module == "expert" and not digital.all():
            together.append(analog_experts(costs, digital, layer, load))
    return first, together


def _by_module(works: Sequence[Work], machine: Machine) -> tuple[ModuleCost, ...]:
    """All layers together."""

    def module_cost(name: str) -> ModuleCost:
        own = [work for work in works if work.module == name]
        fetched = sum(work.fetched_bytes for work in own)
        return ModuleCost(
            module=name,
            macs=sum(work.macs for work in own),
            compute_nj=sum(work.compute_nj for work in own),
            memory_nj=machine.memory.energy_nj(fetched),
            latency_ns=sum(work.latency_ns for work in own),
            weight_bytes=sum(work.weight_bytes for work in own),
            fetched_bytes=fetched,
            tiles_mm2=sum(work.tiles_mm2 for work in own),
        )

    return tuple(module_cost(name) for name in dict.fromkeys(work.module for work in works))


def _busy_ns(works: Sequence[Work], machine: Machine) -> dict[str, float]:
    """Time that a token keeps each resource busy."""
    busy: dict[str, float] = {}
    for work in works:
        if work.resource == "memory":
            continue
        before = busy.get(work.resource, 0.0)
        busy[work.resource] = max(before, work.busy_ns) if work.resource == "tiles" else before + work.busy_ns
    if machine.memory.gb_per_s is not None:
        # A byte at a GB/s takes a nanosecond.
        busy["memory"] = sum(work.fetched_bytes for work in works) / machine.memory.gb_per_s
    return busy

"""What arrays, tiles and memory do for each module of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from axhw.analog.digital import ArrayWork, BatchRows
from axhw.analog.expert_cost import ExpertCosts
from axhw.analog.machine import Load, Machine
from axhw.analog.placement import BoolArray
from axhw.analog.tile_cost import TiledMatrix
from axhw.lm.config import ModelConfig
from axhw.lm.layout import layer_parts, matrix_shape
from axhw.lm.matrices import HEAD, MatrixKey, Module, Part

Resource: TypeAlias = Literal["arrays", "arrays of experts", "tiles", "memory"]

_LAST_PARTS: tuple[Part, ...] = ("o", "down")
"""What has to wait for the other matrices of its module."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one resource does for a module of a layer.

    Attributes
    ----------
    module : str
    resource : str
        What is busy with it, beside the memory.
    macs : float
        Products with additions of a token.
    compute_nj : float
        Of a token.
    latency_ns : float
        Of a batch.
    busy_ns : float
        Time that a token keeps the resource busy: all arrays of a pool, or the busiest tile.
    weight_bytes : int
        In memory.
    fetched_bytes : float
        For a token.
    tiles_mm2 : float
    """

    module: str
    resource: Resource
    macs: float = 0.0
    compute_nj: float = 0.0
    latency_ns: float = 0.0
    busy_ns: float = 0.0
    weight_bytes: int = 0
    fetched_bytes: float = 0.0
    tiles_mm2: float = 0.0


def embedding_work(config: ModelConfig) -> Work:
    """A row of the table; a tied one is the head's."""
    size = 0 if config.tied_embeddings else config.vocabulary * config.hidden
    return Work(module="embedding", resource="memory", weight_bytes=size, fetched_bytes=config.hidden)


def attention_works(config: ModelConfig, machine: Machine, load: Load, layer: int) -> list[Work]:
    """Projections, and products of queries with keys and of their weights with values, which are digital."""
    keys = load.keys_of(config)
    rows, groups = BatchRows.all(config.heads // config.kv_heads), load.batch * config.kv_heads
    shapes = [(keys, config.head_dim), (config.head_dim, keys)] if keys else []
    products = [
        machine.arrays.work(outputs=outputs, inputs=inputs, rows=rows, groups=groups) for outputs, inputs in shapes
    ]
    # Keys and values are read, and those of the token are written.
    moved = 2 * config.kv_heads * config.head_dim * (keys + 1)
    return [
        dense_work(config, machine, load, layer, "attention"),
        _on_arrays("attention", products, load, weight_bytes=0, fetched_bytes=moved),
    ]


def dense_work(config: ModelConfig, machine: Machine, load: Load, layer: int | None, module: Module) -> Work:
    """A module that all tokens go through, on arrays or on tiles; `layer` is None for the head."""
    parts = (HEAD.part,) if layer is None else layer_parts(config, layer)[module]
    shapes = [matrix_shape(config, MatrixKey(layer=layer, module=module, part=part)) for part in parts]
    size = sum(outputs * inputs for outputs, inputs in shapes)
    if module not in machine.analog_modules:
        rows = BatchRows.all(load.batch)
        products = [machine.arrays.work(outputs=outputs, inputs=inputs, rows=rows) for outputs, inputs in shapes]
        return _on_arrays(module, products, load, weight_bytes=size, fetched_bytes=size / load.batch)
    tiled = [machine.tiled(outputs=outputs, inputs=inputs) for outputs, inputs in shapes]
    busy_ns = max(matrix.busy_ns for matrix in tiled)
    return Work(
        module=module,
        resource="tiles",
        macs=size,
        compute_nj=sum(matrix.energy_nj for matrix in tiled),
        latency_ns=_through(tiled, parts) + (load.batch - 1) * busy_ns,
        busy_ns=busy_ns,
        tiles_mm2=sum(matrix.area_mm2 for matrix in tiled),
    )


def digital_experts(costs: ExpertCosts, digital: BoolArray, layer: int, load: Load, *, resource: Resource) -> Work:
    """Those experts of a layer that are digital, one after the other; `digital` is of shape (experts,)."""
    busy_ns = float(costs.array_ns[layer, digital].sum())
    return Work(
        module="digital experts",
        resource=resource,
        macs=float(costs.macs[layer, digital].sum()),
        compute_nj=float(costs.digital_nj[layer, digital].sum()),
        latency_ns=load.batch * busy_ns,
        busy_ns=busy_ns,
        weight_bytes=int(digital.sum()) * costs.weight_bytes,
        fetched_bytes=float(costs.fetched_bytes[layer, digital].sum()),
    )


def analog_experts(costs: ExpertCosts, digital: BoolArray, layer: int, load: Load) -> Work:
    """The others, all at the same time: the most used one takes the longest."""
    most = float(costs.use[layer, ~digital].max())
    return Work(
        module="analog experts",
        resource="tiles",
        macs=float(costs.macs[layer, ~digital].sum()),
        compute_nj=float(costs.analog_nj[layer, ~digital].sum()),
        latency_ns=costs.row_latency_ns + max(load.batch * most - 1, 0.0) * costs.row_ns if most else 0.0,
        busy_ns=most * costs.row_ns,
        tiles_mm2=int((~digital).sum()) * costs.tiles_mm2,
    )


def latency_together(works: Iterable[Work]) -> float:
    """Latency of what may happen at the same time: arrays do one thing after the other, tiles everything at once."""
    taken: dict[Resource, float] = {}
    for work in works:
        before = taken.get(work.resource, 0.0)
        together = max(before, work.latency_ns) if work.resource == "tiles" else before + work.latency_ns
        taken[work.resource] = together
    return max(taken.values(), default=0.0)


def _on_arrays(
    module: Module, products: Sequence[ArrayWork], load: Load, *, weight_bytes: int, fetched_bytes: float
) -> Work:
    latency_ns = sum(float(each.time_ns) for each in products)
    return Work(
        module=module,
        resource="arrays",
        macs=sum(float(each.macs) for each in products) / load.batch,
        compute_nj=sum(float(each.energy_nj) for each in products) / load.batch,
        latency_ns=latency_ns,
        busy_ns=latency_ns / load.batch,
        weight_bytes=weight_bytes,
        fetched_bytes=fetched_bytes,
    )


def _through(tiled: Sequence[TiledMatrix], parts: Sequence[Part]) -> float:
    """Latency of a row: matrices that hear the same one work at the same time."""
    first = [matrix.latency_ns for matrix, part in zip(tiled, parts) if part not in _LAST_PARTS]
    last = [matrix.latency_ns for matrix, part in zip(tiled, parts) if part in _LAST_PARTS]
    return max(first) + max(last, default=0.0)

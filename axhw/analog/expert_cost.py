"""What each expert costs on tiles and on arrays: costs of models and choices of digital experts are made of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.analog.converters import FloatArray
from axhw.analog.digital import BatchRows
from axhw.analog.machine import Load, Machine
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertCosts:
    """Every routed expert for a token, in arrays of shape (layers, experts); 0 in layers without experts.

    Attributes
    ----------
    use : float64 array
        Mean rows of a token.
    macs : float64 array
        Products with additions.
    analog_nj : float64 array
        On tiles of its own.
    tile_ns : float64 array
        Time in which the busiest of these takes no other token's rows.
    digital_nj : float64 array
        On arrays.
    array_ns : float64 array
        Time in which these do nothing else.
    fetched_bytes : float64 array
        Of its weights, where it is digital.
    memory_nj : float64 array
        For these.
    weight_bytes : int
        Of one expert, a byte a weight.
    tiles_mm2 : float
        Of the tiles of one.
    row_ns : float
        Time in which the busiest tile takes no other row than one.
    row_latency_ns : float
        Of one row through its tiles.
    """

    use: FloatArray
    macs: FloatArray
    analog_nj: FloatArray
    tile_ns: FloatArray
    digital_nj: FloatArray
    array_ns: FloatArray
    fetched_bytes: FloatArray
    memory_nj: FloatArray
    weight_bytes: int
    tiles_mm2: float
    row_ns: float
    row_latency_ns: float

    @cached_property
    def extra_nj(self) -> FloatArray:
        """What a token takes more where an expert is digital; below 0 where tiles take more than arrays and memory."""
        extra: FloatArray = self.digital_nj + self.memory_nj - self.analog_nj
        return extra


def expected_use(config: ModelConfig) -> FloatArray:
    """Mean rows of a token in each expert, shape (layers, experts), if all are chosen alike."""
    use = np.zeros((config.layers, config.experts))
    use[list(config.expert_layers)] = config.active_experts / config.experts
    return use


def checked_use(config: ModelConfig, use: npt.ArrayLike | None) -> FloatArray:
    """Use of the experts as given, or as expected.

    Raises
    ------
    AxhwError
        For another shape, uses outside 0 to 1, and a layer whose uses do not add up to its active experts.
    """
    if use is None:
        return expected_use(config)
    given = np.asarray(use, np.float64)
    if given.shape != (config.layers, config.experts):
        raise AxhwError(
            f"Expected the use of experts as an array of {config.layers} layers x {config.experts} experts, found "
            f"shape {given.shape}."
        )
    if not ((given >= 0) & (given <= 1)).all():
        raise AxhwError(f"Expected from 0 to 1 rows of a token in an expert, found {given.min():g} to {given.max():g}.")
    wanted = config.active_experts * (expected_use(config).sum(axis=1) > 0)
    if not np.allclose(given.sum(axis=1), wanted, rtol=1e-3):
        wrong = int(np.argmax(np.abs(given.sum(axis=1) - wanted)))
        raise AxhwError(
            f"Expected uses that add up to {wanted[wrong]} experts of a token in layer {wrong}, found "
            f"{given[wrong].sum():g}."
        )
    return given


def expert_costs(
    config: ModelConfig, machine: Machine, *, load: Load | None = None, use: npt.ArrayLike | None = None
) -> ExpertCosts:
    """Costs of every expert.

    Parameters
    ----------
    config : ModelConfig
    machine : Machine
    load : Load, optional
    use : array-like, shape (layers, experts), optional
        Mean rows of a token in each expert, as counted on a text; by default all experts are chosen alike.

    Raises
    ------
    AxhwError
        As `checked_use`, and for tiles that have no known cost.
    """
    load = Load() if load is None else load
    used = checked_use(config, use)
    rows = BatchRows(batch=load.batch, use=used)
    shapes = [(config.expert_width, config.hidden)] * 2 + [(config.hidden, config.expert_width)]
    tiled = [machine.tiled(outputs=outputs, inputs=inputs) for outputs, inputs in shapes]
    pool = machine.pool_of_experts
    works = [pool.work(outputs=outputs, inputs=inputs, rows=rows) for outputs, inputs in shapes]
    size, row_ns = sum(outputs * inputs for outputs, inputs in shapes), max(matrix.busy_ns for matrix in tiled)
    fetched = size * rows.used / load.batch
    return ExpertCosts(
        use=used,
        macs=used * size,
        analog_nj=used * sum(matrix.energy_nj for matrix in tiled),
        tile_ns=used * row_ns,
        digital_nj=np.sum([work.energy_nj for work in works], axis=0) / load.batch,
        array_ns=np.sum([work.time_ns for work in works], axis=0) / load.batch,
        fetched_bytes=fetched,
        memory_nj=machine.memory.energy_nj(fetched),
        weight_bytes=size,
        tiles_mm2=sum(matrix.area_mm2 for matrix in tiled),
        row_ns=row_ns,
        # Gate and up hear the same row at the same time.
        row_latency_ns=max(matrix.latency_ns for matrix in tiled[:2]) + tiled[2].latency_ns,
    )

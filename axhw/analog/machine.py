"""What computes a language model, and under which load: arrays, tiles, memory, and tokens at once."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, field
from typing import TypeVar

from axhw.analog.converters import FloatArray
from axhw.analog.digital import ArrayPool
from axhw.analog.tile_cost import HERMES, TileCosts, TiledMatrix
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.matrices import Module

Bytes = TypeVar("Bytes", float, FloatArray)

_NJ_PER_PJ = 1e-3


@dataclass(frozen=True, kw_only=True)
class MemoryCosts:
    """Where the weights of digital matrices, keys and values come from.

    Attributes
    ----------
    name : str
    pj_per_byte : float
    gb_per_s : float or None
        All of it; None keeps up with everything.

    Raises
    ------
    AxhwError
        For an energy below 0, and a rate that is not above 0.
    """

    name: str
    pj_per_byte: float
    gb_per_s: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.pj_per_byte) and self.pj_per_byte >= 0):
            raise AxhwError(f"Expected an energy of at least 0 pJ for a byte of memory, found {self.pj_per_byte}.")
        if self.gb_per_s is not None and not (math.isfinite(self.gb_per_s) and self.gb_per_s > 0):
            raise AxhwError(f"Expected a rate of memory above 0 GB/s, found {self.gb_per_s}.")

    def energy_nj(self, moved: Bytes) -> Bytes:
        """Energy of so many bytes, a number or an array."""
        return _NJ_PER_PJ * self.pj_per_byte * moved


def dram(channels: int = 1) -> MemoryCosts:
    """DRAM of arXiv 2602.10254: 5.332 GB/s at 0.2467 W a channel, which is 46.3 pJ a byte; idle power is left out.

    Raises
    ------
    AxhwError
        For less than one channel.
    """
    if channels < 1:
        raise AxhwError(f"Expected at least 1 channel of DRAM, found {channels}.")
    return MemoryCosts(name=f"{channels} x DRAM", pj_per_byte=1e3 * 0.2467 / 5.332, gb_per_s=channels * 5.332)


SRAM = MemoryCosts(name="SRAM", pj_per_byte=100 / 8)
"""On chip, 1 MB banks in 45 nm: 100 pJ for 64 bits (Horowitz, ISSCC 2014). Its area is left out."""

FREE = MemoryCosts(name="none", pj_per_byte=0.0)
"""What arithmetic alone costs."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Texts that are continued at the same time, a token each.

    Attributes
    ----------
    batch : int
        Tokens that go through a layer together: a matrix in memory is fetched once for all of them.
    keys : float or None
        Tokens that a token attends to; None is the mean over a text as long as the model's context.

    Raises
    ------
    AxhwError
        For a batch without tokens, and less than 0 keys.
    """

    batch: int = 64
    keys: float | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise AxhwError(f"Expected a batch of at least 1 token, found {self.batch}.")
        if self.keys is not None and not (math.isfinite(self.keys) and self.keys >= 0):
            raise AxhwError(f"Expected at least 0 keys to attend to, found {self.keys}.")

    def keys_of(self, config: ModelConfig) -> int:
        """Keys that a token of the model attends to, rounded up."""
        return math.ceil((config.context + 1) / 2 if self.keys is None else self.keys)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Hardware for a model.

    Attributes
    ----------
    arrays : ArrayPool
        For all that is digital and no routed expert.
    expert_arrays : ArrayPool or None
        For digital experts; None leaves them to `arrays`.
    tiles : TileSpec
        For what is analog: every matrix has tiles of its own.
    tile_costs : TileCosts
    sharing : int
        Tiles of a matrix with one bank of converters, which compute one after the other.
    memory : MemoryCosts
    analog_modules : set of str
        Modules beside experts whose matrices are on tiles; products of activations are always digital.
    """

    arrays: ArrayPool
    expert_arrays: ArrayPool | None = None
    tiles: TileSpec = field(default_factory=TileSpec)
    tile_costs: TileCosts = HERMES
    sharing: int = 1
    memory: MemoryCosts = field(default_factory=dram)
    analog_modules: Set[Module] = frozenset()

    def tiled(self, *, outputs: int, inputs: int) -> TiledMatrix:
        """A matrix on its tiles."""
        return self.tile_costs.matrix(outputs, inputs, self.tiles, sharing=self.sharing)

    @property
    def pool_of_experts(self) -> ArrayPool:
        """That of digital experts."""
        return self.arrays if self.expert_arrays is None else self.expert_arrays

"""What multiplies by each matrix of a model: a digital product, exact or in int8, or a programmed crossbar.

A weight is laid out on tiles once (`HybridModel`), programmed once for a noise and a seed (`Chip`), and used by all
placements. Noise comes from the seed and from where a matrix stands, so that an expert is programmed alike in every
placement, and in every noise model and magnitude up to the deviations: differences between placements are those of the
placements.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args

import numpy as np

from axhw.analog.drift import PcmDrift, PcmReadNoise, check_time
from axhw.analog.mapping import MappedWeight
from axhw.analog.matrix import AnalogMatrix
from axhw.analog.model_calibration import Calibration
from axhw.analog.placement import ExpertSite, Placement, expert_sites
from axhw.analog.programming_noise import ProgrammingNoise
from axhw.emulate.gemm import Table
from axhw.errors import AxhwError
from axhw.lm.integer import IntegerMatrix
from axhw.lm.layout import all_matrices
from axhw.lm.matrices import MatrixKey, Module, Operator, Part
from axhw.lm.model import LanguageModel

EXPERT: Module = "expert"
DENSE: frozenset[Module] = frozenset(get_args(Module)) - {EXPERT}
"""All modules that every token goes through."""

_PARTS: tuple[Part, ...] = ("gate", "up", "down")
_MODULE_NUMBERS: Mapping[Module, int] = {module: number for number, module in enumerate(get_args(Module))}
_PART_NUMBERS: Mapping[Part, int] = {part: number for number, part in enumerate(get_args(Part))}
_PROGRAM, _READ = 0, 1

Key = TypeVar("Key")
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Programming:
    """How crossbars are programmed and when they are read.

    Attributes
    ----------
    noise : ProgrammingNoise or None
        None for conductances as they should be.
    seed : int
        Of all that is random.
    mirrored : bool
        Whether random numbers have the other sign: the mean of the rise of the loss over both signs has no part that
        is linear in the noise, and needs fewer seeds.
    drift : PcmDrift or None
    read_noise : PcmReadNoise or None
        Needs a time.
    seconds : float or None
        When conductances are read, after programming; None for right then, before any drift.
    compensated : bool
        Whether drift is compensated by a factor for each tile.

    Raises
    ------
    AxhwError
        For a seed or time below 0, and for drift, read noise or compensation without a time.
    """

    noise: ProgrammingNoise | None = None
    seed: int = 0
    mirrored: bool = False
    drift: PcmDrift | None = None
    read_noise: PcmReadNoise | None = None
    seconds: float | None = None
    compensated: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise AxhwError(f"Expected a seed of at least 0, found {self.seed}.")
        if self.seconds is not None:
            check_time(self.seconds)
        elif self.drift is not None or self.read_noise is not None or self.compensated:
            raise AxhwError("Expected a time in seconds after programming for drift and read noise, found none.")

    @property
    def random(self) -> bool:
        """Whether another seed makes another chip."""
        noisy = self.noise is not None and self.noise.magnitude > 0
        return noisy or self.drift is not None or self.read_noise is not None

    @cached_property
    def canonical(self) -> Programming:
        """The same for all programmings that cannot differ."""
        return self if self.random else replace(self, seed=0, mirrored=False)

    def program(self, key: MatrixKey, mapped: MappedWeight) -> AnalogMatrix:
        """A matrix of a chip."""
        matrix = AnalogMatrix.program(mapped, self.noise, drift=self.drift, rng=self._rng(key, _PROGRAM))
        if self.seconds is None:
            return matrix
        rng = self._rng(key, _READ)
        return matrix.at(self.seconds, read_noise=self.read_noise, compensated=self.compensated, rng=rng)

    def _rng(self, key: MatrixKey, step: int) -> np.random.Generator:
        place = [-1 if number is None else number for number in (key.layer, key.expert)]
        numbers = (self.seed, step, place[0] + 1, _MODULE_NUMBERS[key.module], place[1] + 1, _PART_NUMBERS[key.part])
        source = np.random.PCG64(np.random.SeedSequence(numbers))
        return _Mirrored(source) if self.mirrored else np.random.Generator(source)


class HybridModel:
    """A model whose experts are analog or digital, each as a placement says.

    Parameters
    ----------
    model : LanguageModel
        With operators that are kept: what is digital multiplies by these.
    calibration : Calibration
        For the experts and all modules of `dense`.
    table : ProductTable or integer array [256, 256], optional
        Digital experts multiply in int8 with this one (`axhw.lm.integer`), rather than in float32.
    dense : collection of str
        Modules that are analog in every placement; by default what is no expert is digital.

    Raises
    ------
    AxhwError
        For a model that has no experts or does not keep its operators, and for modules that were not calibrated.
    """

    def __init__(
        self,
        model: LanguageModel,
        calibration: Calibration,
        *,
        table: Table | None = None,
        dense: Collection[Module] = (),
    ) -> None:
        if not model.config.expert_layers:
            raise AxhwError("Expected a model with experts, found none in any of its layers.")
        if not model.keep:
            raise AxhwError("Expected a model that keeps its operators, found one that does not: load it with keep.")
        keys = list(all_matrices(model.config))
        if unknown := sorted({EXPERT, *dense} & {key.module for key in keys} - calibration.modules):
            raise AxhwError(f"Expected a calibration for all analog modules, found none for {', '.join(unknown)}.")
        self.model = model
        self.config = model.config
        self.calibration = calibration
        self.table = table
        self.dense = frozenset(dense) - {EXPERT}
        self.dense_keys = tuple(key for key in keys if key.module in self.dense)
        self._mapped = _Once[MatrixKey, MappedWeight]()
        self._digital = _Once[MatrixKey, Operator]()

    def with_table(self, table: Table | None) -> HybridModel:
        """The same with other digital experts; what is laid out on tiles is shared."""
        changed = copy.copy(self)
        changed.table = table
        changed._digital = _Once()
        return changed

    def mapped(self, key: MatrixKey) -> MappedWeight:
        """A matrix on its tiles, laid out at its first use."""
        return self._mapped(key, lambda: self.calibration.mapped(key, self.model.weight(key)))

    def digital(self, key: MatrixKey) -> Operator:
        """The digital product with a matrix of an expert, prepared at its first use."""
        table = self.table
        if table is None:
            return self.model.operator(key)
        return self._digital(key, lambda: IntegerMatrix(self.model.weight(key), table=table, threads=1))

    def chip(self, programming: Programming) -> Chip:
        """The crossbars of all matrices, each programmed at its first use."""
        return Chip(self, programming)

    def place(self, placement: Placement, programming: Programming | None = None) -> LanguageModel:
        """The model with a placement, on a chip of its own.

        Raises
        ------
        AxhwError
            For experts that the model does not have.
        """
        return self.chip(programming or Programming()).place(placement)


class Chip:
    """Crossbars that are programmed once; `HybridModel.chip` makes them.

    Parameters
    ----------
    hybrid : HybridModel
    programming : Programming
    """

    def __init__(self, hybrid: HybridModel, programming: Programming) -> None:
        self.hybrid = hybrid
        self.programming = programming.canonical
        self._matrices = _Once[MatrixKey, AnalogMatrix]()

    def matrix(self, key: MatrixKey) -> AnalogMatrix:
        """A programmed matrix."""
        return self._matrices(key, lambda: self.programming.program(key, self.hybrid.mapped(key)))

    def place(self, placement: Placement) -> LanguageModel:
        """The model with digital experts as a placement says, and all others on this chip.

        Raises
        ------
        AxhwError
            For experts that the model does not have.
        """
        placement.check(self.hybrid.config)
        operators: dict[MatrixKey, Operator] = {key: self.matrix(key) for key in self.hybrid.dense_keys}
        for site in expert_sites(self.hybrid.config):
            source = self.hybrid.digital if site in placement.digital else self.matrix
            operators |= {key: source(key) for key in expert_matrices(site)}
        return self.hybrid.model.with_operators(operators)


def expert_matrices(site: ExpertSite) -> tuple[MatrixKey, ...]:
    """The matrices of an expert: gate, up, down."""
    return tuple(MatrixKey(layer=site.layer, module=EXPERT, part=part, expert=site.expert) for part in _PARTS)


class _Once(Generic[Key, Made]):
    """What is made at its first use, once for all threads."""

    def __init__(self) -> None:
        self._made: dict[Key, Made] = {}
        self._lock = threading.Lock()

    def __call__(self, key: Key, make: Callable[[], Made]) -> Made:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


class _Mirrored(np.random.Generator):
    """Normal numbers of the other sign."""

    def standard_normal(self, *arguments: Any, **options: Any) -> Any:
        return -super().standard_normal(*arguments, **options)

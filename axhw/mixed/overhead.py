"""What choosing the multiplier at run time costs: a configurable design against the fixed ones that it can be.

An assignment of multipliers to kernels needs hardware that changes its multiplier. A model that counts products times
the energy of a fixed multiplier leaves out three things that are measured here: the configurable circuit spends more
than a fixed one in every mode, it is larger and slower, and every change of the mode costs energy of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.registry import DesignSpec
from axhw.mixed.characterize import characterize_mixed
from axhw.mixed.record import MixedRecord
from axhw.record import DesignRecord

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Overhead:
    """A configurable design beside the fixed designs of its modes, all measured under the same conditions.

    Attributes
    ----------
    configurable : MixedRecord
    fixed : tuple of DesignRecord
        In the order of the modes; in the same element.
    """

    configurable: MixedRecord
    fixed: tuple[DesignRecord, ...]

    @property
    def energy_fj(self) -> FloatArray:
        """(modes,) energy of a product in each mode, the mode held."""
        return np.array([way.energy_fj for way in self.configurable.ways])

    @property
    def fixed_fj(self) -> FloatArray:
        """(modes,) energy of a product in each fixed design."""
        return np.array([record.circuit_cost.energy_fj for record in self.fixed])

    @property
    def change_fj(self) -> FloatArray:
        """(modes, modes) energy of a change from one mode to another beyond the products, in either direction."""
        return np.array(self.configurable.change_fj)

    @property
    def area_ratio(self) -> float:
        """Area over that of the largest fixed design, which a design for one assignment only would need."""
        return self._area / max(record.circuit_cost.area_um2 for record in self.fixed)

    @property
    def separate_area_ratio(self) -> float:
        """Area over that of all the fixed designs together, side by side and with nothing to choose among them."""
        return self._area / sum(record.circuit_cost.area_um2 for record in self.fixed)

    @property
    def delay_ratio(self) -> float:
        """Delay, or shortest period, over that of the slowest fixed design."""
        slowest = max(record.circuit_cost.delay_ns for record in self.fixed)
        return self.configurable.costs[0].delay_ns / slowest

    def assignment_fj(self, products: npt.ArrayLike, changes: npt.ArrayLike | None = None) -> float:
        """Energy of an assignment on the configurable design.

        Parameters
        ----------
        products : (modes,) array_like
            How many products each mode makes.
        changes : (modes, modes) array_like, optional
            How often the mode changes from one to another; never by default.

        Raises
        ------
        AxhwError
            For other shapes and negative counts.
        """
        modes = len(self.fixed)
        moved = np.zeros((modes, modes)) if changes is None else self._counts(changes, (modes, modes), "changes")
        return float(self._counts(products, (modes,), "products") @ self.energy_fj + (moved * self.change_fj).sum())

    def model_fj(self, products: npt.ArrayLike) -> float:
        """What the same assignment seems to cost where fixed multipliers are counted, as if changing were free."""
        return float(self._counts(products, (len(self.fixed),), "products") @ self.fixed_fj)

    @property
    def _area(self) -> float:
        return self.configurable.costs[0].area_um2

    def _counts(self, counts: npt.ArrayLike, shape: tuple[int, ...], what: str) -> FloatArray:
        array = np.asarray(counts, np.float64)
        if array.shape != shape or not np.isfinite(array).all() or (array < 0).any():
            raise AxhwError(
                f"Expected numbers of {what} of 0 or more in an array of shape {shape} for {self.configurable.name}, "
                f"found others in one of shape {array.shape}."
            )
        return array

    def summary(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "area_ratio": self.area_ratio,
            "separate_area_ratio": self.separate_area_ratio,
            "delay_ratio": self.delay_ratio,
            "fixed": [
                {
                    "name": record.name,
                    "area_um2": record.circuit_cost.area_um2,
                    "delay_ns": record.circuit_cost.delay_ns,
                    "energy_fj": record.circuit_cost.energy_fj,
                    "energy_ratio": float(ratio),
                }
                for record, ratio in zip(self.fixed, self.energy_fj / self.fixed_fj)
            ],
        }


def overhead(
    spec: ConfigurableRoupSpec | ConfigurableMacSpec,
    *,
    flow: Flow | None = None,
    threads: int | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> Overhead:
    """A configurable design and the fixed ones, from the store or made and stored.

    Parameters and errors are those of `axhw.mixed.characterize.characterize_mixed`.
    """
    configurable = characterize_mixed(spec, flow=flow, threads=threads, stage=stage)
    fixed = []
    for mode in spec.modes:
        alone: DesignSpec = mode
        if isinstance(spec, ConfigurableMacSpec):
            alone = MacSpec(multiplier=mode, **spec.parameters())
        stage(f"fixed {alone.name}")
        fixed.append(characterize(alone, flow=flow, threads=threads))
    return Overhead(configurable=configurable, fixed=tuple(fixed))

"""A language model with its experts on different hardware: exact, approximate, analog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from axhw.analog.bench import Bench
from axhw.analog.operators import Programming, expert_matrices
from axhw.analog.placement import Placement, expert_sites
from axhw.analog.programming_noise import programming_noise
from axhw.analog.tiles import TileSpec
from axhw.emulate.gemm import Table
from axhw.errors import AxhwError
from axhw.lm.integer import IntegerMatrix
from axhw.lm.model import LanguageModel

FLOAT32, INT8 = "float32", "int8"


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """A model, and what its experts are multiplied with; all else is as in the files.

    Attributes
    ----------
    model : LanguageModel
        Keeps its operators.
    multiplier : str
        "float32", "int8" for exact products, or the name of a multiplier; "analog".
    noise : str
        Model of the programming noise, or "none".
    magnitude : float
        Of the noise.
    seed : int or None
        Of the chip.
    """

    model: LanguageModel
    multiplier: str = FLOAT32
    noise: str = "none"
    magnitude: float = 0.0
    seed: int | None = None

    @property
    def name(self) -> str:
        """E.g. ``mul8s_1L2L``, or ``pcm 1.5, chip 0``."""
        return self.multiplier if self.seed is None else f"{self.noise} {self.magnitude:g}, chip {self.seed}"


def float_machine(model: LanguageModel) -> Machine:
    """The model as it is."""
    return Machine(model=model)


def integer_machine(model: LanguageModel, *, name: str = INT8, table: Table | None = None) -> Machine:
    """Experts in int8, with exact products or those of a multiplier.

    Parameters
    ----------
    model : LanguageModel
    name : str
    table : ProductTable or integer array [256, 256], optional
        As for `axhw.lm.integer.IntegerMatrix`.
    """
    keys = [key for site in expert_sites(model.config) for key in expert_matrices(site)]
    operators = {key: IntegerMatrix(model.weight(key), table=table, threads=1) for key in keys}
    return Machine(model=model.with_operators(operators), multiplier=name)


def analog_machines(
    bench: Bench, *, noise: str = "pcm", magnitudes: Sequence[float] = (1.5, 2.5), seeds: Sequence[int] = (0,)
) -> list[Machine]:
    """Experts on crossbar tiles of 256 x 256, the size of the published cores, calibrated on the text of the bench.

    Parameters
    ----------
    bench : Bench
    noise : str
        A name out of `axhw.analog.programming_noise.MODELS`.
    magnitudes : sequence of float
    seeds : sequence of int
        A chip each.

    Raises
    ------
    AxhwError
        For another noise, and for a calibration text without a window in it.
    """
    hybrid = bench.hybrid(tiles=TileSpec(rows=256, columns=256))
    found = []
    for magnitude in magnitudes:
        model = programming_noise(noise, magnitude=magnitude)
        for seed in seeds:
            placed = hybrid.place(Placement(), Programming(noise=model, seed=seed))
            found.append(Machine(model=placed, multiplier="analog", noise=noise, magnitude=magnitude, seed=seed))
    return found


def build_machines(
    bench: Bench,
    *,
    tables: Mapping[str, Table],
    noise: str = "pcm",
    magnitudes: Sequence[float] = (1.5, 2.5),
    seeds: Sequence[int] = (0,),
) -> list[Machine]:
    """Exact in float32, exact in int8, with each multiplier, and with each noise on each chip.

    Parameters
    ----------
    bench : Bench
    tables : mapping of str to ProductTable or integer array [256, 256]
        Of signed 8-bit multipliers, by their names.
    noise, magnitudes, seeds
        As for `analog_machines`; without magnitudes there is nothing analog.

    Raises
    ------
    AxhwError
        As `analog_machines` does, and for a model without experts.
    """
    model = bench.model
    if not model.config.expert_layers:
        raise AxhwError(f"Expected a language model with experts, found none in {bench.name}.")
    found = [float_machine(model), integer_machine(model)]
    found += [integer_machine(model, name=name, table=table) for name, table in tables.items()]
    if magnitudes:
        found += analog_machines(bench, noise=noise, magnitudes=magnitudes, seeds=seeds)
    return found

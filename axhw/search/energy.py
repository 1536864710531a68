"""Energy of assignments: multiplications times the energy of the multiplier that does them.

``uniform``   one energy a design, that of uniform random operands, as MAx-DNN has it
``operands``  one energy a design and layer, measured over pairs drawn from what the layer multiplies in the network
              with exact products (`axhw.workload`, order ``histogram``); kept in the store

Both leave out additions, memory and control.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from axhw.characterize import code_digest
from axhw.measure import Conditions
from axhw.nn.graph import Graph
from axhw.nn.operand_statistics import FloatArray
from axhw.search.assignment import Ids, shares
from axhw.search.configuration import Choice
from axhw.search.palette import Palette
from axhw.store import Store
from axhw.synth.liberty.library import CellLibrary
from axhw.workload import LayerOperands, workload_energy

Energies: TypeAlias = Literal["uniform", "operands"]
ENERGIES: tuple[Energies, ...] = get_args(Energies)

OPERAND_IMAGES = 8
OPERAND_PAIRS = 1024

_ROOM = "operand-energies"
_NJ_PER_FJ = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class EnergyModel:
    """Energy of a multiplication by layer and design.

    Attributes
    ----------
    kind : {"uniform", "operands"}
    graph : Graph
    by_layer_fj : mapping of str to float64 array, shape (designs,)
        For every product layer.
    exact : int
        The exact design that savings are relative to.
    """

    kind: Energies
    graph: Graph
    by_layer_fj: Mapping[str, FloatArray]
    exact: int

    @classmethod
    def uniform(cls, palette: Palette, graph: Graph) -> EnergyModel:
        """That of uniform random operands."""
        by_layer = {node.name: palette.energies_fj for node in graph.product_nodes}
        return cls(kind="uniform", graph=graph, by_layer_fj=by_layer, exact=palette.exact)

    @classmethod
    def of_operands(
        cls,
        palette: Palette,
        graph: Graph,
        operands: Mapping[str, LayerOperands],
        *,
        library: CellLibrary,
        store: Store,
        pairs: int = OPERAND_PAIRS,
        seed: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> EnergyModel:
        """That of the operands of each layer.

        Parameters
        ----------
        palette : Palette
        graph : Graph
        operands : mapping of layer name to LayerOperands
            As `axhw.workload.layer_operands` takes them, of all product layers.
        library : CellLibrary
            In which the designs were measured.
        store : Store
            Where energies are kept.
        pairs, seed : int
            Operations sampled for each design and layer, and the seed of the draws.
        progress : callable, optional
            Called with the designs done and their number.
        """
        conditions = Conditions(pairs=pairs, seed=seed)
        digests = {name: _digest(layer) for name, layer in operands.items()}
        by_layer = {name: np.empty(len(palette)) for name in operands}
        for number, record in enumerate(palette.records):

            def energy_fj(name: str, record_number: int = number) -> Mapping[str, float]:
                found = workload_energy(
                    palette.records[record_number],
                    {name: operands[name]},
                    library=library,
                    order="histogram",
                    conditions=conditions,
                )
                return {"energy_fj": found.layers[0].energy_fj, "standard_error_fj": found.layers[0].standard_error_fj}

            for name, layer_digest in digests.items():
                parts = [record.key, layer_digest, asdict(conditions), code_digest()]
                key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
                figures = store.remember(_ROOM, key, lambda name=name: energy_fj(name))  # type: ignore[misc]
                by_layer[name][number] = figures["energy_fj"]
            if progress is not None:
                progress(number + 1, len(palette))
        return cls(kind="operands", graph=graph, by_layer_fj=by_layer, exact=palette.exact)

    def layer_nj(self, name: str, ids: Ids) -> float:
        """Energy of one layer for one image."""
        energies = self.by_layer_fj[name]
        share = shares(ids, self.graph[name].layer, len(energies))
        return _NJ_PER_FJ * self.graph.nominal_multiplications[name] * float(share @ energies)

    def energy_nj(self, choice: Choice) -> float:
        """Energy of all multiplications for one image."""
        return sum(self.layer_nj(name, ids) for name, ids in choice.items())

    @cached_property
    def exact_nj(self) -> float:
        """The same with the exact design."""
        return self.energy_nj({name: np.asarray(self.exact) for name in self.by_layer_fj})

    def relative(self, choice: Choice) -> float:
        """Energy as a share of that with the exact design."""
        return self.energy_nj(choice) / self.exact_nj


def _digest(layer: LayerOperands) -> str:
    digest = hashlib.sha256(repr((layer.activations.shape, str(layer.activations.dtype), layer.weights.shape)).encode())
    for codes in (layer.activations, layer.weights):
        digest.update(np.ascontiguousarray(codes).tobytes())
    return digest.hexdigest()

"""An island: one parent and the generator it draws from, as arrays that kernels change and checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.evolve.limits import METRICS
from axhw.evolve.search_kernels import COUNTERS, EVALUATIONS, MUTANTS, Genes
from axhw.hdl.bits import Words
from axhw.hdl.gates import Gate, GateNetlist

# The parent, and two rows to work in.
_ROWS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Island:
    """What an island is in the middle of.

    Attributes
    ----------
    genes : Genes
        The parent in row 0.
    found : Genes
        The cheapest circuit within each limit of the ladder; at an infinite cost where there is none.
    state : (4,) uint64
        Of the random generator.
    counters : (COUNTERS,) int64
    begun : (2,) int64
        Evaluations and mutants when the present epoch began.
    """

    genes: Genes
    found: Genes
    state: Words
    counters: npt.NDArray[np.int64]
    begun: npt.NDArray[np.int64]

    @classmethod
    def of(cls, parent: Genes, *, rungs: int, seed: int, number: int) -> Island:
        """The island of that number for a seed; all begin with the same parent."""
        genes, found = _room(parent, _ROWS), _room(parent, rungs)
        copy_row(parent, 0, genes, 0)
        found.cost[:] = np.inf
        words = np.random.SeedSequence((seed, number)).generate_state(4, np.uint64).astype(np.uint64)
        return cls(
            genes=genes,
            found=found,
            state=words,
            counters=np.zeros(COUNTERS, np.int64),
            begun=np.zeros(2, np.int64),
        )

    def begin(self) -> None:
        """Note that an epoch begins."""
        self.begun[:] = self.counters[[EVALUATIONS, MUTANTS]]

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
        """Everything by name, for a checkpoint."""
        result: dict[str, npt.NDArray[np.generic]] = {
            f"{prefix}state": self.state,
            f"{prefix}counters": self.counters,
            f"{prefix}begun": self.begun,
        }
        for part, genes in (("genes", self.genes), ("found", self.found)):
            result |= {f"{prefix}{part}_{name}": array for name, array in genes._asdict().items()}
        return result

    def restore(self, arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> None:
        """Take over what `arrays` gave.

        Raises
        ------
        AxhwError
            If the arrays are not of this search.
        """
        for name, own in self.arrays(prefix).items():
            found = arrays.get(name)
            if found is None or found.shape != own.shape or found.dtype != own.dtype:
                raise AxhwError(
                    f"Expected a checkpoint with {own.dtype} {own.shape} as {name}, found another: damaged?"
                )
            own[...] = found


def genes_of(circuit: GateNetlist, *, spare: int = 0) -> Genes:
    """One row of genes: the gates of a circuit, and `spare` ones that nothing reads yet."""
    gates = [*circuit.gates, *[Gate(0, 0, 0)] * spare]
    columns = np.array(gates, np.int64).reshape(-1, 3).T
    return Genes(
        function=columns[0][None].astype(np.uint8),
        x=columns[1][None].astype(np.uint32),
        y=columns[2][None].astype(np.uint32),
        outputs=np.array(circuit.outputs, np.uint32)[None],
        cost=np.zeros(1),
        sums=np.zeros((1, len(METRICS))),
    )


def circuit_of(genes: Genes, row: int, *, inputs: int) -> GateNetlist:
    """The circuit of a row."""
    gates = zip(genes.function[row].tolist(), genes.x[row].tolist(), genes.y[row].tolist())
    return GateNetlist(
        inputs=inputs, gates=tuple(Gate(*gate) for gate in gates), outputs=tuple(genes.outputs[row].tolist())
    )


def copy_row(source: Genes, row: int, target: Genes, place: int) -> None:
    """Copy one circuit with its figures."""
    for name, array in source._asdict().items():
        getattr(target, name)[place] = array[row]


def _room(like: Genes, rows: int) -> Genes:
    return Genes(*(np.zeros((rows, *array.shape[1:]), array.dtype) for array in like))

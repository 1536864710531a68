"""A multiplier for every layer, filter or kernel of a network, as a file and as tables.

The file is JSON: the network's name, the designs with the digests of their tables and what they can be made of again,
and for each product layer a number of a design, a list of numbers (one for each filter) or a list of lists (one for
each kernel: filter and input channel).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.nn.assignment import LayerTables
from axhw.nn.compensation import COMPENSATIONS, Compensation
from axhw.nn.graph import Graph
from axhw.nn.layers.base import WeightLayer
from axhw.nn.operand_statistics import FloatArray
from axhw.nn.weight_tuning import TUNINGS, Tuning
from axhw.search.palette import DesignReference
from axhw.sim.product_table import ProductTable

Ids: TypeAlias = npt.NDArray[np.int64]
Level: TypeAlias = Literal["layer", "filter", "kernel"]
LEVELS: tuple[Level, ...] = get_args(Level)

FORMAT = "axhw assignment 1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """Which design does which multiplications.

    Attributes
    ----------
    network : str
        Name of the network's graph.
    designs : tuple of DesignReference
    layers : mapping of str to int64 array, shape (), (outputs,) or (outputs, channels)
        Numbers of designs for each product layer of the network.
    tune : {"plain", "histogram"}, optional
        Weight tuning that belongs to it (`axhw.nn.weight_tuning`).
    compensate : {"bias", "affine"}, optional
        Compensation that belongs to it (`axhw.nn.compensation`).

    Raises
    ------
    AxhwError
        For numbers without a design and arrays of another kind.
    """

    network: str
    designs: tuple[DesignReference, ...]
    layers: Mapping[str, Ids]
    tune: Tuning | None = None
    compensate: Compensation | None = None

    def __post_init__(self) -> None:
        if not self.designs or not self.layers:
            raise AxhwError("Expected at least one design and one layer in an assignment, found none.")
        for name, ids in self.layers.items():
            if ids.dtype.kind not in "iu" or ids.ndim > 2 or not ids.size:
                raise AxhwError(
                    f"Expected numbers of designs for {name} as one integer, a list of them or a list of lists, found "
                    f"an array of {ids.dtype} and shape {ids.shape}."
                )
            if not 0 <= int(ids.min()) <= int(ids.max()) < len(self.designs):
                raise AxhwError(
                    f"Expected numbers of designs from 0 to {len(self.designs) - 1} for {name}, found "
                    f"{int(ids.min())} to {int(ids.max())}."
                )
        for what, value, known in (("tune", self.tune, TUNINGS), ("compensate", self.compensate, COMPENSATIONS)):
            if value is not None and value not in known:
                raise AxhwError(f"Expected {what} of an assignment to be one of {', '.join(known)}, found {value!r}.")

    def check(self, graph: Graph) -> None:
        """Refuse a network that it is not for.

        Raises
        ------
        AxhwError
            If layers or their shapes are others.
        """
        names = [node.name for node in graph.product_nodes]
        if set(names) != set(self.layers):
            raise AxhwError(
                f"Expected an assignment of the product layers of {graph.name} ({', '.join(names)}), found one of "
                f"{', '.join(self.layers)} of {self.network}."
            )
        for name, ids in self.layers.items():
            layer = graph[name].layer
            shape = (layer.outputs, layer.channels) if isinstance(layer, WeightLayer) else ()
            if ids.shape != shape[: ids.ndim]:
                raise AxhwError(
                    f"Expected one design for {name} of {graph.name}, or an array of shape {shape} or {shape[:1]}, "
                    f"found shape {ids.shape}."
                )

    def counts(self, graph: Graph) -> dict[str, FloatArray]:
        """Multiplications for one image that each design does, shape (designs,), by layer; see
        `Graph.nominal_multiplications`."""
        return {
            name: graph.nominal_multiplications[name] * shares(ids, graph[name].layer, len(self.designs))
            for name, ids in self.layers.items()
        }

    def tables(self, tables: Sequence[ProductTable]) -> dict[str, LayerTables]:
        """The tables of each layer, from those of the designs in their order."""
        return {name: layer_tables(ids, tables) for name, ids in self.layers.items()}

    def compact(self) -> Assignment:
        """The same with only the designs in use, and one number where a layer has one design."""
        layers = {name: canonical(ids) for name, ids in self.layers.items()}
        used = np.unique(np.concatenate([ids.ravel() for ids in layers.values()]))
        numbers = np.zeros(len(self.designs), np.int64)
        numbers[used] = np.arange(len(used))
        return dataclasses.replace(
            self,
            designs=tuple(self.designs[number] for number in used),
            layers={name: numbers[ids] for name, ids in layers.items()},
        )

    def save(self, path: Path) -> Path:
        """Write it as JSON.

        Raises
        ------
        AxhwError
            If the file cannot be written.
        """
        document: dict[str, Any] = {
            "format": FORMAT,
            "network": self.network,
            "tune": self.tune,
            "compensate": self.compensate,
            "designs": [dataclasses.asdict(design) for design in self.designs],
            "layers": {name: ids.tolist() for name, ids in self.layers.items()},
        }
        with replacing(path) as draft:
            draft.write_text(json.dumps(document) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Assignment:
        """Read a file that `save` wrote.

        Raises
        ------
        AxhwError
            If it cannot be read or holds something else.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise AxhwError(f"Expected an assignment in {path}, found {error.strerror or error}.") from error
        except ValueError as error:
            raise AxhwError(f"Expected an assignment as JSON in {path}, found other text.") from error
        found = document.get("format") if isinstance(document, dict) else None
        if found != FORMAT:
            named = "none" if found is None else repr(found)
            raise AxhwError(f"Expected a file of the format {FORMAT!r}, found {named} in {path}.")
        try:
            return cls(
                network=str(document["network"]),
                designs=tuple(DesignReference(**design) for design in document["designs"]),
                layers={name: _numbers(name, ids) for name, ids in document["layers"].items()},
                tune=document["tune"],
                compensate=document["compensate"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise AxhwError(
                f"Expected what axhw writes in the assignment {path}, found an error at {error}."
            ) from error
        except AxhwError as error:
            raise AxhwError(f"In {path}: {error}") from error


def shares(ids: Ids, layer: object, designs: int) -> FloatArray:
    """Share of a layer's multiplications that each design does; its filters and kernels have equally many each."""
    shape = (layer.outputs, layer.channels)[: ids.ndim] if isinstance(layer, WeightLayer) else ()
    counts = np.bincount(np.broadcast_to(ids, shape).ravel(), minlength=designs)
    found: FloatArray = counts / counts.sum()
    return found


def canonical(ids: Ids) -> Ids:
    """The same choice with as few axes as can say it."""
    while ids.ndim and bool((ids == ids[..., :1]).all()):
        ids = ids[..., 0]
    return np.asarray(ids, np.int64)


def layer_tables(ids: Ids, tables: Sequence[ProductTable]) -> LayerTables:
    """The tables of one layer: those in use only, as fewer can be multiplied faster."""
    used, table_of = np.unique(canonical(ids), return_inverse=True)
    return LayerTables(tables=tuple(tables[number] for number in used), table_of=table_of.reshape(canonical(ids).shape))


def digest(ids: Ids) -> bytes:
    """Of a layer's choice: equal for choices that do the same."""
    chosen = canonical(ids)
    return hashlib.sha256(repr(chosen.shape).encode() + chosen.astype("<i8").tobytes()).digest()


def _numbers(name: str, ids: Any) -> Ids:
    try:
        array = np.array(ids)
    except ValueError as error:
        raise AxhwError(f"Expected equally many designs for each filter of {name}, found ragged lists.") from error
    if array.dtype.kind not in "iu":
        raise AxhwError(f"Expected integers as numbers of designs for {name}, found {array.dtype}.")
    return array.astype(np.int64)

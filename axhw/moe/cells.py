"""Networks retrained for one published circuit each: the cells of the AxMoE study (arXiv 2605.04754).

Gates are as they were and multiply exactly, products of activations are exact too, all else uses the circuit.
Weights lie at ``<folder>/<recipe>/<network>/<circuit>-seed<seed>.safetensors`` with a log and a .json file of
accuracies beside, so that they can be made on another machine and be copied; or, where they are large, these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from axhw.data.dataset import Splits
from axhw.data.names import load_dataset
from axhw.errors import AxhwError
from axhw.hdl.families.evoapprox import EvoApproxSpec
from axhw.nn.assignment import approximated_layers
from axhw.nn.weights_file import STAND_INS, SUFFIX, TrainedNetwork, load_shipped, read_weights, shipped_weights
from axhw.retraining import DISTILLED, Accuracies, Products, Start, retrain
from axhw.sim.product_table import ProductTable, golden_table
from axhw.train.recipe import Recipe

STUDY = Recipe(
    epochs=5,
    batch=128,
    learning_rate=0.1,
    warmup_epochs=0.0,
    momentum=0.0,
    weight_decay=5e-4,
    largest_gradient=1.0,
    freeze_gates=True,
)
"""That of the study; gradients are cut to length 1, because without batch norms its rate makes the loss diverge."""

STUDYS, OURS = "study", "distilled"
"""Names of recipes."""

RECIPES: Mapping[str, Recipe] = {STUDYS: STUDY, OURS: DISTILLED}
"""The study's and ours."""

RETRAINED = "retrained"
"""Folder of the weights, in that of the results."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One retraining.

    Attributes
    ----------
    network : str
        Name in the zoo.
    circuit : str
        Name in EvoApproxLib, e.g. ``mul8s_1L2L``.
    recipe : {"study", "distilled"}
    seed : int
        Of the order and the changes of images.

    Raises
    ------
    AxhwError
        For another recipe and seeds below 0.
    """

    network: str
    circuit: str
    recipe: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise AxhwError(f"Expected a recipe out of {', '.join(RECIPES)}, found {self.recipe!r}.")
        if self.seed < 0:
            raise AxhwError(f"Expected a seed of at least 0, found {self.seed}.")

    @property
    def stem(self) -> str:
        """Of its files."""
        return f"{self.circuit}-seed{self.seed}"

    @classmethod
    def of_file(cls, path: Path) -> Cell:
        """The cell that a file ``<recipe>/<network>/<circuit>-seed<seed>.*`` belongs to.

        Raises
        ------
        AxhwError
            If it has another name.
        """
        circuit, separator, seed = path.stem.rpartition("-seed")
        if not separator or not seed.isdigit():
            raise AxhwError(f"Expected a file <circuit>-seed<seed>{path.suffix}, found {path}: remove it.")
        return cls(network=path.parent.name, circuit=circuit, recipe=path.parent.parent.name, seed=int(seed))

    def folder(self, root: Path) -> Path:
        """Where its files lie, or are to lie."""
        return root / self.recipe / self.network

    def weights(self, root: Path) -> Path:
        """The weights in a folder of retrained ones."""
        return self.folder(root) / f"{self.stem}{SUFFIX}"

    def told(self, root: Path) -> Accuracies | None:
        """What their training told of them, which can be there without them; None without it.

        Raises
        ------
        AxhwError
            For a damaged file.
        """
        path = self.folder(root) / f"{self.stem}.json"
        return Accuracies.read(path) if path.exists() else None


def circuit_table(circuit: str) -> ProductTable:
    """The products of a published circuit.

    Raises
    ------
    AxhwError
        For an unknown name.
    """
    return golden_table(EvoApproxSpec(circuit=circuit))


def retrain_cells(
    cells: Iterable[Cell],
    *,
    data: str,
    out: Path,
    weights: Path | None = None,
    root: Path | None = None,
    compact: bool = False,
    device: str = "cpu",
    log: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Retrain cells one after the other; those that are there already are left as they are.

    Parameters
    ----------
    cells : iterable of Cell
    data : str
        Name of the data set.
    out : Path
        Of the results: weights go to its folder ``retrained``.
    weights : Path, optional
        Folder to look for trained networks in first, see `trained_network`.
    root : Path, optional
        Folder to look for the data set in.
    compact : bool
        Store weights as int8 codes, see `axhw.retraining.retrain`.
    device : str
        As `axhw.train.extra.choose_device` gives it.
    log : callable
        Takes each line.

    Returns
    -------
    list of Path
        The weights.

    Raises
    ------
    AxhwError
        Without PyTorch, for networks without weights, a folder of weights that isn't there, and retrained weights of
        other settings.
    """
    if weights is not None:
        check_weights_folder(weights)
    splits = load_dataset(data, root=root)
    cells = list(cells)
    # All are looked for before the first takes its hours.
    starts = {name: _start(name, data, splits, weights) for name in dict.fromkeys(cell.network for cell in cells)}
    found = []
    for cell in cells:
        start = starts[cell.network]
        layers = approximated_layers(start.trained.network.graph)
        products = Products.of_multiplier(EvoApproxSpec(circuit=cell.circuit), layers=layers)
        log(f"{cell.network}, {cell.circuit}, recipe {cell.recipe}, seed {cell.seed}")
        path = retrain(
            start,
            replace(products, name=cell.stem),
            out=cell.folder(out / RETRAINED),
            recipe=RECIPES[cell.recipe],
            seed=cell.seed,
            compact=compact,
            device=device,
            log=log,
        )
        found.append(path)
    return found


def check_weights_folder(path: Path) -> None:
    """Refuse a folder of trained networks that isn't there.

    Raises
    ------
    AxhwError
    """
    if not path.is_dir():
        raise AxhwError(f"Expected a folder of trained networks, found none at {path}: name another one as --weights.")


def trained_network(network: str, data: str, weights: Path | None = None) -> TrainedNetwork | None:
    """A trained network from ``<weights>/<network>-<data>.safetensors``, or of those that come with axhw; None without.

    Raises
    ------
    AxhwError
        For an unknown network and damaged files.
    """
    if weights is not None:
        path = weights / f"{network}-{data}{SUFFIX}"
        if path.exists():
            return read_weights(path)
    if any((network, name) in shipped_weights() for name in (data, STAND_INS.get(data, data))):
        return load_shipped(network, data)
    return None


def _start(network: str, data: str, splits: Splits, weights: Path | None) -> Start:
    trained = trained_network(network, data, weights)
    # Without weights of its own this says which there are.
    return Start(trained=load_shipped(network, data) if trained is None else trained, data=splits)

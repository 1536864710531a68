"""A trained network, trained a little further with the products it will be run with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axhw.data.dataset import Splits
from axhw.data.names import load_dataset
from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.hdl.spec import MultiplierSpec
from axhw.nn.assignment import Tables, assign
from axhw.nn.fold import folded_graph
from axhw.nn.weights_file import SUFFIX, TrainedNetwork, load_shipped, read_weights, write_weights
from axhw.sim.product_table import golden_table
from axhw.train.extra import require_torch
from axhw.train.finished import finished, run_mark
from axhw.train.recipe import Recipe

if TYPE_CHECKING:
    # Reads records of designs, which takes more than a machine that only trains may have.
    from axhw.search.assignment import Assignment

DISTILLED = Recipe(
    epochs=2,
    batch=128,
    learning_rate=0.02,
    warmup_epochs=0.5,
    weight_decay=1e-4,
    distillation=1.0,
    temperature=4.0,
    largest_gradient=1.0,
    freeze_gates=True,
)
"""Towards what the network answered with exact products, which of each image says more than its label does.

It recovers in few epochs, and no further than to what the network was. The temperature is there because a network is
all but certain of the images that it was trained with; the rate is a tenth of those that batch norms allow.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Products:
    """What a network multiplies with.

    Attributes
    ----------
    name : str
        For files.
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables
    signed : bool
    """

    name: str
    tables: Tables
    signed: bool

    @classmethod
    def of_multiplier(cls, spec: MultiplierSpec, *, layers: Sequence[str] | None = None) -> Products:
        """One multiplier in some layers, by default in all but those of gates."""
        table = golden_table(spec)
        tables: Tables = table if layers is None else dict.fromkeys(layers, table)
        return cls(name=spec.name, tables=tables, signed=spec.signed)

    @classmethod
    def of_assignment(cls, name: str, assignment: Assignment) -> Products:
        """Those of an assignment, from the specs that it names: no design has to be made for them.

        Raises
        ------
        AxhwError
            If a design computes something else than it did when the assignment was made.
        """
        tables = []
        for reference in assignment.designs:
            table = golden_table(reference.multiplier())
            reference.check(table)
            tables.append(table)
        return cls(name=name, tables=assignment.tables(tables), signed=tables[0].signed)


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """Where retraining begins.

    Attributes
    ----------
    trained : TrainedNetwork
    data : Splits
    """

    trained: TrainedNetwork
    data: Splits

    @classmethod
    def load(cls, *, model: str, data: str, root: Path | None = None) -> Start:
        """A network by its name, with the weights that come with axhw, or by its .safetensors file.

        Raises
        ------
        AxhwError
            For unknown names, weights that aren't there, and images that the network can't take.
        """
        splits = load_dataset(data, root=root)
        path = Path(model).expanduser()
        if path.suffix.lower() == ".onnx":
            raise AxhwError(f"Expected a network of the zoo or a {SUFFIX} file to retrain, found {path.name}.")
        trained = read_weights(path) if path.suffix.lower() == SUFFIX else load_shipped(model, data)
        shape = trained.network.graph.input_shape
        if shape != splits.train.image_shape:
            found = splits.train.image_shape
            raise AxhwError(f"Expected images of shape {shape} for {model}, found {found} in {data}.")
        return cls(trained=trained, data=splits)


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """What the training of retrained weights told of them: shares of all test images in the right class.

    Attributes
    ----------
    data : str
        Name of the data set.
    images : int
    exact_accuracy : float
        Before retraining, with exact products.
    accuracy_before, accuracy_after : float
        With the approximate ones.
    """

    data: str
    images: int
    exact_accuracy: float
    accuracy_before: float
    accuracy_after: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Accuracies:
        """From values by the names of the attributes, numbers as text or not."""
        shares = {name: float(found[name]) for name in ("exact_accuracy", "accuracy_before", "accuracy_after")}
        return cls(data=str(found["data"]), images=int(found["images"]), **shares)

    @classmethod
    def read(cls, path: Path) -> Accuracies:
        """From the .json file beside retrained weights.

        Raises
        ------
        AxhwError
            For a damaged file.
        """
        try:
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AxhwError(
                f"Expected the accuracies of retrained weights in {path}, found {error!r}: remove the file."
            ) from error


def retrain(
    start: Start,
    products: Products,
    *,
    out: Path,
    recipe: Recipe = DISTILLED,
    seed: int = 0,
    compact: bool = False,
    device: str = "cpu",
    log: Callable[[str], None] = lambda line: None,
) -> Path:
    """Retrain a network for its products, and write its weights and log into a folder.

    What was cut off goes on from its checkpoint in the folder; what is there already is left as it is, if it came of
    the same start, products and recipe, and keeps others out.

    Parameters
    ----------
    start : Start
    products : Products
        The files are named after them.
    out : Path
    recipe : Recipe
        The weights of the epoch with the best validation accuracy are kept, those before the first included.
    seed : int
        Of the order and the changes of images.
    compact : bool
        Store weights as the int8 codes that they get: a quarter of the size, and the same integer network.
    device : str
        As `axhw.train.extra.choose_device` gives it.
    log : callable
        Takes each line.

    Returns
    -------
    Path
        The weights; a .log file is beside them, and a .json file with the accuracies on all test images.

    Raises
    ------
    AxhwError
        Without PyTorch, for products that don't fit the network, weights of another retraining in their place, a loss
        that diverges, and compact weights for products of unsigned operands.
    """
    if compact and not products.signed:
        raise AxhwError(f"Expected products of signed operands to store weights as int8 codes, found {products.name}.")
    weights = out / f"{products.name}{SUFFIX}"
    record = weights.with_suffix(".log")
    checkpoint = out / f"{products.name}.checkpoint{SUFFIX}"
    run = _run(start, products, recipe, seed, compact=compact)
    mark = run_mark(run["digest"])
    if finished(weights, mark, checkpoint=checkpoint):
        return weights
    require_torch()
    output_folder(out)
    # PyTorch takes seconds to import.
    from axhw.train.session import Session

    lines: list[str] = []

    def write(line: str) -> None:
        lines.append(line)
        log(line)

    write(mark)
    write(f"{products.name}: {start.trained.model} on {start.data.train.name}, seed {seed}, {recipe}")
    session = Session(
        splits=start.data,
        seed=seed,
        signed=products.signed,
        device=device,
        log=write,
        checkpoint=checkpoint,
        run=run,
        compact=compact,
    )
    result = session.retrain(start.trained.network, recipe, tables=products.tables)
    write_weights(weights, replace(start.trained, network=result.network), folded=True, compact=compact)
    accuracies = Accuracies(
        data=start.data.train.name,
        images=len(start.data.test),
        exact_accuracy=result.exact_accuracy,
        accuracy_before=result.accuracy_before,
        accuracy_after=result.accuracy_after,
    )
    summary = {
        "model": start.trained.model,
        "products": products.name,
        "seed": seed,
        "recipe": asdict(recipe),
        **asdict(accuracies),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    with replacing(weights.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    with replacing(record) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    return weights


def _run(start: Start, products: Products, recipe: Recipe, seed: int, *, compact: bool) -> Mapping[str, Any]:
    """What decides the weights, for the checkpoint and the log."""
    network = start.trained.network
    of = (start.trained.model, network.digest, start.data.training_digest, recipe, seed, compact)
    digest = hashlib.sha256(repr(of).encode())
    layers = assign(products.tables, graph=folded_graph(network.graph), signed=products.signed)
    for name, given in sorted(layers.items()):
        numbers = given.table_of
        digest.update(repr((name, [table.sha256 for table in given.tables], numbers.shape)).encode())
        digest.update(numbers.astype("<i8").tobytes())
    return {"products": products.name, "digest": digest.hexdigest()[:16]}

"""Chosen points of the fronts, trained a little further with the products of their assignments.

Weights lie beside the assignments, as ``axhw retrain`` writes them: where PyTorch is missing here, they can be made
elsewhere and be copied there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axhw.evaluation import Bench
from axhw.experiments.max_dnn.fronts import best, select
from axhw.nn.weights_file import SUFFIX, read_weights
from axhw.retraining import Products, Start, retrain
from axhw.search.assignment import Assignment
from axhw.train.recipe import Recipe

Row = Mapping[str, Any]

LABELLED = Recipe(
    epochs=5,
    batch=128,
    learning_rate=2e-3,
    warmup_epochs=0.5,
    weight_decay=1e-4,
    largest_gradient=1.0,
    freeze_gates=True,
)
"""Towards labels alone, as the weights of the report were made."""

AT_MOST_PCT = (4.0, 8.0)
PALETTES = ("roup", "published")
LEVELS = ("layer", "filter", "kernel")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A point to retrain.

    Attributes
    ----------
    row : mapping
        Of the front.
    file : Path
        Its assignment.
    """

    row: Row
    file: Path

    @property
    def weights(self) -> Path:
        """Where the retrained ones are, or are to be."""
        return self.file.with_suffix(SUFFIX)

    @property
    def digest(self) -> str:
        """Of assignment and weights."""
        return hashlib.sha256(self.file.read_bytes() + self.weights.read_bytes()).hexdigest()


def chosen(points: Sequence[Row], folder: Path) -> list[Chosen]:
    """The points that save most at each loss of `AT_MOST_PCT` on validation images, by network, designs, compensation
    and level; each once."""
    found: dict[str, Chosen] = {}
    keys = dict.fromkeys((row["network"], row["palette"], row["compensation"], row["level"]) for row in points)
    for network, palette, compensation, level in keys:
        if palette not in PALETTES or level not in LEVELS:
            continue
        own = select(points, network=network, palette=palette, compensation=compensation, level=level)
        for most in AT_MOST_PCT:
            row = best(own, most)
            if row is not None and row["energy_saved_pct"] > 0:
                found.setdefault(row["assignment"], Chosen(row=row, file=folder / row["assignment"]))
    return list(found.values())


def retrain_all(
    points: Sequence[Chosen],
    *,
    data: str,
    root: Path | None,
    device: str,
    progress: Callable[[int, int, str], None],
) -> None:
    """Weights for those that have none yet.

    Raises
    ------
    AxhwError
        Without PyTorch.
    """
    starts: dict[str, Start] = {}
    missing = [point for point in points if not point.weights.exists()]
    for done, point in enumerate(missing):
        network = point.row["network"]
        if network not in starts:
            starts[network] = Start.load(model=network, data=data, root=root)
        name = f"{network}, {point.row['palette']}, {point.file.stem}"

        def log(line: str, done: int = done, name: str = name) -> None:
            progress(done, len(missing), f"retraining {name}: {line}")

        products = Products.of_assignment(point.file.stem, Assignment.load(point.file))
        retrain(starts[network], products, out=point.file.parent, recipe=LABELLED, device=device, log=log)


def retrained_row(point: Chosen, bench: Bench) -> Row:
    """The point before and after: losses on test images against the exact network before retraining.

    Before, the compensation of the point is part of it; after, there is none.

    Parameters
    ----------
    point : Chosen
    bench : Bench
        Of the network that was retrained.
    """
    products = Products.of_assignment(point.file.stem, Assignment.load(point.file))
    trained = read_weights(point.weights)
    after = replace(bench, network=trained.network, weights=point.weights.name)
    reference = bench.reference(signed=products.signed)
    exact = float((reference.exact_classes == bench.data.test.labels).mean())
    result = after.evaluate_tables(products.tables, signed=products.signed)
    named = ("network", "palette", "compensation", "level", "energy_saved_pct", "validation_loss_pct", "test_loss_pct")
    return {
        **{name: point.row[name] for name in named},
        "exact_accuracy": exact,
        "retrained_accuracy": result.approximate_accuracy,
        "retrained_loss_pct": 100 * (exact - result.approximate_accuracy),
        "retrained_exact_accuracy": result.exact_accuracy,
        "epochs": LABELLED.epochs,
        "assignment": point.row["assignment"],
    }

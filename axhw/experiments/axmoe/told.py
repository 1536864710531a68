"""What retrainings told whose weights are too large to come along, in one file: `told.csv`.

``python -m axhw.experiments.axmoe.told RESULTS/retrained`` prints such a file, of the .json files that
`axhw.moe.cells.retrain_cells` leaves beside retrained weights.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from axhw.errors import AxhwError
from axhw.moe.cells import Cell
from axhw.retraining import Accuracies

_FILE = "told.csv"


@functools.cache
def shipped_accuracies() -> Mapping[Cell, Accuracies]:
    """Those that come with axhw."""
    text = (resources.files("axhw.experiments.axmoe") / _FILE).read_text(encoding="utf-8")
    return dict(map(_parsed, csv.DictReader(io.StringIO(text))))


def gathered(folder: Path) -> dict[Cell, Accuracies]:
    """Those of a folder ``<recipe>/<network>/<circuit>-seed<seed>.json``, by recipe, network, circuit and seed.

    Raises
    ------
    AxhwError
        For damaged files, and for files that are no cells.
    """
    found = {}
    for path in sorted(folder.glob("*/*/*.json")):
        circuit, separator, seed = path.stem.rpartition("-seed")
        if not separator or not seed.isdigit():
            raise AxhwError(f"Expected a file <circuit>-seed<seed>.json, found {path}: remove it.")
        cell = Cell(network=path.parent.name, circuit=circuit, recipe=path.parent.parent.name, seed=int(seed))
        found[cell] = Accuracies.read(path)
    return found


def table_text(told: Mapping[Cell, Accuracies]) -> str:
    """The file."""
    text = io.StringIO()
    rows = [asdict(cell) | asdict(accuracies) for cell, accuracies in told.items()]
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _parsed(row: Mapping[str, str]) -> tuple[Cell, Accuracies]:
    return (
        Cell(network=row["network"], circuit=row["circuit"], recipe=row["recipe"], seed=int(row["seed"])),
        Accuracies(
            data=row["data"],
            images=int(row["images"]),
            exact_accuracy=float(row["exact_accuracy"]),
            accuracy_before=float(row["accuracy_before"]),
            accuracy_after=float(row["accuracy_after"]),
        ),
    )


def main() -> None:
    """Print the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder retrained/ of results")
    sys.stdout.write(table_text(gathered(parser.parse_args().folder)))


if __name__ == "__main__":
    main()

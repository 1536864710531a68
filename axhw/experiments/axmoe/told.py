"""What retrainings told whose weights are too large to come along, in one file: `told.csv`.

``python -m axhw.experiments.axmoe.told RESULTS/retrained`` prints such a file, of the .json files that
`axhw.moe.cells.retrain_cells` leaves beside retrained weights.
"""

from __future__ import annotations

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
from axhw.train.console import Parser, exit_code

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
    return {Cell.of_file(path): Accuracies.read(path) for path in sorted(folder.glob("*/*/*.json"))}


def table_text(told: Mapping[Cell, Accuracies]) -> str:
    """The file."""
    text = io.StringIO()
    rows = [asdict(cell) | asdict(accuracies) for cell, accuracies in told.items()]
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _parsed(row: Mapping[str, str]) -> tuple[Cell, Accuracies]:
    cell = Cell(network=row["network"], circuit=row["circuit"], recipe=row["recipe"], seed=int(row["seed"]))
    return cell, Accuracies.of(row)


def main() -> int:
    """Print the file; exit codes as of all modules that train."""
    parser = Parser(prog="python -m axhw.experiments.axmoe.told", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder retrained/ of results")
    folder = parser.parse_args().folder

    def work() -> int:
        found = gathered(folder)
        if not found:
            raise AxhwError(f"Expected .json files <recipe>/<network>/<circuit>-seed<n>.json in {folder}, found none.")
        sys.stdout.write(table_text(found))
        return 0

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m axhw.moe``: retrain networks for published circuits, on a machine with little more than PyTorch.

``axhw moe train --retrain`` is the same where all of axhw is installed; ``python -m axhw.train`` trains networks.
"""

from __future__ import annotations

import sys
from pathlib import Path

from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.moe.cells import RECIPES, Cell, retrain_cells
from axhw.train.console import Parser, exit_code, log
from axhw.train.extra import choose_device


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 2 with one sentence for bad input, 130 where it was interrupted."""
    parser = Parser(prog="python -m axhw.moe", description=__doc__)
    parser.add_argument("--model", action="append", required=True, help="network of the zoo; several times for several")
    parser.add_argument("--data", required=True, help="data set, e.g. cifar10_jpeg")
    parser.add_argument("--multiplier", "-m", action="append", required=True, choices=CIRCUITS, metavar="CIRCUIT")
    parser.add_argument("--recipe", action="append", choices=RECIPES, help="all by default")
    parser.add_argument("--seed", action="append", type=int, help="0 by default")
    parser.add_argument("--compact", action="store_true", help="store weights as int8 codes: a quarter of the size")
    parser.add_argument("--weights", type=Path, help="folder with <model>-<data>.safetensors, before those of axhw")
    parser.add_argument("--data-folder", type=Path, help="folder to look for the data set in")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=Path, required=True, help="folder: weights go to retrained/ in it")
    parsed = parser.parse_args(arguments)

    def work() -> int:
        cells = [
            Cell(network=network, circuit=circuit, recipe=recipe, seed=seed)
            for recipe in parsed.recipe or RECIPES
            for seed in parsed.seed or [0]
            for network in parsed.model
            for circuit in parsed.multiplier
        ]
        retrain_cells(
            cells,
            data=parsed.data,
            out=parsed.out,
            weights=parsed.weights,
            root=parsed.data_folder,
            compact=parsed.compact,
            device=choose_device(parsed.device),
            log=log,
        )
        return 0

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m axhw.experiments.axmoe.trainings``: all networks of the study without weights, and its cells, seed 0.

Runs on a machine with little more than PyTorch, on all its GPUs, several trainings at once on each; what was stopped
goes on. Afterwards ``axhw reproduce axmoe --weights OUT/weights --out OUT`` makes the report of it.

The topologies of a convolutional network are trained one by one, within the same time. Those of a transformer, which
has no batch norms, all go on from one dense network, for equally many epochs: the dense one, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from axhw.errors import AxhwError
from axhw.experiments.axmoe.plan import FULL, QUICK
from axhw.hdl.families.evoapprox import CIRCUITS, EXACT_CIRCUIT
from axhw.moe.cells import RECIPES, Cell
from axhw.nn.fold import folded_graph
from axhw.nn.weights_file import SUFFIX, shipped_weights
from axhw.nn.zoo.moe import dense_name
from axhw.nn.zoo.names import build_graph
from axhw.train.console import Parser, exit_code, log
from axhw.train.extra import choose_device
from axhw.train.pool import Job, Outcome, Pool

WEIGHTS, STARTS, LOGS = "weights", "starts", "logs"
"""Folders of the results: trained networks, what transformers go on from, and what each training printed."""

_SHAPE, _CLASSES = (3, 32, 32), 10
_EPOCHS_PER_QUANTIZED = 5
_AT_ONCE = 7
_PLANS = {plan.data: plan for plan in (QUICK, FULL)}


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """What is to be trained.

    Attributes
    ----------
    networks, circuits, recipes : tuple of str
        Cells are all of their combinations but exact products.
    data : str
    data_folder : Path or None
    out : Path
    device : str
        As `axhw.train.extra.choose_device` gives it.
    seconds : float
        That the training of a network may take, and of a transformer until all topologies go on from it.
    epochs : int
        Of transformers from there.
    compact : bool
        Store the networks as int8 codes; their cells begin with these.
    """

    networks: tuple[str, ...]
    circuits: tuple[str, ...]
    recipes: tuple[str, ...]
    data: str
    data_folder: Path | None
    out: Path
    device: str
    seconds: float
    epochs: int
    compact: bool = False

    def __post_init__(self) -> None:
        if not self.seconds > 0 or self.epochs < 1:
            raise AxhwError(
                f"Expected more than 0 seconds for a network and at least 1 epoch, found {self.seconds:g} and "
                f"{self.epochs}."
            )

    def jobs(self) -> list[Job]:
        """Networks first, as cells wait for theirs; those that come with axhw are there already."""
        there = {name for name, data in shipped_weights() if data == self.data}
        bases = [job for name in self.networks if name not in there for job in self._network(name)]
        names = {job.name for job in bases}
        cells = [
            self._cell(Cell(network=network, circuit=circuit, recipe=recipe), names)
            for network in self.networks
            for recipe in self.recipes
            for circuit in self.circuits
            if circuit != EXACT_CIRCUIT
        ]
        return [*dict.fromkeys(bases), *cells]

    def _network(self, name: str) -> Iterable[Job]:
        dense = build_graph(dense_name(name), input_shape=_SHAPE, classes=_CLASSES)
        if folded_graph(dense).parameter_shapes != dense.parameter_shapes:
            limit = ("--time-limit", f"{self.seconds:g}")
            yield self._job(name, "axhw.train", WEIGHTS, "--model", name, *limit, *self._compact)
            return
        start = self._job(
            f"start-{dense.name}", "axhw.train", STARTS, "--model", dense.name, "--time-limit", f"{self.seconds:g}"
        )
        yield start
        weights = self.out / STARTS / f"{dense.name}-{self.data}{SUFFIX}"
        epochs = ("--epochs", str(self.epochs), "--quantized-epochs", str(max(1, self.epochs // _EPOCHS_PER_QUANTIZED)))
        further = ("--start", str(weights), *epochs)
        yield self._job(name, "axhw.train", WEIGHTS, "--model", name, *further, *self._compact, after=(start.name,))

    @property
    def _compact(self) -> tuple[str, ...]:
        return ("--compact",) if self.compact else ()

    def _cell(self, cell: Cell, bases: Iterable[str]) -> Job:
        own = cell.network in bases
        return self._job(
            f"{cell.network}-{cell.recipe}-{cell.stem}",
            "axhw.moe",
            ".",
            *("--model", cell.network, "-m", cell.circuit, "--recipe", cell.recipe, *self._compact),
            *(("--weights", str(self.out / WEIGHTS)) if own else ()),
            after=(cell.network,) if own else (),
        )

    def _job(self, name: str, module: str, folder: str, *options: str, after: tuple[str, ...] = ()) -> Job:
        where = ("--data-folder", str(self.data_folder)) if self.data_folder is not None else ()
        common = ("--data", self.data, *where, "--device", self.device, "--out", str(self.out / folder))
        return Job(name=name, arguments=(module, *options, *common), after=after)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if all are trained, 1 if some failed or were left for want of time, 2 and 130 as elsewhere."""
    parser = Parser(prog="python -m axhw.experiments.axmoe.trainings", description=__doc__)
    parser.add_argument("--network", action="append", help="of the plan; several times for several, all by default")
    parser.add_argument("--recipe", action="append", choices=RECIPES, help="all by default")
    parser.add_argument(
        "--multiplier", "-m", action="append", choices=CIRCUITS, metavar="CIRCUIT", help="all of the plan"
    )
    parser.add_argument("--data", default=FULL.data, help=f"data set, {FULL.data} by default")
    parser.add_argument("--data-folder", type=Path, help="folder to look for the data set in")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--at-once", type=int, help=f"trainings on a GPU, {_AT_ONCE} by default; on processors 1")
    parser.add_argument("--network-seconds", type=float, default=300.0, help="for the training of a network, 300")
    parser.add_argument("--epochs", type=int, default=16, help="of transformers from their common start, 16")
    parser.add_argument("--compact", action="store_true", help="store networks as int8 codes")
    parser.add_argument("--seconds", type=float, help="after which no training is begun")
    parsed = parser.parse_args(arguments)

    def work() -> int:
        plan = _PLANS.get(parsed.data, FULL)
        if unknown := sorted(set(parsed.network or ()) - set(plan.networks)):
            raise AxhwError(f"Expected networks out of {', '.join(plan.networks)}, found {', '.join(unknown)}.")
        device = choose_device(parsed.device).partition(":")[0]
        trainings = Trainings(
            networks=tuple(parsed.network or plan.networks),
            circuits=tuple(parsed.multiplier or plan.circuits),
            recipes=tuple(parsed.recipe or RECIPES),
            data=parsed.data,
            data_folder=parsed.data_folder,
            out=parsed.out,
            device=device,
            seconds=parsed.network_seconds,
            epochs=parsed.epochs,
            compact=parsed.compact,
        )
        pool = Pool(
            devices=devices_of(device),
            at_once=parsed.at_once if parsed.at_once is not None else 1 if device == "cpu" else _AT_ONCE,
            logs=parsed.out / LOGS,
            seconds=parsed.seconds,
        )
        outcome = pool.run(trainings.jobs(), log=log)
        print(_summary(outcome, pool.logs))
        return 1 if outcome.failed or outcome.left else 0

    return exit_code(work)


def devices_of(device: str) -> tuple[str, ...]:
    """What jobs may see of the GPUs, one after the other: those that this process sees."""
    if device == "cpu":
        return ("",)
    if chosen := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return tuple(chosen.split(","))
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))


def _summary(outcome: Outcome, logs: Path) -> str:
    failed = f", {len(outcome.failed)} failed ({', '.join(outcome.failed)}: see {logs})" if outcome.failed else ""
    left = f", {len(outcome.left)} left: the same command goes on with them" if outcome.left else ""
    return f"{len(outcome.done)} trainings done{failed}{left}"


if __name__ == "__main__":
    sys.exit(main())

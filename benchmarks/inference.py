"""Whole-network inference with approximate multipliers, against the same networks in float32 PyTorch.

Times are the best of interleaved runs on all processors, images per second of the fastest batch; the networks have
their real definitions and random weights, which change no time. Weights and tables are prepared once, before.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.hdl.registry import parse
from axhw.nn.executor import Executor
from axhw.nn.fold import fold_batch_norms
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.quantizer import quantize_network
from axhw.nn.zoo.names import build_graph
from axhw.sim.product_table import golden_table
from benchmarks.markdown import table

MARKDOWN = True
NETWORKS = (
    ("resnet8", (3, 32, 32), 10),
    ("resnet20", (3, 32, 32), 10),
    ("mobilenet", (3, 32, 32), 10),
)
BATCHES = (1, 128)
MULTIPLIERS = (
    "exact",
    "evoapprox:mul8s_1L2L",
    "drum:k=4",
    "roup:p=1,r=4",
    "roup:p=2,r=3",
    "bam:ha=1,hb=2,v=6",
    "evoapprox:mul8s_1KVA",
    "mitchell",
)
SEED = 0
LEAST_SECONDS, LEAST_ROUNDS = 1.0, 5


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The best time of one way to run a batch.

    Attributes
    ----------
    name : str
    seconds : float
    kernels : str
        Of an `Executor`; empty for others.
    prepared_s : float
        Seconds to prepare weights and tables, once.
    """

    name: str
    seconds: float
    kernels: str = ""
    prepared_s: float = 0.0


def random_network(graph: Graph) -> Network:
    """Weights as before training, statistics of batch norms apart from 0 and 1."""
    rng = np.random.default_rng(SEED)
    parameters: dict[str, npt.NDArray[np.floating]] = {}
    for name, shape in graph.parameter_shapes.items():
        if name.endswith("running_var"):
            parameters[name] = rng.uniform(0.5, 2.0, shape)
        elif name.endswith("weight") and len(shape) > 1:
            parameters[name] = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            parameters[name] = rng.normal(1.0 if name.endswith("weight") else 0.0, 0.1, shape)
    return fold_batch_norms(Network(graph=graph, parameters=parameters))


def best_seconds(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The best time of each, all of them once in every round, so that a busy machine slows all alike."""
    best = dict.fromkeys(ways, float("inf"))
    rounds, start = 0, time.perf_counter()
    while rounds < LEAST_ROUNDS or time.perf_counter() - start < LEAST_SECONDS * len(ways):
        for name, way in ways.items():
            before = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - before)
        rounds += 1
        if rounds >= LEAST_ROUNDS and time.perf_counter() - start > 60:
            break
    return best


def torch_ways(network: Network, images: npt.NDArray[np.float32]) -> dict[str, Callable[[], object]]:
    """The float network in PyTorch with channels-last memory; nothing where PyTorch is missing."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: its column is left out.", file=sys.stderr)
        return {}
    from axhw.train.torch_model import GraphModule

    layout = torch.channels_last if images.ndim == 4 else torch.contiguous_format
    model = GraphModule(network.graph, network.parameters).eval().to(memory_format=layout)
    batch = torch.from_numpy(images).contiguous(memory_format=layout)

    def run() -> None:
        with torch.inference_mode():
            model(batch)

    return {f"float32 PyTorch {torch.__version__.partition('+')[0]}": run}


def compare(name: str, shape: tuple[int, ...], classes: int, batch: int) -> list[Timing]:
    """All ways to run one batch."""
    network = random_network(build_graph(name, input_shape=shape, classes=classes))
    images = np.random.default_rng(SEED).normal(size=(batch, *shape)).astype(np.float32)
    quantized = quantize_network(network, images, signed=True)
    ways = torch_ways(network, images)
    about: dict[str, tuple[str, float]] = {}
    for text in MULTIPLIERS:
        before = time.perf_counter()
        run = Executor(quantized, None if text == "exact" else golden_table(parse(text)))
        prepared_s = time.perf_counter() - before
        kernels = ", ".join(sorted(set(run.plans.values())))
        about[text] = (kernels, prepared_s)
        ways[text] = lambda run=run: run(images)  # type: ignore[misc]
    for way in ways.values():
        way()
    seconds = best_seconds(ways)
    unprepared = ("", 0.0)
    return [
        Timing(name=way, seconds=seconds[way], kernels=kernels, prepared_s=prepared_s)
        for way in ways
        for kernels, prepared_s in [about.get(way, unprepared)]
    ]


def main() -> None:
    """Print a table for each network and batch."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} processors, load {load:.1f} before; best of at least {LEAST_ROUNDS} rounds.")
    for name, shape, classes in NETWORKS:
        for batch in BATCHES:
            timings = compare(name, shape, classes, batch)
            reference = timings[0].seconds
            print(f"\n## {name}, batch {batch}\n")
            rows = [
                (
                    timing.name,
                    timing.kernels,
                    f"{1e3 * timing.seconds:.2f}",
                    f"{batch / timing.seconds:,.0f}",
                    f"{timing.seconds / reference:.2f}",
                    f"{1e3 * timing.prepared_s:.0f}" if timing.kernels else "",
                )
                for timing in timings
            ]
            first = timings[0].name
            print(table(("run", "kernels", "ms a batch", "images/s", f"relative to {first}", "prepared in ms"), rows))
            sys.stdout.flush()


if __name__ == "__main__":
    main()

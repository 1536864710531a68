"""Processor time of a retraining step of networks with experts on a CPU: chosen rows against all rows.

Run ``python -m benchmarks.retraining_experts`` where PyTorch is installed. A step is forward and backward with int8
codes and the products of mul8s_1L2L, on random images. Frozen gates that see images let experts compute the chosen rows
only; gates in training need what every expert makes of every row.
"""

from __future__ import annotations

import time
from dataclasses import replace

from axhw.moe.cells import circuit_table
from axhw.nn.assignment import approximated_layers
from axhw.nn.fold import fold_batch_norms
from axhw.nn.network import Network
from axhw.nn.quantizer import range_sources
from axhw.nn.zoo.names import build_graph
from benchmarks.markdown import table

MARKDOWN = True

NETWORKS = ("resnet8", "resnet8_hard4", "resnet8_cluster4")
CIRCUIT = "mul8s_1L2L"
BATCH = 128
REPEATS = 7


def main() -> None:
    """Measure and print a table."""
    rows = []
    for name in NETWORKS:
        seconds = step_seconds(name)
        dense = rows[0][1] if rows else seconds[0]
        rows.append((name, seconds[0], seconds[1], seconds[0] / dense, seconds[1] / dense))
    import torch

    print(
        f"One thread, PyTorch {torch.__version__}, CIFAR-10 shapes, batch {BATCH}; the shortest of {REPEATS} steps, in "
        "seconds, and against the dense network. Gates choose unevenly here, as they were not trained.\n"
    )
    heads = ("network", "frozen gates: chosen rows", "trained gates: all rows", "ratio to dense", "ratio to dense")
    print(table(heads, [[name, *(f"{value:.2f}" for value in values)] for name, *values in rows]))


def step_seconds(name: str) -> tuple[float, float]:
    """With frozen gates and with trained ones."""
    import torch
    import torch.nn.functional as F

    from axhw.train.quantization_aware import QuantizedModule
    from axhw.train.torch_model import initial_parameters

    torch.set_num_threads(1)
    graph = build_graph(name, input_shape=(3, 32, 32), classes=10)
    network = fold_batch_norms(Network(graph=graph, parameters=initial_parameters(graph, seed=0)))
    network = replace(network, ranges=dict.fromkeys(range_sources(network.graph).values(), (-3.0, 3.0)))
    tables = dict.fromkeys(approximated_layers(network.graph), circuit_table(CIRCUIT))
    module = QuantizedModule(network, signed=True, tables=tables).train()
    images = torch.randn(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(BATCH) % 10
    found = []
    for frozen in ([node.name for node in network.graph.gate_nodes], []):
        module.model.freeze(frozen)
        times = []
        for _ in range(REPEATS):
            begin = time.process_time()
            F.cross_entropy(module(images), labels).backward()
            times.append(time.process_time() - begin)
            module.zero_grad()
        found.append(min(times))
    return found[0], found[1]


if __name__ == "__main__":
    main()

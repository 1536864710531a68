"""Time of a training step with approximate products against one with exact products, both with codes.

Run ``python -m benchmarks.retraining [OUT.json]`` on a machine with a GPU. A step is forward, backward and update of a
ResNet-20 with int8 codes, on random images; exact products are those of the same module without tables. Before it is
timed, the sums of every layer are compared with exact ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from axhw.data.dataset import Dataset
from axhw.data.normalization import Normalization
from axhw.errors import VerificationError
from axhw.hdl.registry import parse
from axhw.nn.fold import fold_batch_norms
from axhw.nn.graph import Graph, Node
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Pad
from axhw.nn.network import Network
from axhw.nn.quantizer import range_sources
from axhw.nn.zoo.resnet import resnet
from axhw.sim.product_table import golden_table
from benchmarks.markdown import table

MARKDOWN = True

TABLES: Mapping[str, str] = {
    "rank 1": "roup:p=1,r=4,rule=symmetric",
    "rank 2": "roup:p=1,r=4,rule=absolute",
    "rank 4": "roup:p=0,r=6,rule=absolute",
    "rank 5": "evoapprox:mul8s_1KVA",
    "look-up": "mitchell",
}
SHAPES = ((1, 512), (4, 256))
"""Width, in multiples of 16 filters in the first stage, and batch."""


def main() -> None:
    """Measure and print a table; with a path, write all figures there as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, help="images a step, for a quick look")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--show", action="store_true", help="print the table of figures written to OUT before")
    options = parser.parse_args()
    if options.show:
        figures = json.loads(options.out.read_text())
        print(report(figures["device"], figures["results"]))
        return
    from axhw.train.extra import choose_device

    device = choose_device("auto")
    results = []
    for width, batch in SHAPES:
        graph = widened(resnet(options.depth), width)
        results += measure(graph, options.batch or batch, device=device, steps=options.steps, width=16 * width)
        if options.out is not None:
            options.out.write_text(json.dumps({"device": name_of(device), "results": results}, indent=1))
    print(report(name_of(device), results))


def report(device: str, results: list[dict[str, Any]]) -> str:
    """The figures in words and as a table."""
    columns = ("products", "multiplier", "terms", "width", "batch", "recorded", "ratio", "not recorded", "ratio")
    rows = table(columns, [[_shown(row[name]) for name in COLUMNS] for row in results])
    return (
        f"{device}; milliseconds a step, and its ratio to the exact one. Recorded: the step is a CUDA graph, as "
        f"`axhw.train` runs it; the sums of every layer were compared with exact ones before.\n\n{rows}"
    )


COLUMNS = ("products", "spec", "terms", "width", "batch", "recorded_ms", "recorded_ratio", "eager_ms", "eager_ratio")


def measure(graph: Graph, batch: int, *, device: str, steps: int, width: int) -> list[dict[str, Any]]:
    """Times of a step for exact products and for each of the `TABLES`."""
    from axhw.train.torch_model import initial_parameters

    network = fold_batch_norms(Network(graph=graph, parameters=initial_parameters(graph, seed=0)))
    ranges = dict.fromkeys(range_sources(network.graph).values(), (-3.0, 3.0))
    network = replace(network, ranges=ranges)
    rows: list[dict[str, Any]] = []
    for name, text in {"exact": None, **TABLES}.items():
        row: dict[str, Any] = {"products": name, "spec": text, "width": width, "batch": batch}
        row |= _times(network, batch, text, device=device, steps=steps)
        for way in ("recorded", "eager"):
            exact = rows[0] if rows else row
            known = row[f"{way}_ms"] is not None and exact[f"{way}_ms"] is not None
            row[f"{way}_ratio"] = row[f"{way}_ms"] / exact[f"{way}_ms"] if known else None
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return rows


def _times(network: Network, batch: int, text: str | None, *, device: str, steps: int) -> dict[str, Any]:
    import torch

    from axhw.train.batches import DeviceImages
    from axhw.train.quantization_aware import QuantizedModule
    from axhw.train.recipe import Recipe
    from axhw.train.trainer import Trainer

    images = DeviceImages(random_images(2 * batch, network.graph.input_shape), device=device)
    tables = golden_table(parse(text)) if text is not None else None
    found: dict[str, Any] = {"terms": None, "recorded_ms": None, "eager_ms": None, "verified": True}
    for record in (True, False) if device != "cpu" else (False,):
        module = QuantizedModule(network, signed=True, tables=tables).to(device)
        if device != "cpu":
            module.to(memory_format=torch.channels_last)
        found["terms"] = module.terms
        sample, _ = next(images.in_order(batch))
        if record or device == "cpu":
            try:
                module.check_sums(sample)
            except VerificationError as error:
                found["verified"] = str(error)
        trainer = Trainer(
            module,
            module.model.tensors(),
            images,
            Recipe(epochs=1, batch=batch, largest_gradient=1.0),
            seed=0,
            log=lambda line: print(line, file=sys.stderr),
            record=record,
        )
        found["recorded_ms" if record else "eager_ms"] = 1e3 * trainer.step_seconds(steps)
        del trainer, module
    return found


def widened(graph: Graph, width: int) -> Graph:
    """The graph with `width` times the channels everywhere but in the images."""
    nodes: list[Node] = []
    for node in graph:
        layer = node.layer
        if isinstance(layer, Conv2d):
            first = layer.in_channels == graph.input_shape[0]
            layer = replace(
                layer, in_channels=layer.in_channels * (1 if first else width), out_channels=layer.out_channels * width
            )
        elif isinstance(layer, BatchNorm2d):
            layer = replace(layer, channels=layer.channels * width)
        elif isinstance(layer, Linear):
            layer = replace(layer, in_features=layer.in_features * width)
        elif isinstance(layer, Pad):
            before, after = (tuple(side * width for side in sides) for sides in (layer.before, layer.after))
            layer = replace(layer, before=before, after=after)
        nodes.append(replace(node, layer=layer))
    return replace(graph, nodes=tuple(nodes))


def random_images(count: int, shape: tuple[int, ...]) -> Dataset:
    """Noise with labels."""
    rng = np.random.default_rng(0)
    return Dataset(
        name="noise",
        split="train",
        seed=0,
        pixels=rng.integers(0, 256, (count, *shape), dtype=np.uint8),
        labels=rng.integers(0, 10, count),
        classes=tuple("0123456789"),
        normalization=Normalization.none(shape[0], scale=64.0),
    )


def name_of(device: str) -> str:
    """Of the processor, for the report."""
    import torch

    return str(torch.cuda.get_device_name()) if device != "cpu" else f"CPU, {torch.get_num_threads()} threads"


def _shown(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else value


if __name__ == "__main__":
    main()

"""A training from options to files."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axhw.data.names import load_dataset
from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.nn.fold import folded_graph
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.weights_file import SUFFIX, TrainedNetwork, read_weights, write_weights
from axhw.nn.zoo.moe import parse_mixture
from axhw.nn.zoo.names import build_graph
from axhw.train.finished import finished, run_mark
from axhw.train.options import Options
from axhw.train.session import Session


def run(options: Options, *, log: Callable[[str], None]) -> TrainedNetwork:
    """Train, and write weights and log into the folder of the options.

    Training that was cut off is continued from its checkpoint in that folder, and comes to the same weights. Weights
    that the same training made are left as they are.

    Raises
    ------
    AxhwError
        For unknown networks or data, options that don't fit them, weights of another training in the folder, and one
        that can't be written to.
    """
    splits = load_dataset(options.data, root=options.data_folder)
    graph = build_graph(options.model, input_shape=splits.train.image_shape, classes=len(splits.train.classes))
    found = parse_mixture(options.model)
    dense = None
    if found is not None:
        dense = build_graph(found[0], input_shape=graph.input_shape, classes=graph.classes)
    start = None if options.start is None else _start(options.start, graph if dense is None else dense)
    path = options.weights
    checkpoint = path.with_suffix(f".checkpoint{SUFFIX}")
    settings = {
        "model": options.model,
        "data": splits.train.name,
        "images": splits.training_digest,
        "plan": asdict(options.plan),
        "seed": options.seed,
        "signed": options.signed,
        **({} if options.start is None else {"start": _sha256(options.start)}),
        **({"compact": True} if options.compact else {}),
    }
    mark = _mark(settings, options.time_limit_seconds)
    if finished(path, mark, checkpoint=checkpoint):
        log(f"{path} is there already, of the same training")
        return read_weights(path)
    output_folder(options.out)
    lines: list[str] = []

    def write(line: str) -> None:
        lines.append(line)
        log(line)

    session = Session(
        splits=splits,
        seed=options.seed,
        signed=options.signed,
        device=options.device,
        log=write,
        checkpoint=checkpoint,
        run=settings,
        time_limit_seconds=options.time_limit_seconds,
        compact=options.compact,
    )
    write(mark)
    write(f"network: {options.model}, {sum(graph.nominal_multiplications.values()):.0f} multiplications per image")
    write(
        f"data: {splits.train.name}, split seed {splits.train.seed}: {len(splits.train)} training, "
        f"{len(splits.validation)} validation and {len(splits.test)} test images, {splits.augmentation}"
    )
    write(f"versions: Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}")
    write(f"device: {torch.cuda.get_device_name() if options.device.startswith('cuda') else 'CPU'}")
    write(f"seed {options.seed}, {options.plan}")
    if options.start is not None:
        write(f"start: {options.start.name}, sha256 {_sha256(options.start)}")
    network = session.train(graph, options.plan, dense=dense, start=start)
    trained = TrainedNetwork(network=network, model=options.model, data=options.data_name)
    write_weights(path, trained, folded=True, compact=options.compact)
    write(f"weights sha256: {_sha256(path)}")
    _write_log(path.with_suffix(".log"), lines)
    checkpoint.unlink(missing_ok=True)
    return trained


def _mark(settings: Mapping[str, Any], time_limit_seconds: float | None) -> str:
    """Of the settings of a checkpoint, and the time limit, with which one may go on that was made with another."""
    decisive = {**settings, "time_limit_seconds": time_limit_seconds}
    return run_mark(hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16])


def _start(path: Path, dense: Graph) -> Network:
    """Weights to start from.

    Raises
    ------
    AxhwError
        For those of another network, and of one with batch norms: files have them folded.
    """
    if folded_graph(dense).parameter_shapes != dense.parameter_shapes:
        raise AxhwError(f"Expected a network without batch norms to start from weights, found {dense.name}.")
    network = read_weights(path).network
    if network.graph.parameter_shapes != dense.parameter_shapes:
        raise AxhwError(f"Expected weights of {dense.name} in {path.name}, found those of {network.graph.name}.")
    return network


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_log(path: Path, lines: list[str]) -> None:
    with replacing(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""Are experts unequally sensitive? Each runs approximately alone, and its loss is held against chance.

The loss of an expert is taken over the images that give it rows: one that few images choose harms few, but that is not
sensitivity. Differences of images are paired, exact against approximate, so that the standard error of a loss is that
of their mean. Whether the experts of a layer differ by more than chance is Cochran's Q: the squared differences from
their common mean, weighted by 1 / standard error^2, are chi-square with experts - 1 degrees of freedom if they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from axhw.data.dataset import Dataset
from axhw.evaluation import eight_bit_table
from axhw.experiments.axmoe.subjects import Subject
from axhw.experiments.parts import Parts
from axhw.moe.choices import routed_run
from axhw.moe.evaluation import circuit_name
from axhw.nn.graph import Graph
from axhw.record import DesignRecord
from axhw.search.evaluator import Evaluator

Row = Mapping[str, Any]

_MEMORY_MB = 768.0
_LEAST_CHANGE = 0.5


def expert_rows(
    subject: Subject,
    record: DesignRecord,
    exact: DesignRecord,
    parts: Parts,
    *,
    images: int,
    progress: Callable[[int, int], None],
) -> list[Row]:
    """A row for each expert of each layer, and one for the experts of one number in all layers together.

    Parameters
    ----------
    subject : Subject
        With experts.
    record, exact : DesignRecord
        Of the circuit, and of the exact one.
    parts : Parts
    images : int
        Of the test split, at most: every expert takes a run of its own.
    progress : callable
        Called with the configurations done and their number.
    """
    circuit, table = circuit_name(record.multiplier), eight_bit_table(record)
    whole = subject.bench.data.test
    data = whole.limited(images)
    settings = {"weights": subject.digest, "images": len(data), "of": len(whole), "table": table.sha256}

    def make() -> list[Row]:
        return _measured(subject, data, record, exact, progress)

    rows: list[Row] = parts.remember(f"experts-{subject.name}-{circuit}", settings, make)
    return rows


def heterogeneity(rows: Sequence[Row]) -> dict[str, Any]:
    """Cochran's Q over the experts of all layers that have several measured ones; a small p says they differ.

    Parameters
    ----------
    rows : sequence of mapping
        Of one network, a row for each expert of each layer.

    Returns
    -------
    dict
        ``q``, ``freedom``, ``p``; ``layers`` and how many of them differ at 5 % (``layers_differing``); the standard
        deviation of losses between the experts of a layer, and their mean standard error, in points.
    """
    total, freedom, layers, differing = 0.0, 0, 0, 0
    spread: list[float] = []
    for layer in dict.fromkeys(row["layer"] for row in rows):
        own = [row for row in rows if row["layer"] == layer and row["images"] > 0]
        if len(own) < 2:
            continue
        losses, errors = np.array([row["loss_pct"] for row in own]), np.array([_error(row) for row in own])
        q = cochran_q(losses, errors)
        layers += 1
        differing += bool(chi2.sf(q, len(own) - 1) < 0.05)
        total, freedom = total + q, freedom + len(own) - 1
        spread.append(float(losses.std(ddof=1)))
    known = [_error(row) for row in rows if row["images"] > 0]
    return {
        "q": total,
        "freedom": freedom,
        "p": float(chi2.sf(total, freedom)) if freedom else None,
        "layers": layers,
        "layers_differing": differing,
        "spread_pct": float(np.mean(spread)) if spread else None,
        "mean_standard_error_pct": float(np.mean(known)) if known else None,
    }


def _error(row: Row) -> float:
    """Standard error of a loss in points; half an image at least, as one that changes none is not known exactly."""
    return max(float(row["standard_error_pct"]), 100 * _LEAST_CHANGE / float(row["images"]))


def cochran_q(losses: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> float:
    """Weighted sum of squared differences from the common mean."""
    weights = 1 / errors**2
    mean = (weights * losses).sum() / weights.sum()
    return float((weights * (losses - mean) ** 2).sum())


def expert_layers(graph: Graph) -> dict[tuple[str, int], tuple[str, ...]]:
    """Product layers by gate and expert."""
    found: dict[tuple[str, int], list[str]] = {}
    for node in graph.product_nodes:
        if node.route is not None:
            found.setdefault((node.route.gate, node.route.expert), []).append(node.name)
    return {key: tuple(names) for key, names in found.items()}


def _measured(
    subject: Subject, data: Dataset, record: DesignRecord, exact: DesignRecord, progress: Callable[[int, int], None]
) -> list[Row]:
    by_expert, run = expert_layers(subject.graph), routed_run(subject.network, data)
    names = [node.name for node in subject.graph.product_nodes]
    tables = [eight_bit_table(exact), eight_bit_table(record)]
    evaluator = Evaluator(subject.network, data, dict.fromkeys(names, tables), memory_mb=_MEMORY_MB)
    approximated = set(subject.layers)
    groups = [(gate.removesuffix("_gate"), expert, layers) for (gate, expert), layers in by_expert.items()]
    numbers = sorted({expert for _, expert, _ in groups})
    alike = [
        ("all", number, tuple(name for _, expert, layers in groups if expert == number for name in layers))
        for number in numbers
    ]
    if len(by_expert) == len(numbers):
        # With one gate both are the same.
        groups, alike = [], [(groups[0][0], expert, layers) for _, expert, layers in groups]
    wanted = [*groups, *alike]
    chosen = [approximated.intersection(layers) for _, _, layers in wanted]
    evaluator.evaluate([_choice(names, own) for own in chosen], progress=progress)
    before = run.classes == data.labels
    done = run.rows.multiplications
    found: list[Row] = []
    for (layer, expert, layers), own in zip(wanted, chosen):
        after = evaluator.classes(_choice(names, own)) == data.labels
        route = subject.graph[layers[0]].route
        assert route is not None
        rows = run.rows.by_gate[route.gate][:, expert]
        used = np.ones(len(data), np.bool_) if layer == "all" else rows > 0
        lost = 100.0 * (before.astype(np.float64) - after)[used]
        found.append(
            {
                "network": subject.name,
                "circuit": circuit_name(record.multiplier),
                "layer": layer,
                "expert": expert,
                "images": int(used.sum()),
                "load": None if layer == "all" else run.load(route.gate)[expert],
                "multiplications_share": sum(done[name] for name in own) / sum(done.values()),
                "loss_pct": float(lost.mean()) if len(lost) else None,
                "standard_error_pct": float(lost.std() / np.sqrt(len(lost))) if len(lost) else 0.0,
            }
        )
    return found


def _choice(names: Sequence[str], approximate: set[str]) -> dict[str, npt.NDArray[np.int64]]:
    return {name: np.asarray(int(name in approximate), np.int64) for name in names}

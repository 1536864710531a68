"""Do gates choose other experts when what they see, or what they multiply with, is approximate?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from axhw.evaluation import eight_bit_table
from axhw.experiments.axmoe.subjects import Subject
from axhw.experiments.parts import Parts
from axhw.moe.choices import RoutedRun
from axhw.moe.cost import layer_roles
from axhw.moe.evaluation import circuit_name, load_rows
from axhw.moe.rows import gate_sizes
from axhw.record import DesignRecord

Row = Mapping[str, Any]

AGREEMENT = ("routing_agreement", "least_agreement")


def agreement_columns(run: RoutedRun, exact: RoutedRun) -> dict[str, float | None]:
    """Share of the experts chosen that exact products choose: the mean over the gates, and the least of a gate.

    Without gates they are None.
    """
    found = run.agreement(exact).values()
    return {AGREEMENT[0]: sum(found) / len(found) if found else None, AGREEMENT[1]: min(found, default=None)}


def routing_rows(
    subjects: Sequence[Subject],
    records: Sequence[DesignRecord],
    cells: Sequence[Row],
    parts: Parts,
    *,
    progress: Callable[[int, int, str], None],
) -> list[Row]:
    """Agreement of choices with those of exact products, two rows for each network with gates and circuit.

    ``features``  gates multiply exactly, all other layers use the circuit: figures of the cells
    ``gates``     gates and what leads to them alone use it, too

    Parameters
    ----------
    subjects : sequence of Subject
    records : sequence of DesignRecord
        Of the approximate circuits.
    cells : sequence of rows of `axhw.experiments.axmoe.cells`
    parts : Parts
    progress : callable
    """
    known: dict[tuple[str, str], Row] = {}
    for cell in cells:
        known.setdefault((cell["network"], cell["circuit"]), cell)
    found: list[Row] = []
    for done, subject in enumerate(subjects):
        sizes = gate_sizes(subject.bench.graph)
        if not sizes:
            continue
        rows = max(rows for rows, _ in sizes.values())
        for record in records:
            circuit = circuit_name(record.multiplier)
            progress(done, len(subjects), f"approximate gates: {subject.name}, {circuit}")
            named = {"network": subject.name, "topology": subject.topology, "circuit": circuit, "rows": rows}
            cell = known[subject.name, circuit]
            features = {name: cell[name] for name in (*AGREEMENT, "accuracy")}
            found.append({**named, "approximate": "features", **features})
            found.append({**named, "approximate": "gates", **_approximate_gates(subject, record, parts)})
    return found


def all_load_rows(subjects: Sequence[Subject], parts: Parts) -> list[Row]:
    """How often each expert is chosen with exact products, for all networks."""
    found: list[Row] = []
    for subject in subjects:
        settings = {"weights": subject.digest, "images": len(subject.bench.data.test)}
        found += parts.remember(
            f"loads-{subject.name}",
            settings,
            lambda subject=subject: load_rows(subject.exact),  # type: ignore[misc]
        )
    return found


def _approximate_gates(subject: Subject, record: DesignRecord, parts: Parts) -> Row:
    table = eight_bit_table(record)
    settings = {"weights": subject.digest, "images": len(subject.bench.data.test), "table": table.sha256}

    def make() -> Row:
        gates = [name for name, role in layer_roles(subject.graph).items() if role == "gate"]
        run = subject.run(subject.tables(table) | dict.fromkeys(gates, table))
        return {**agreement_columns(run, subject.exact), "accuracy": subject.accuracy(run)}

    row: Row = parts.remember(f"gates-{subject.name}-{circuit_name(record.multiplier)}", settings, make)
    return row

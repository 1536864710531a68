"""From the circuits of a search to designs: cleaned, synthesised, proved, measured and held against their limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from axhw.characterize import characterize
from axhw.errors import VerificationError
from axhw.evolve.histogram import weighted_error
from axhw.evolve.limits import IN_PER_CENT, Limits, shown
from axhw.evolve.problem import ENUMERATED_WIDTH, Objective
from axhw.evolve.search import Found
from axhw.flow import Flow
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import simplified
from axhw.record import DesignRecord
from axhw.sim.metrics import FloatArray

_DIGEST_LETTERS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Winner:
    """The best measured design within a limit.

    Attributes
    ----------
    limit : float
        In per cent where the metric has them.
    record : DesignRecord
        Of an evolved circuit, or the seed's where none is cheaper.
    errors : mapping of metric to float
        Measured on the mapped netlist: the limited ones, in per cent where they have them.
    estimated : float or None
        Cost that evolution saw, um2 or fJ; None for the seed.
    evolved : bool
    """

    limit: float
    record: DesignRecord
    errors: Mapping[str, float]
    estimated: float | None
    evolved: bool


def measure_winners(
    found: Sequence[Found],
    seed: DesignRecord,
    *,
    limits: Limits,
    objective: Objective,
    flow: Flow,
    histogram: FloatArray | None = None,
    threads: int | None = None,
    report: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> list[Winner]:
    """The best design within each limit of the ladder, by rising limits, without those that a tighter limit has too.

    Mapping does not rank circuits as the estimate does, so all that were found are measured, and the seed may stay.
    Wide operands were sampled: a circuit that breaks its limit over other pairs, or all of them, counts for the next.

    Raises
    ------
    VerificationError
        If a mapped netlist breaks a limit, or for what `characterize` finds.
    """
    width, signed = limits.width, seed.multiplier.signed
    entries: list[tuple[dict[Any, float], DesignRecord, float | None]] = [
        (measured_errors(seed, limits, histogram), seed, None)
    ]
    for place, each in enumerate(found):
        circuit = simplified(each.circuit)
        label = label_of(each, circuit.sha256, limits=limits, signed=signed)
        report(place, len(found), label)
        record = characterize(NetlistSpec.from_circuit(circuit, signed=signed, label=label), flow=flow, threads=threads)
        errors = measured_errors(record, limits, histogram)
        for metric, value in errors.items():
            most = limits.values.get(metric, each.limit)
            if width <= ENUMERATED_WIDTH and value > most * (1 + 1e-9):
                raise VerificationError(
                    f"Expected {metric} of at most {most:.6g} from {record.name}, found {value:.6g} in its netlist."
                )
        entries.append((errors, record, each.cost))
    winners: list[Winner] = []
    for limit in limits.ladder:
        inside = [
            entry
            for entry in entries
            if all(value <= limits.values.get(metric, limit) * (1 + 1e-9) for metric, value in entry[0].items())
        ]
        if not inside:
            continue
        errors, record, estimated = min(inside, key=lambda entry: (_cost(entry[1], objective), entry[0][limits.metric]))
        if winners and winners[-1].record.key == record.key:
            continue
        winners.append(
            Winner(
                limit=shown(limits.metric, limit, width=width),
                record=record,
                errors={metric: shown(metric, value, width=width) for metric, value in errors.items()},
                estimated=estimated,
                evolved=estimated is not None,
            )
        )
    return winners


def measured_errors(record: DesignRecord, limits: Limits, histogram: FloatArray | None) -> dict[Any, float]:
    """The limited metrics of a design from its proved table, in the units of `Limits`."""
    metrics = asdict(record.metrics)
    result: dict[Any, float] = {}
    for metric in limits.limited:
        if metric == "wmed":
            table = record.table
            assert table is not None
            assert histogram is not None
            result[metric] = weighted_error(table.values, table.exact(), histogram)
        else:
            # Shares are stored in per cent.
            result[metric] = metrics[f"{metric}_pct"] / 100 if metric in ("mre", "ep") else abs(metrics[metric])
    return result


def label_of(found: Found, digest: str, *, limits: Limits, signed: bool) -> str:
    """A name such as ``evo8s_mae0p05_1a2b3c``: error in per cent where the metric has them, digest of the gates."""
    value = found.errors[limits.metric]
    figure = "0" if value == 0 else f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"
    kind = f"evo{limits.width}{'s' if signed else 'u'}"
    return f"{kind}_{limits.metric}{figure.replace('.', 'p')}_{digest[:_DIGEST_LETTERS]}"


def _cost(record: DesignRecord, objective: Objective) -> float:
    cost = record.circuit_cost
    return cost.area_um2 if objective == "area" else cost.energy_fj


def unit(metric: str) -> str:
    """``_pct`` or nothing: the end of the name of a figure."""
    return "_pct" if metric in IN_PER_CENT else ""

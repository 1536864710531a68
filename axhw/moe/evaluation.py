"""What one multiplier makes of a network with experts: the columns that tables of such networks have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axhw.evaluation import COMPENSATION_IMAGES, Bench, eight_bit_table
from axhw.flow import Flow
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT, EvoApproxSpec
from axhw.hdl.spec import MultiplierSpec
from axhw.lookup import NamedMultiplier
from axhw.moe.choices import RoutedRun, routed_run
from axhw.moe.comparator import comparator_cost
from axhw.moe.cost import inference_cost
from axhw.moe.normalized_cost import measured_ratio, normalized_cost, published_ratio
from axhw.moe.rows import ExpertRows
from axhw.nn.assignment import approximated_layers
from axhw.nn.compensation import Compensation, compensated
from axhw.nn.graph import Graph
from axhw.nn.zoo.moe import dense_name, topology
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord
from axhw.sim.product_table import ProductTable

EXACT = EvoApproxSpec(circuit=EXACT_CIRCUIT)
"""What multiplies exactly, in networks that are approximate elsewhere, too."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What is the same for all multipliers.

    Attributes
    ----------
    exact : DesignRecord
        Of `EXACT`.
    comparison_fj : float
        Energy of a comparison of a top-k unit.
    """

    exact: DesignRecord
    comparison_fj: float

    @classmethod
    def measured(cls, flow: Flow) -> Prices:
        """From the store or made."""
        record = NamedMultiplier(spec=EXACT).measured(flow)
        comparator = comparator_cost(flow=flow)
        return cls(exact=record, comparison_fj=comparator.energy_fj)

    @property
    def exact_fj(self) -> float:
        """Energy of an exact multiplication."""
        return self.exact.circuit_cost.energy_fj


def dense_graph(graph: Graph) -> Graph:
    """The graph that one with experts was made of, the base of normalised costs; itself for all others."""
    name = dense_name(graph.name)
    return graph if name == graph.name else build_graph(name, input_shape=graph.input_shape, classes=graph.classes)


def circuit_name(spec: MultiplierSpec) -> str:
    """The name of a published circuit without its release, that of any other design as it is."""
    return (
        spec.circuit if isinstance(spec, EvoApproxSpec) and spec == EvoApproxSpec(circuit=spec.circuit) else spec.name
    )


def cost_columns(rows: ExpertRows, record: DesignRecord, prices: Prices) -> dict[str, Any]:
    """What an image costs with a multiplier in all `axhw.nn.assignment.approximated_layers`.

    Parameters
    ----------
    rows : ExpertRows
        As executed.
    record : DesignRecord
        Measured in the library of `prices`.
    prices : Prices

    Raises
    ------
    AxhwError
        For a design without a circuit or from another library.
    """
    base, spec = dense_graph(rows.graph), record.multiplier
    own = normalized_cost(rows, ratios=measured_ratio(record, prices.exact), base=base)
    published = None
    if isinstance(spec, EvoApproxSpec):
        published = normalized_cost(rows, ratios=published_ratio(spec.circuit), base=base).value
    cost = inference_cost(
        rows,
        energy_fj=record.circuit_cost.energy_fj,
        exact_fj=prices.exact_fj,
        comparison_fj=prices.comparison_fj,
    )
    return {
        "multiplications": own.executed,
        "dense_multiplications": own.base,
        "approximate_share": own.approximate_share,
        "published_cost": published,
        "cost": own.value,
        "energy_nj": cost.energy_nj,
        "routing_nj": cost.routing_nj,
        "weight_bytes": cost.weight_bytes,
        "expert_bytes": cost.expert_bytes,
        "fetched_expert_bytes": cost.fetched_expert_bytes,
    }


def evaluated(
    bench: Bench, records: Sequence[DesignRecord], prices: Prices, *, compensate: Compensation | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A network with several designs, each in all `axhw.nn.assignment.approximated_layers`.

    Parameters
    ----------
    bench : Bench
    records : sequence of DesignRecord
        8-bit multipliers measured in the library of `prices`.
    prices : Prices
    compensate : {"bias", "affine"}, optional

    Returns
    -------
    rows, loads : lists of dict
        A row for each design, and `load_rows` with exact products.
    """
    rows, loads, test = list[dict[str, Any]](), list[dict[str, Any]](), bench.data.test
    for signed in dict.fromkeys(record.multiplier.signed for record in records):
        network = bench.quantized(signed=signed)
        name = network.graph.name
        exact = routed_run(network, test)
        loads = loads or load_rows(exact)
        for record in (record for record in records if record.multiplier.signed == signed):
            tables = dict.fromkeys(approximated_layers(network.graph), eight_bit_table(record))
            own = network
            if compensate is not None:
                own = compensated(network, bench.calibration_images[:COMPENSATION_IMAGES], tables, method=compensate)
            run = routed_run(own, test, tables)
            agreements = run.agreement(exact)
            rows.append(
                {
                    "network": name,
                    "base": dense_name(name),
                    "topology": topology(name),
                    "weights": bench.weights,
                    "dataset": test.name,
                    "split": test.split,
                    "images": len(test),
                    "name": record.name,
                    "circuit": circuit_name(record.multiplier),
                    "compensated": compensate,
                    "int8_accuracy": float((exact.classes == test.labels).mean()),
                    "accuracy": float((run.classes == test.labels).mean()),
                    "routing_agreement": float(np.mean(list(agreements.values()))) if agreements else None,
                    **cost_columns(run.rows, record, prices),
                }
            )
    return rows, loads


def error_columns(table: ProductTable) -> Mapping[str, float]:
    """Mean and standard deviation of the errors of a multiplier over all operands, in products of codes."""
    errors = (table.values - table.exact()).astype(np.float64)
    return {"bias": float(errors.mean()), "standard_deviation": float(errors.std())}


def load_rows(run: RoutedRun) -> list[dict[str, Any]]:
    """How often each expert is chosen, a row for every expert of every gate."""
    return [
        {
            "network": run.graph.name,
            "gate": gate,
            "expert": expert,
            "rows": chosen.shape[1],
            "share": float(share),
            "images_share": float(used),
        }
        for gate, chosen in run.chosen.items()
        for expert, (share, used) in enumerate(zip(run.load(gate), chosen.any(axis=1).mean(axis=0)))
    ]

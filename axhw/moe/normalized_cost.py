"""The normalised inference cost of the AxMoE study (arXiv 2605.04754).

    P_norm = (M_eff / M_base) * (f_apx * P_apx / P_exact + 1 - f_apx)

M_eff are the multiplications done for one image, M_base those of the dense network, f_apx the share of M_eff that
approximate multipliers do, and P their power. With several multipliers P_apx is the mean over what they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from axhw.errors import AxhwError
from axhw.hdl.families.evoapprox import CIRCUITS, EXACT_CIRCUIT, RELEASE
from axhw.moe.rows import ExpertRows
from axhw.nn.assignment import approximated_layers
from axhw.nn.graph import Graph
from axhw.record import DesignRecord


@dataclass(frozen=True, kw_only=True)
class NormalizedCost:
    """A normalised cost and what it is made of.

    Attributes
    ----------
    executed : float
        M_eff.
    base : float
        M_base.
    approximate_share : float
        f_apx.
    power_ratio : float
        P_apx / P_exact.

    Raises
    ------
    AxhwError
        For counts that are not above 0, a share outside 0 to 1, and a ratio below 0.
    """

    executed: float
    base: float
    approximate_share: float
    power_ratio: float

    def __post_init__(self) -> None:
        for what, value in (("executed", self.executed), ("base", self.base)):
            if not (math.isfinite(value) and value > 0):
                raise AxhwError(f"Expected more than 0 {what} multiplications for a normalised cost, found {value}.")
        if not 0 <= self.approximate_share <= 1:
            raise AxhwError(f"Expected an approximate share from 0 to 1, found {self.approximate_share}.")
        if not (math.isfinite(self.power_ratio) and self.power_ratio >= 0):
            raise AxhwError(f"Expected a power ratio of at least 0, found {self.power_ratio}.")

    @property
    def value(self) -> float:
        """P_norm."""
        share = self.approximate_share
        return self.executed / self.base * (share * self.power_ratio + 1 - share)


def normalized_cost(rows: ExpertRows, *, ratios: float | Mapping[str, float], base: Graph) -> NormalizedCost:
    """That of a network.

    Parameters
    ----------
    rows : ExpertRows
        Of the network: balanced or executed.
    ratios : float, or mapping of layer name to float
        P_apx / P_exact of all `approximated_layers`, or of each layer that multiplies approximately; others are exact.
    base : Graph
        The dense network.

    Raises
    ------
    AxhwError
        For a layer that the network does not have, and ratios that are not finite or below 0.
    """
    done = rows.multiplications
    by_layer = by_approximated_layer(ratios, rows.graph)
    executed = sum(done.values())
    approximate = sum(done[name] for name in by_layer)
    weighted = sum(done[name] * ratio for name, ratio in by_layer.items())
    return NormalizedCost(
        executed=executed,
        base=sum(base.multiplications.values()),
        # A sum in another order may be larger in its last bit.
        approximate_share=min(1.0, approximate / executed),
        power_ratio=weighted / approximate if approximate else 1.0,
    )


def published_ratio(circuit: str) -> float:
    """P_apx / P_exact of a signed 8-bit circuit of EvoApproxLib v2022 as published, from `mul8s_1KV6`.

    Raises
    ------
    AxhwError
        For an unknown circuit.
    """
    if circuit not in CIRCUITS:
        raise AxhwError(f"Expected a circuit of EvoApproxLib {RELEASE} ({', '.join(CIRCUITS)}), found {circuit!r}.")
    return CIRCUITS[circuit].power_mw / CIRCUITS[EXACT_CIRCUIT].power_mw


def measured_ratio(record: DesignRecord, exact: DesignRecord) -> float:
    """The same from our own energies: that of an operation over that of the exact design, at equal clocks.

    Raises
    ------
    AxhwError
        For designs without a circuit or measured in different libraries.
    """
    own, reference = record.circuit_cost, exact.circuit_cost
    if own.library_sha256 != reference.library_sha256:
        raise AxhwError(
            f"Expected designs measured in one library, found {reference.library} for {exact.name} and {own.library} "
            f"for {record.name}."
        )
    return own.energy_fj / reference.energy_fj


def by_approximated_layer(values: float | Mapping[str, float], graph: Graph) -> Mapping[str, float]:
    """A figure of each layer that multiplies approximately: one for all `approximated_layers`, or those given.

    Raises
    ------
    AxhwError
        For names that are no product layers of the graph, and figures that are not finite or below 0.
    """
    by_layer = values if isinstance(values, Mapping) else dict.fromkeys(approximated_layers(graph), values)
    known = graph.multiplications
    for name, value in by_layer.items():
        if name not in known:
            raise AxhwError(f"Expected product layers of {graph.name} out of {', '.join(known)}, found {name!r}.")
        if not (math.isfinite(value) and value >= 0):
            raise AxhwError(f"Expected a finite figure of at least 0 for {name}, found {value}.")
    return by_layer

"""Holding a mapped netlist against its golden model: exhaustively where that is possible, else formally and sampled."""

from __future__ import annotations

from dataclasses import dataclass

from axhw.hdl.registry import DesignSpec
from axhw.hdl.spec import MultiplierSpec
from axhw.sim import product_table
from axhw.sim.element import extract_element_table, verify_element
from axhw.sim.equivalence import TIME_LIMIT_S, prove_equivalence
from axhw.sim.metrics import ErrorMetrics, exact_metrics, factor_moments, sampled_metrics
from axhw.sim.operands import uniform
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable
from axhw.sim.rank import table_rank
from axhw.sim.sampled import RANDOM_PAIRS, verify_sampled
from axhw.synth.engines import Engine
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph
from axhw.synth.synthesis import Synthesis


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How the mapped netlist was held against the golden model.

    Attributes
    ----------
    method : str
        ``exhaustive`` or ``equivalence and random pairs``.
    pairs : int
        Operand pairs compared.
    netlist_sha256 : str
    table_sha256 : str or None
        Digest of the product table; None above the table's width limit.
    """

    method: str
    pairs: int
    netlist_sha256: str
    table_sha256: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Proof:
    """A netlist that agrees with its golden model, and what it computes.

    Attributes
    ----------
    verification : Verification
    metrics : ErrorMetrics
    table : ProductTable or None
        Extracted from the netlist; None for operands too wide to tabulate.
    rank : int or None
        Of the table.
    """

    verification: Verification
    metrics: ErrorMetrics
    table: ProductTable | None
    rank: int | None


def prove(
    spec: DesignSpec,
    synthesis: Synthesis,
    graph: GateGraph,
    *,
    library: CellLibrary,
    engine: Engine,
    seed: int,
    time_limit_s: float = TIME_LIMIT_S,
) -> Proof:
    """Verify a synthesised design.

    Multipliers of up to 10 bits are compared with the golden model over all pairs. Wider ones are compared over
    corners and a million random pairs, and their netlist is proved equal to the RTL. Elements are compared
    over all pairs (up to 10 bits) and over streams with stalls and resets.

    Raises
    ------
    VerificationError
        If the netlist differs from the golden model or from the RTL, or if the formal proof of a wide
        multiplier takes longer than `time_limit_s`.
    """
    if isinstance(spec, MultiplierSpec):
        if spec.width <= MAX_TABLE_WIDTH:
            return _tabulated(
                spec, synthesis, product_table.extract(synthesis.netlist, graph, spec), method="exhaustive"
            )
        return _prove_wide(spec, synthesis, graph, engine=engine, seed=seed, time_limit_s=time_limit_s)
    cycles = verify_element(synthesis.netlist, graph, library, spec, seed=seed)
    if spec.multiplier.width <= MAX_TABLE_WIDTH:
        table = extract_element_table(synthesis.netlist, graph, library, spec)
        method = f"exhaustive through the registers, and {cycles} cycles with stalls and resets"
        return _tabulated(spec.multiplier, synthesis, table, method=method)
    return Proof(
        verification=Verification(
            method="cycles of random operands with stalls and resets",
            pairs=cycles,
            netlist_sha256=synthesis.netlist.sha256,
            table_sha256=None,
        ),
        metrics=_golden_metrics(spec.multiplier, seed=seed),
        table=None,
        rank=None,
    )


def _tabulated(spec: MultiplierSpec, synthesis: Synthesis, table: ProductTable, *, method: str) -> Proof:
    product_table.verify(table, spec)
    return Proof(
        verification=Verification(
            method=method,
            pairs=table.values.size,
            netlist_sha256=synthesis.netlist.sha256,
            table_sha256=table.sha256,
        ),
        metrics=exact_metrics(table),
        table=table,
        rank=table_rank(table.values),
    )


def _prove_wide(
    spec: MultiplierSpec, synthesis: Synthesis, graph: GateGraph, *, engine: Engine, seed: int, time_limit_s: float
) -> Proof:
    netlist = synthesis.netlist
    sampled = verify_sampled(netlist, graph, spec, seed=seed)
    prove_equivalence(synthesis.rtl_verilog, netlist, graph, spec, engine=engine, time_limit_s=time_limit_s)
    factors = spec.factors()
    return Proof(
        verification=Verification(
            method="RTL and netlist formally equivalent; corner and random pairs equal to the golden model",
            pairs=sampled.pairs,
            netlist_sha256=netlist.sha256,
            table_sha256=None,
        ),
        metrics=sampled.metrics,
        table=None,
        # One product of operand functions has rank 1; more terms may depend on each other.
        rank=1 if factors is not None and factors.rank == 1 else None,
    )


def _golden_metrics(spec: MultiplierSpec, *, seed: int) -> ErrorMetrics:
    """Metrics of the golden model over random pairs, for elements too wide to tabulate."""
    stream = uniform(spec, pairs=RANDOM_PAIRS, seed=seed)
    factors = spec.factors()
    return sampled_metrics(
        spec.reference(stream.a, stream.b),
        stream.a * stream.b,
        width=spec.width,
        signed=spec.signed,
        moments=None if factors is None else factor_moments(factors, spec.operand_codes()),
    )

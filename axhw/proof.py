"""Holding a mapped netlist against its golden model: exhaustively where that is possible, else formally and sampled."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from axhw.errors import VerificationError
from axhw.hdl.families.table import TableSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import DesignSpec, describe
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.sim import product_table
from axhw.sim.closed_form import closed_form_metrics, factored_rank
from axhw.sim.crossbar_group import MappedGroup, extract_group_table, verify_group, verify_requests
from axhw.sim.element import PairElement, element_products, extract_element_table, verify_element
from axhw.sim.equivalence import TIME_LIMIT_S, prove_equivalence
from axhw.sim.gate_errors import exhaustive_errors
from axhw.sim.mapped_gates import gates_of_netlist
from axhw.sim.metrics import ErrorMetrics, exact_metrics, factor_moments, sampled_metrics
from axhw.sim.operands import OperandStream, uniform
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable
from axhw.sim.rank import table_rank
from axhw.sim.sampled import RANDOM_PAIRS, verify_sampled
from axhw.sim.systolic import MappedArray, extract_array_table, verify_array, verify_products
from axhw.sim.worst_case import worst_case_error
from axhw.synth.engines import Engine
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph
from axhw.synth.synthesis import Synthesis

# Half a second. Each bit more takes five times as long.
ENUMERATED_WIDTH = 12


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How the mapped netlist was held against the golden model.

    Attributes
    ----------
    method : str
        In words: ``exhaustive``, or what was compared or proved.
    pairs : int
        Operand pairs compared.
    netlist_sha256 : str or None
        Digest of the netlist; None for an imported table, which has none.
    table_sha256 : str or None
        Digest of the product table; None above the table's width limit.
    """

    method: str
    pairs: int
    netlist_sha256: str | None
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
    all_pairs: bool = False,
    wce_time_limit_s: float = 0.0,
    threads: int | None = None,
) -> Proof:
    """Verify a synthesised design.

    Multipliers of up to 10 bits are compared with the golden model over all pairs. Wider ones are compared over
    corners and a million random pairs, and their netlist is proved equal to the RTL; up to 12 bits, and with
    `all_pairs` up to 16, their errors are nevertheless those of all pairs, otherwise estimates with confidence
    intervals and, after `wce_time_limit_s` at most, proved bounds of the worst case. Elements are compared
    over the same pairs without that proof, and over streams with stalls, resets and overflow; a systolic array up
    to 10 bits in each of its PEs, over matrix products, and over streams of loads, bubbles, resets and overflow; a
    group of crossbars up to 10 bits in each cell, over requests, and over streams with back-pressure, new weights and
    resets.

    Raises
    ------
    VerificationError
        If the netlist differs from the golden model or from the RTL, or if the formal proof of a wide
        multiplier takes longer than `time_limit_s`.
    """
    if isinstance(spec, MultiplierSpec):
        if spec.width <= MAX_TABLE_WIDTH:
            return tabulated(
                spec, synthesis, product_table.extract(synthesis.netlist, graph, spec), method="exhaustive"
            )
        return _prove_wide(
            spec,
            synthesis,
            graph,
            engine=engine,
            seed=seed,
            time_limit_s=time_limit_s,
            all_pairs=all_pairs,
            wce_time_limit_s=wce_time_limit_s,
            threads=threads,
        )
    if isinstance(spec, SystolicSpec):
        return _prove_array(spec, synthesis, graph, library=library, seed=seed)
    if isinstance(spec, CrossbarGroupSpec):
        return _prove_group(spec, synthesis, graph, library=library, seed=seed)
    streams = verify_element(synthesis.netlist, graph, library, spec, seed=seed)
    events = "stalls, resets and overflow" if streams.overflow else "stalls and resets"
    cycles = f"{streams.cycles} cycles with {events}"
    if spec.multiplier.width <= MAX_TABLE_WIDTH:
        table = extract_element_table(synthesis.netlist, graph, library, spec)
        return tabulated(spec.multiplier, synthesis, table, method=f"exhaustive through the registers, and {cycles}")
    return _prove_wide_element(
        spec, synthesis, graph, library=library, seed=seed, method=f"random pairs through the registers, and {cycles}"
    )


def prove_table(spec: TableSpec) -> Proof:
    """What a table without a circuit computes; there is nothing to hold it against."""
    table = ProductTable(
        values=spec.products.astype(np.int32),
        width=spec.width,
        signed=spec.signed,
        name=spec.name,
        source=describe(spec),
    )
    return Proof(
        verification=Verification(
            method="an imported table, without a circuit to verify",
            pairs=table.values.size,
            netlist_sha256=None,
            table_sha256=table.sha256,
        ),
        metrics=exact_metrics(table),
        table=table,
        rank=table_rank(table.values),
    )


def tabulated(spec: MultiplierSpec, synthesis: Synthesis, table: ProductTable, *, method: str) -> Proof:
    """The proof that a table out of a netlist is the golden model's."""
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
    spec: MultiplierSpec,
    synthesis: Synthesis,
    graph: GateGraph,
    *,
    engine: Engine,
    seed: int,
    time_limit_s: float,
    all_pairs: bool,
    wce_time_limit_s: float,
    threads: int | None,
) -> Proof:
    netlist = synthesis.netlist
    sampled = verify_sampled(netlist, graph, spec, seed=seed)
    prove_equivalence(synthesis.rtl_verilog, netlist, graph, spec, engine=engine, time_limit_s=time_limit_s)
    metrics = closed_form_metrics(spec)
    # A product that can exceed the exact ones has a bit that the kernels do not know.
    if metrics is None and (all_pairs or spec.width <= ENUMERATED_WIDTH) and spec.product_width == 2 * spec.width:
        circuit = gates_of_netlist(netlist, graph, spec)
        metrics = exhaustive_errors(circuit, signed=spec.signed, threads=threads or os.cpu_count() or 1)
    if metrics is None:
        metrics = sampled.metrics
        if wce_time_limit_s and spec.product_width == 2 * spec.width:
            circuit = gates_of_netlist(netlist, graph, spec)
            worst = worst_case_error(circuit, signed=spec.signed, time_limit_s=wce_time_limit_s)
            metrics = metrics.with_worst_case(lower=worst.lower, upper=worst.upper, width=spec.width)
    return Proof(
        verification=Verification(
            method="RTL and netlist formally equivalent; corner and random pairs equal to the golden model",
            pairs=sampled.pairs,
            netlist_sha256=netlist.sha256,
            table_sha256=None,
        ),
        metrics=metrics,
        table=None,
        rank=_known_rank(spec),
    )


def _prove_array(
    spec: SystolicSpec, synthesis: Synthesis, graph: GateGraph, *, library: CellLibrary, seed: int
) -> Proof:
    array = MappedArray(synthesis.netlist, graph, library, spec)
    multiplier = spec.multiplier
    streams = verify_array(array, seed=seed)
    table = extract_array_table(array) if multiplier.width <= MAX_TABLE_WIDTH else None
    verify_products(array, seed=seed, table=table)
    compared = f"matrix products as numpy, and {streams.cycles} cycles with bubbles, reloads, resets and overflow"
    if table is not None:
        return tabulated(multiplier, synthesis, table, method=f"exhaustive through every PE, {compared}")
    return _prove_wide_sums(spec, synthesis, method=compared, pairs=streams.cycles * spec.operations, seed=seed)


def _prove_group(
    spec: CrossbarGroupSpec, synthesis: Synthesis, graph: GateGraph, *, library: CellLibrary, seed: int
) -> Proof:
    group = MappedGroup(synthesis.netlist, graph, library, spec)
    multiplier = spec.multiplier
    streams = verify_group(group, seed=seed)
    table = extract_group_table(group) if multiplier.width <= MAX_TABLE_WIDTH else None
    results = verify_requests(group, seed=seed, table=table)
    compared = (
        f"{results} results of requests as numpy, in their order and time, and {streams.cycles} cycles with "
        "back-pressure, new weights and resets"
    )
    if table is not None:
        return tabulated(multiplier, synthesis, table, method=f"exhaustive through every cell, {compared}")
    return _prove_wide_sums(spec, synthesis, method=compared, pairs=results * spec.operations, seed=seed)


def _prove_wide_sums(
    spec: SystolicSpec | CrossbarGroupSpec, synthesis: Synthesis, *, method: str, pairs: int, seed: int
) -> Proof:
    """Sums agree with the golden model, and so do the products in them: the errors are taken from it."""
    multiplier = spec.multiplier
    stream = uniform(multiplier, pairs=RANDOM_PAIRS, seed=seed)
    return Proof(
        verification=Verification(
            method=method, pairs=pairs, netlist_sha256=synthesis.netlist.sha256, table_sha256=None
        ),
        metrics=_wide_metrics(multiplier, stream, multiplier.reference(stream.a, stream.b)),
        table=None,
        rank=_known_rank(multiplier),
    )


def _prove_wide_element(
    spec: PairElement, synthesis: Synthesis, graph: GateGraph, *, library: CellLibrary, seed: int, method: str
) -> Proof:
    multiplier = spec.multiplier
    stream = uniform(multiplier, pairs=RANDOM_PAIRS, seed=seed)
    products = element_products(synthesis.netlist, graph, library, spec, stream.a, stream.b)
    golden = multiplier.reference(stream.a, stream.b)
    wrong = np.flatnonzero(products != golden)
    if len(wrong):
        first = wrong[0]
        raise VerificationError(
            f"Expected {spec.name} to multiply as its golden model, found {len(wrong)} of {len(stream)} pairs that "
            f"differ, the first being a = {stream.a[first]}, b = {stream.b[first]}: the netlist gives "
            f"{products[first]}, the golden model {golden[first]}."
        )
    return Proof(
        verification=Verification(
            method=method, pairs=len(stream), netlist_sha256=synthesis.netlist.sha256, table_sha256=None
        ),
        metrics=_wide_metrics(multiplier, stream, products),
        table=None,
        rank=_known_rank(multiplier),
    )


def _wide_metrics(spec: MultiplierSpec, stream: OperandStream, products: IntegerArray) -> ErrorMetrics:
    factors = spec.factors()
    return closed_form_metrics(spec) or sampled_metrics(
        products,
        stream.a * stream.b,
        width=spec.width,
        signed=spec.signed,
        moments=None if factors is None else factor_moments(factors, spec.operand_codes()),
    )


def _known_rank(spec: MultiplierSpec) -> int | None:
    """The rank of a table that is too large to look at, from its factors."""
    factors = spec.factors()
    return None if factors is None else factored_rank(factors)

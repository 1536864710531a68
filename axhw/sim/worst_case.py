"""The worst-case error of a netlist by satisfiability: a proof where pairs are too many to enumerate.

The netlist and an exact multiplier read the same operands, and the bits of abs(product - exact product) are driven to
their largest value from the most significant one down: each bit is asked to be 1 with those above it as found. A yes
gives a pair of operands, a no is a proof. When time runs out both say how far it got.

Equality of multipliers is among the hard problems for these solvers. What makes it easy is structure in common: give
the exact multiplier that the circuit was made from, and what is left of it is one set of gates in the problem.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from axhw.errors import AxhwError
from axhw.hdl.gate_builder import ZERO, GateBuilder, exact_multiplier
from axhw.hdl.gates import GateNetlist

TIME_LIMIT_S = 60.0
# Learns fast on arithmetic, and can be interrupted.
_SOLVER = "glucose4"


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """Bounds of the largest abs(product - exact product).

    Attributes
    ----------
    lower : int
        Reached by the operands below.
    upper : int
        Proved. Equal to `lower` where the search ended.
    a, b : int
        Operands with the error `lower`.
    seconds : float
    """

    lower: int
    upper: int
    a: int
    b: int
    seconds: float

    @property
    def proved(self) -> bool:
        """Whether `lower` is the worst case."""
        return self.lower == self.upper


def worst_case_error(
    circuit: GateNetlist, *, signed: bool, exact: GateNetlist | None = None, time_limit_s: float = TIME_LIMIT_S
) -> WorstCase:
    """Bounds of the worst-case error of a multiplier, over all pairs of operands.

    Parameters
    ----------
    circuit : GateNetlist
        Inputs a and b, least significant bits first; as many outputs as inputs.
    signed : bool
    exact : GateNetlist, optional
        An exact multiplier of the same operands, best the one that the circuit was made from; an array by default.
    time_limit_s : float

    Raises
    ------
    AxhwError
        If the circuit is no multiplier, or the solver is not installed.
    """
    if circuit.inputs % 2 or len(circuit.outputs) != circuit.inputs:
        raise AxhwError(
            f"Expected as many outputs as inputs for a multiplier, found {circuit.inputs} inputs and "
            f"{len(circuit.outputs)} outputs."
        )
    try:
        from pysat.solvers import Solver
    except ImportError as error:
        raise AxhwError(
            "Expected the package python-sat for a proof of the worst case, found none: pip install 'axhw[formal]'."
        ) from error
    start = time.perf_counter()
    miter = error_magnitude(circuit, exact or exact_multiplier(circuit.inputs // 2, signed=signed), signed=signed)
    with Solver(name=_SOLVER, bootstrap_with=_clauses(miter)) as solver:
        return _maximise(solver, miter, signed=signed, start=start, time_limit_s=time_limit_s)


def error_magnitude(circuit: GateNetlist, exact: GateNetlist, *, signed: bool) -> GateNetlist:
    """A netlist of abs(product - exact product), one bit wider than the product."""
    builder = GateBuilder(circuit.inputs)
    product, reference = (_placed(builder, each) for each in (circuit, exact))
    # One bit more than the product, so that the difference keeps its sign.
    for bits in (product, reference):
        bits.append(bits[-1] if signed else ZERO)
    difference, borrow = [], ZERO
    for x, y in zip(product, reference):
        half = builder.add("xor", x, y)
        difference.append(builder.add("xor", half, borrow))
        borrow = builder.add("or", builder.add("notand", x, y), builder.add("andnot", borrow, half))
    sign = difference[-1]
    # -d = NOT d + 1.
    magnitude, carry = [], sign
    for bit in difference:
        flipped = builder.add("xor", bit, sign)
        magnitude.append(builder.add("xor", flipped, carry))
        carry = builder.add("and", flipped, carry)
    return builder.build(magnitude)


def _placed(builder: GateBuilder, circuit: GateNetlist) -> list[int]:
    signals = list(range(circuit.inputs))
    for gate in circuit.gates:
        signals.append(builder.add(gate.function, signals[gate.x], signals[gate.y]))
    return [signals[output] for output in circuit.outputs]


def _clauses(netlist: GateNetlist) -> list[list[int]]:
    """The netlist in conjunctive normal form (Tseitin, 1968); signal s is variable s + 1."""
    clauses = []
    for number, gate in enumerate(netlist.gates, start=netlist.inputs + 1):
        for vector in range(4):
            # Where the operands are this vector, the output is the function's value.
            x, y = (-1 if vector & 1 else 1) * (gate.x + 1), (-1 if vector & 2 else 1) * (gate.y + 1)
            literals = {number if gate.function >> vector & 1 else -number, x, y}
            if not any(-literal in literals for literal in literals):
                clauses.append(sorted(literals))
    return clauses


def _maximise(solver: Any, miter: GateNetlist, *, signed: bool, start: float, time_limit_s: float) -> WorstCase:
    end = start + time_limit_s
    width = miter.inputs // 2
    known: list[int] = []
    model = _model(solver, [], end) or []
    upper = (1 << len(miter.outputs)) - 1
    for place in reversed(range(len(miter.outputs))):
        literal = miter.outputs[place] + 1
        # The last model may have the bit already.
        found = model if model and model[literal - 1] > 0 else _model(solver, [*known, literal], end)
        if found is None:
            break
        if found:
            model = found
        else:
            upper -= 1 << place
        known.append(literal if found else -literal)
    bits = [literal > 0 for literal in model] or [False] * miter.signals
    a, b = (_number(bits[first : first + width], signed=signed) for first in (0, width))
    return WorstCase(
        lower=_number([bits[output] for output in miter.outputs], signed=False),
        upper=upper,
        a=a,
        b=b,
        seconds=time.perf_counter() - start,
    )


def _model(solver: Any, assumptions: list[int], end: float) -> list[int] | None:
    """A model, an empty list if there is none, None if time ran out."""
    left = end - time.perf_counter()
    if left <= 0:
        return None
    alarm = threading.Timer(left, solver.interrupt)
    alarm.start()
    try:
        answer = solver.solve_limited(assumptions=assumptions, expect_interrupt=True)
    finally:
        alarm.cancel()
        alarm.join()
        solver.clear_interrupt()
    if answer is None:
        return None
    return list(solver.get_model()) if answer else []


def _number(bits: list[bool], *, signed: bool) -> int:
    value = sum(1 << place for place, bit in enumerate(bits) if bit)
    return value - (1 << len(bits)) if signed and bits[-1] else value

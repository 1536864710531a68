"""Which experts are digital within a budget: of energy for a token, of time for a token, or of both.

Experts become digital as long as the budget lasts, those first that are worth most for what they take: a knapsack
(`axhw.analog.knapsack`) of gains, such as a selector's scores or predicted rises of the loss, with these limits:

    energy      sum of extra energy of digital experts + leakage at the pace of each resource <= what is left of it
    throughput  sum over digital experts of the time that they keep arrays and memory busy <= what is left of 1 / pace;
                experts whose tiles are too slow for it have to be digital
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.analog.converters import FloatArray
from axhw.analog.cost import NJ_PER_NW_NS, TokenCost, token_cost
from axhw.analog.expert_cost import ExpertCosts, expert_costs
from axhw.analog.knapsack import MOST_NODES, Knapsack
from axhw.analog.machine import Load, Machine
from axhw.analog.placement import Placement
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig

_NS = 1e9


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a token may take.

    Attributes
    ----------
    energy_nj : float or None
        At most so much.
    tokens_per_s : float or None
        At least so many.

    Raises
    ------
    AxhwError
        Without any, and for figures that are not above 0.
    """

    energy_nj: float | None = None
    tokens_per_s: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.energy_nj, self.tokens_per_s) if value is not None]
        if not given:
            raise AxhwError("Expected a budget of energy, a throughput, or both, found neither.")
        if not all(math.isfinite(value) and value > 0 for value in given):
            raise AxhwError(f"Expected a budget above 0, found {given}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class BudgetedChoice:
    """Experts within a budget.

    Attributes
    ----------
    placement : Placement
    gain : float
        Sum of the gains of digital experts.
    bound : float
        No choice within the budget gains more; `gain` itself for the exact choice.
    cost : TokenCost
        Of a token with them.
    """

    placement: Placement
    gain: float
    bound: float
    cost: TokenCost


def choose_digital(
    config: ModelConfig,
    machine: Machine,
    budget: Budget,
    *,
    gains: npt.ArrayLike,
    load: Load | None = None,
    use: npt.ArrayLike | None = None,
    exact: bool = False,
    most_nodes: int = MOST_NODES,
) -> BudgetedChoice:
    """The digital experts that gain most within a budget.

    Parameters
    ----------
    config : ModelConfig
    machine : Machine
    budget : Budget
    gains : array-like, shape (layers, experts)
        What a digital expert is worth, at least 0: a selector's score, or its predicted rise of the loss; of layers
        without experts it does not count.
    load : Load, optional
    use : array-like, shape (layers, experts), optional
        Mean rows of a token in each expert; by default all experts are chosen alike.
    exact : bool
        The best choice rather than the greedy one, whose `bound` says how far from it it may be.
    most_nodes : int
        Steps that finding the best may take.

    Raises
    ------
    AxhwError
        For a budget that the model does not keep with any experts digital, gains of another shape or below 0, and a
        best choice that takes more steps to find.
    """
    costs = expert_costs(config, machine, load=load, use=use)
    worth = np.asarray(gains, np.float64)
    if worth.shape != costs.use.shape:
        raise AxhwError(f"Expected gains of shape {costs.use.shape} (layers, experts), found {worth.shape}.")
    forced = np.zeros(worth.shape, np.bool_)
    if budget.tokens_per_s is not None:
        forced = costs.tile_ns > _NS / budget.tokens_per_s
    open_ = ~forced
    open_[list(config.dense_layers)] = False
    base = token_cost(config, machine, Placement.of_mask(forced), load=load, use=use)
    constraints = _constraints(machine, budget, costs, base)
    problem = Knapsack(
        gains=worth[open_],
        costs=np.array([constraint.costs[open_] for constraint in constraints]),
        limits=np.array([constraint.limit for constraint in constraints]),
    )
    if not problem.possible:
        raise _too_small(budget, constraints[int(np.argmin(problem.left))].what, base)
    found = problem.exact(most_nodes=most_nodes) if exact else problem.greedy()
    digital = forced.copy()
    digital[open_] = found.chosen
    always, placement = float(worth[forced].sum()), Placement.of_mask(digital)
    return BudgetedChoice(
        placement=placement,
        gain=always + found.gain,
        bound=always + found.bound,
        cost=token_cost(config, machine, placement, load=load, use=use),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Constraint:
    """Costs (layers, experts) of digital experts, and what is left for them; which figure of the budget it is from."""

    what: str
    costs: FloatArray
    limit: float


def _constraints(machine: Machine, budget: Budget, costs: ExpertCosts, base: TokenCost) -> list[_Constraint]:
    """What a budget says of each resource, beside the experts that are digital in any case."""
    shared = {"arrays" if machine.expert_arrays is None else "arrays of experts": costs.array_ns}
    if machine.memory.gb_per_s is not None:
        shared["memory"] = costs.fetched_bytes / machine.memory.gb_per_s
    # Other arrays are as busy as they are, and tiles don't get busier.
    nothing = np.zeros_like(costs.use)
    times = [(name, base.busy_ns.get(name, 0.0), shared.get(name, nothing)) for name in {**shared, **base.busy_ns}]
    found = []
    if budget.tokens_per_s is not None:
        pace_ns = _NS / budget.tokens_per_s
        found += [_Constraint(what=name, costs=each, limit=pace_ns - before) for name, before, each in times]
    if budget.energy_nj is not None:
        pools = [machine.arrays] if machine.expert_arrays is None else [machine.arrays, machine.expert_arrays]
        leakage = NJ_PER_NW_NS * sum(pool.leakage_nw for pool in pools)
        left = budget.energy_nj - base.compute_nj - base.memory_nj
        found += [
            _Constraint(what="energy", costs=costs.extra_nj + leakage * each, limit=left - leakage * before)
            for _, before, each in times
        ]
    return found


def _too_small(budget: Budget, what: str, base: TokenCost) -> AxhwError:
    if what == "energy":
        return AxhwError(
            f"Expected a budget that the model keeps with all experts analog (about {base.energy_nj:,.0f} nJ a token), "
            f"found {budget.energy_nj:,.0f} nJ."
        )
    busy_pct = 1e-7 * base.busy_ns[base.bottleneck] * (budget.tokens_per_s or 0.0)
    return AxhwError(
        f"Expected a throughput that {base.bottleneck} keep up with, found {budget.tokens_per_s:,.0f} tokens/s, for "
        f"which they would be busy {busy_pct:,.0f} % of the time with as few digital experts as possible."
    )

"""The engine against a simulation of every tile and every addition by itself, on a networkx graph."""

from __future__ import annotations

import heapq
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.pim.accounting import ACCOUNTINGS, accounting_of
from axhw.pim.engine import run_program
from axhw.pim.model import DecoderModel
from axhw.pim.operations import IntArray, Kind, Program
from axhw.pim.parameters import PUBLISHED, CrossbarCore, Scheduler
from axhw.pim.program import build_program
from axhw.pim.routing import LayerRouting, random_routing
from axhw.pim.schedule import Schedule
from axhw.pim.workload import Workload, decode_passes, prefill_passes

Step = tuple[int, str, int, int]


def tile_graph(program: Program) -> nx.DiGraph:
    """Crossings, MVMs and additions of each tile, as (operation, what, row, column), and all other operations."""
    graph = nx.DiGraph()
    ends: list[list[Step]] = []
    begins: list[list[Step]] = []
    for operation in range(len(program)):
        token = int(program.token[operation])
        if program.kind[operation] != Kind.PRODUCT:
            step = (operation, "whole", 0, 0)
            pool = {Kind.DIGITAL: "digital", Kind.SHARED: int(program.resource[operation])}.get(
                Kind(program.kind[operation])
            )
            graph.add_node(step, time=int(program.duration_ps[operation]), token=token, pool=pool)
            begins.append([step])
            ends.append([step])
            continue
        own: tuple[list[Step], list[Step]] = ([], [])
        for column in range(program.columns[operation]):
            chain: list[Step] = []
            for row in range(program.rows[operation]):
                steps = [(operation, what, row, column) for what in ("in", "mvm", "out")]
                pools = (None, (int(program.resource[operation]), row, column), None)
                for step, time, pool in zip(steps, (program.crossing_ps, program.mvm_ps, program.crossing_ps), pools):
                    graph.add_node(step, time=time, token=token, pool=pool)
                if not program.enters[operation]:
                    graph.remove_node(steps.pop(0))
                nx.add_path(graph, steps)
                own[0].append(steps[0])
                chain.append(steps[-1])
            total = chain[0]
            for row, part in enumerate(chain[1:], 1):
                step = (operation, "add", row, column)
                graph.add_node(step, time=program.partial_ps, token=token, pool="digital")
                graph.add_edges_from(((total, step), (part, step)))
                total = step
            own[1].append(total)
        begins.append(own[0])
        ends.append(own[1])
    for operation in range(len(program)):
        for later in program.successors[program.successor_start[operation] : program.successor_start[operation + 1]]:
            graph.add_edges_from((end, begin) for end in ends[operation] for begin in begins[later])
    return graph


def simulated(program: Program) -> tuple[IntArray, IntArray]:
    """Begin and end of each operation: first ready, first served, but lower tokens first at units and crossbars."""
    graph = tile_graph(program)
    waits = dict(graph.in_degree())
    free: dict[object, int] = {"digital": program.digital_units}
    queues: dict[object, list[tuple[int, int, Step]]] = {}
    order: dict[Step, int] = {}
    running: list[tuple[int, int, Step]] = []
    start = np.full(len(program), np.iinfo(np.int64).max)
    end = np.full(len(program), -1)
    now, fresh = 0, [step for step in graph if waits[step] == 0]

    def begin(step: Step) -> None:
        start[step[0]] = min(start[step[0]], now)
        heapq.heappush(running, (now + graph.nodes[step]["time"], order[step], step))

    while True:
        while fresh or (running and running[0][0] == now):
            if fresh:
                step = fresh.pop(0)
                order[step] = len(order)
                pool = graph.nodes[step]["pool"]
                if pool is None:
                    begin(step)
                else:
                    free.setdefault(pool, int(program.capacity[pool]) if isinstance(pool, int) else 1)
                    heapq.heappush(queues.setdefault(pool, []), (graph.nodes[step]["token"], order[step], step))
                continue
            ended = heapq.heappop(running)[2]
            end[ended[0]] = now
            if graph.nodes[ended]["pool"] is not None:
                free[graph.nodes[ended]["pool"]] += 1
            for later in graph.successors(ended):
                waits[later] -= 1
                if not waits[later]:
                    fresh.append(later)
        for pool, queue in queues.items():
            while queue and free[pool]:
                free[pool] -= 1
                begin(heapq.heappop(queue)[2])
        if not running:
            return start, end
        now = running[0][0]


models = st.builds(
    DecoderModel,
    name=st.just("drawn"),
    vocabulary=st.integers(1, 40),
    hidden=st.integers(1, 40),
    layers=st.integers(1, 2),
    query_width=st.integers(1, 40),
    kv_width=st.integers(1, 20),
    experts=st.sampled_from((4, 6)),
    active_experts=st.integers(1, 4),
    expert_width=st.integers(1, 40),
    gated=st.booleans(),
    smooth=st.booleans(),
    shared_width=st.sampled_from((0, 9)),
    qk_norm=st.booleans(),
    learned_positions=st.booleans(),
    experts_choose=st.booleans(),
)


@settings(max_examples=60)
@given(
    model=models,
    prompt=st.integers(1, 5),
    new_tokens=st.integers(0, 2),
    caches=st.tuples(st.booleans(), st.booleans()),
    group=st.integers(1, 2),
    digital_units=st.integers(1, 6),
    accounting=st.sampled_from(sorted(ACCOUNTINGS)),
    dense=st.booleans(),
    seed=st.integers(0, 10),
)
def test_every_tile_by_itself(
    model: DecoderModel,
    prompt: int,
    new_tokens: int,
    caches: tuple[bool, bool],
    group: int,
    digital_units: int,
    accounting: str,
    dense: bool,
    seed: int,
) -> None:
    if dense and model.layers > 1:
        model = replace(model, dense_layers=(0,), dense_width=25)
    parameters = replace(
        PUBLISHED,
        core=CrossbarCore(name="small", rows=8, columns=16, mvm_ns=130.0),
        scheduler=Scheduler(ns_per_choice=3.0, nj_per_choice=1.0),
        digital_units=digital_units,
    )
    counted = accounting_of(accounting)
    workload = Workload(
        model=model, prompt=prompt, new_tokens=new_tokens, kv_cache=caches[0], go_cache=caches[1], group=group
    )
    routing = random_routing(model, prompt=prompt, new_tokens=new_tokens, group=group, seed=seed)
    if counted.scheduler and seed % 2:
        routing = [replace(layer, schedule=compact(layer, prompt)) for layer in routing]
    plain = [replace(layer, schedule=None) for layer in routing]
    for passes, layers in (
        (prefill_passes(workload), routing),
        (decode_passes(workload, counted), plain),
    ):
        if not len(passes):
            continue
        program = build_program(model, passes, layers, parameters=parameters, accounting=counted, group=group)
        times = run_program(program)
        start, end = simulated(program)
        np.testing.assert_array_equal(times.end_ps, end)
        np.testing.assert_array_equal(times.start_ps, start)
        assert program.simulated == len(tile_graph(program))


def compact(layer: LayerRouting, prompt: int) -> Schedule:
    """Each group takes its choices as they come."""
    token, expert = layer.of_tokens(np.zeros(1, np.int64), np.full(1, prompt))
    queues = [token[layer.grouping.group_of[expert] == group] for group in range(len(layer.grouping.groups))]
    slots = np.full((max(map(len, queues)), len(queues)), -1, np.int32)
    for group, queue in enumerate(queues):
        slots[: len(queue), group] = queue
    return Schedule(slots=slots, mode="token_order", name="compact")


def two_products(**changes: object) -> Program:
    """Two vectors times the same matrix of 3 x 2 tiles; what lacks is a program's."""
    columns = {
        "node": [0, 0],
        "kind": [Kind.PRODUCT] * 2,
        "token": [0, 1],
        "pass_index": [0, 0],
        "rows": [3, 3],
        "columns": [2, 2],
        "entering": [6, 6],
        "resource": [0, 0],
        "duration_ps": [0, 0],
        "successors": [],
        "successor_start": [0, 0, 0],
        "waits_for": [0, 0],
    }
    program = Program(
        names=("matrix",),
        categories=("mvm",),
        passes=1,
        digital_units=1,
        mvm_ps=130,
        crossing_ps=12,
        partial_ps=10,
        crossing_nj=1.0,
        partial_nj=1.0,
        enters=np.ones(2, np.bool_),
        capacity=np.ones(1, np.int64),
        energy_nj=np.zeros(2),
        moved_bytes=np.zeros(2),
        **{name: np.asarray(values, np.int64) for name, values in columns.items()},
    )
    return replace(program, **changes)  # type: ignore[arg-type]


def test_tiles_take_one_vector_at_a_time() -> None:
    """Crossing 12, MVMs 130 one after the other, crossing 12, four additions of 10 in one unit."""
    times = run_program(two_products())
    assert times.start_ps.tolist() == [0, 0]
    assert times.end_ps.tolist() == [12 + 130 + 12 + 40, 12 + 2 * 130 + 12 + 40]
    assert run_program(two_products(digital_units=2)).end_ps.tolist() == [174, 304]


def test_the_lower_token_goes_first() -> None:
    times = run_program(two_products(token=np.array([1, 0])))
    assert times.end_ps.tolist() == [324, 194]


def test_counts_and_energies() -> None:
    program = two_products(entering=np.array([6, 0]))
    assert program.simulated == 2 * (3 * 6 + 4)
    energies = program.energies()
    assert energies["communication"].tolist() == [6 + 6 + 6]
    assert energies["add"].tolist() == [8.0]


def test_operations_that_wait_for_each_other_are_refused() -> None:
    circle = two_products(successors=np.array([1, 0]), successor_start=np.array([0, 1, 2]), waits_for=np.array([1, 1]))
    with pytest.raises(AxhwError, match="Expected operations that do not wait for each other, found 2 that do."):
        run_program(circle)


def test_matrices_of_too_many_rows_are_refused() -> None:
    with pytest.raises(AxhwError, match="Expected matrices with less than 65536 rows of tiles, found 65536."):
        run_program(two_products(rows=np.array([1, 65536])))

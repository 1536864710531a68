"""Crossbar groups: both golden models by hand and against each other, the component, arbitration, order, messages."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.kulkarni import KulkarniSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.crossbar_requests import Requests
from axhw.sim.crossbar_group import random_requests
from axhw.sim.crossbar_group_inputs import FullSpeed, Plan, group_stream

ASYMMETRIC = RoupSpec(width=4, p=1, r=1)
# M(0, w) is not 0.
CONSTANT = TruncatedSpec(width=5, signed=False, k=4, correction="constant")
SPECS = [
    CrossbarGroupSpec(multiplier=ASYMMETRIC, crossbars=2, rows=2, columns=2),
    CrossbarGroupSpec(multiplier=ASYMMETRIC, crossbars=3, rows=3, columns=2, terms=3, depth=3, multiply_in="periphery"),
    CrossbarGroupSpec(multiplier=CONSTANT, crossbars=4, rows=1, columns=3, terms=1, depth=2, read_cycles=3),
    CrossbarGroupSpec(multiplier=CONSTANT, crossbars=3, rows=2, columns=1, multiply_in="periphery", read_cycles=2),
    CrossbarGroupSpec(multiplier=KulkarniSpec(width=4, signed=False), crossbars=1, rows=2, columns=1, tag_bits=3),
]
SMALL = CrossbarGroupSpec(multiplier=ExactSpec(), crossbars=3, rows=2, columns=1)


def by_name(spec):
    return spec.name


@pytest.mark.parametrize(
    ("spec", "name", "width", "latency"),
    [
        (CrossbarGroupSpec(multiplier=ExactSpec()), "exact8s_xg4_4x4", 22, 4),
        (SPECS[0], "roup4s_p1_r1_xg2_2x2", 14, 4),
        (SPECS[1], "roup4s_p1_r1_xg3_3x2_periphery_t3_q3", 10, 4),
        (SPECS[2], "truncated5u_k4_constant_xg4_1x3_t1_q2_c3", 10, 6),
        (SPECS[4], "kulkarni4u_xg1_2x1_tag3", 14, 4),
    ],
)
def test_name_and_width(spec, name, width, latency):
    assert (spec.name, spec.sum_shape.width, spec.latency) == (name, width, latency)
    assert spec.operations == spec.rows * spec.columns
    assert len(spec.parts["crossbars"]) == spec.crossbars


def test_requests_by_hand():
    weights = [[[1], [2]], [[10], [20]], [[100], [0]]]
    requests = Requests.of(
        token=[5, 6, 7, 8],
        crossbars=[0b101, 0b010, 0b011, 0],
        idle=[1, 0, 2, 0],
        load=[1, 1, 0, 0],
        keep=[0, 1, 0, 0],
    )
    found = SMALL.results(requests, vectors=[[1, 1], [3, -4], [9, 9], [9, 9]], weights=weights)
    # Slots: idle, 0, 2 of token 5; 1 of token 6, kept; idle, idle, 0 of token 7 adds to it, 1 begins anew.
    assert found.token.tolist() == [5, 5, 7, 7]
    assert found.crossbar.tolist() == [0, 2, 0, 1]
    assert found.sums[:, 0].tolist() == [3, 100, (30 - 80) + (3 - 8), 30 - 80]
    assert (found.cycle - SMALL.latency).tolist() == [1, 2, 6, 7]


def test_cycles_by_hand():
    #            reset, two weights    A    B      C                 D
    cycle = np.arange(16)
    inputs = {name: np.zeros(16, np.int64) for name in SMALL.input_widths}
    inputs["rst"] = (cycle == 0).astype(np.int64)
    inputs["write__valid"][1:3] = 1
    inputs["write__row"][1:3] = [0, 1]
    inputs["write__values__0"][1:3] = [3, -2]
    inputs["request__valid"][3:5] = 1
    inputs["request__token"][3:5] = [7, 8]
    inputs["request__crossbars"][3:5] = [0b011, 0b001]
    inputs["request__idle"][4] = 2
    inputs["request__load"][3:5] = 1
    inputs["vector__valid"][6:] = 1
    inputs["vector__values__0"][:] = 10 + cycle
    inputs["vector__values__1"][:] = cycle
    inputs["result__ready"][12:] = 1
    found = SMALL.simulate(inputs)
    # Token 7 wants its vector in cycle 4 and gets that of cycle 6. Crossbars 0 and 1 are read in cycles 7 and 8.
    # Token 8 lets cycles 9 and 10 pass.
    assert np.flatnonzero(found["vector__ready"]).tolist() == [4, 5, 6, 10]
    assert found["vector__token"][[4, 6, 10]].tolist() == [7, 7, 8]
    # The first result waits until cycle 12; the second one is behind it.
    assert np.flatnonzero(found["result__valid"]).tolist() == [9, 10, 11, 12, 13, 14]
    assert found["result__token"][9:15].tolist() == [7, 7, 7, 7, 7, 8]
    assert found["result__crossbar"][9:15].tolist() == [0, 0, 0, 0, 1, 0]
    assert found["result__sums__0"][9:15].tolist() == [3 * 16 - 2 * 6] * 4 + [0] + [3 * 20 - 2 * 10]
    # Crossbar 0 can't be written while it is read: the read of token 8 waits for room.
    assert np.flatnonzero(found["write__ready"] == 0).tolist() == [7, 11, 12]


def test_the_timing_diagram_of_the_docs():
    spec = dataclasses.replace(SMALL, crossbars=2)
    cycle = np.arange(9)
    inputs = {name: np.zeros(9, np.int64) for name in spec.input_widths}
    inputs |= {"request__valid": cycle < 2, "request__load": cycle < 2, "request__idle": cycle == 1}
    inputs |= {"request__crossbars": np.where(cycle == 0, 0b11, 0b01), "request__token": cycle}
    inputs |= {"vector__valid": cycle >= 0, "result__ready": cycle >= 0}
    found = spec.simulate({name: np.asarray(values, np.int64) for name, values in inputs.items()})
    assert np.flatnonzero(found["vector__ready"]).tolist() == [1, 4]
    # Crossbar 0 can't be written while it is read.
    assert np.flatnonzero(found["write__ready"] == 0).tolist() == [2, 5]
    out = np.flatnonzero(found["result__valid"])
    assert out.tolist() == [4, 5, 7]
    assert [(found["result__token"][at], found["result__crossbar"][at]) for at in out] == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_component_follows_the_cycle_model(spec, run_cycles):
    stream = group_stream(spec, cycles=400, rng=np.random.default_rng(71))
    outputs = [name for name, checked in stream.checked.items() if checked.any()]
    assert outputs == list(stream.outputs)
    inputs = {name: values for name, values in stream.inputs.items() if name != "rst"}
    found = run_cycles(spec, outputs, inputs, stream.inputs["rst"])
    for name in outputs:
        checked = stream.checked[name]
        np.testing.assert_array_equal(found[name][checked], stream.outputs[name][checked], err_msg=name)


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_streams_meet_everything(spec):
    """Waiting on all sides, full and empty queues, kept sums, reads cut off by a reset."""
    stream = group_stream(spec, cycles=2000, rng=np.random.default_rng(72))
    sides = {**stream.inputs, **stream.outputs}
    for name in ("request", "vector", "result", "write"):
        valid, ready = sides[f"{name}__valid"], sides[f"{name}__ready"]
        assert {(0, 1), (1, 0), (1, 1)} <= set(zip(valid.tolist(), ready.tolist())), name
    assert 0 < stream.inputs["rst"][10:].sum() < 100
    assert {0, 1} <= set(stream.inputs["request__keep"].tolist())
    assert set(stream.outputs["result__crossbar"].tolist()) == set(range(spec.crossbars))


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_the_cycle_model_gives_what_requests_ask_for(spec):
    rng = np.random.default_rng(73)
    low, high = spec.multiplier.operand_range
    requests = random_requests(spec, count=60, rng=rng)
    vectors = rng.integers(low, high, (60, spec.rows), endpoint=True)
    weights = rng.integers(low, high, (spec.crossbars, spec.rows, spec.columns), endpoint=True)
    expected = spec.results(requests, vectors=vectors, weights=weights)
    assert len(expected.token) > 15
    run = FullSpeed.of(spec, requests, vectors=vectors[..., None], weights=weights[..., None])
    found = spec.simulate({name: values[:, 0] for name, values in run.inputs.items()})
    at = np.flatnonzero(found["result__valid"])
    np.testing.assert_array_equal(at, run.results)
    np.testing.assert_array_equal(at - run.begin, expected.cycle)
    np.testing.assert_array_equal(found["result__token"][at], expected.token)
    np.testing.assert_array_equal(found["result__crossbar"][at], expected.crossbar)
    for column in range(spec.columns):
        np.testing.assert_array_equal(found[f"result__sums__{column}"][at], expected.sums[:, column])


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_back_pressure_changes_when_but_not_what(spec):
    rng = np.random.default_rng(74)
    low, high = spec.multiplier.operand_range
    requests = random_requests(spec, count=40, rng=rng)
    cells = spec.crossbars * spec.rows
    cycles = np.arange(4000)
    plan = Plan(
        requests=requests,
        ask=(cycles > cells) & (rng.random(4000) < 0.4),
        vector=rng.random(4000) < 0.3,
        ready=rng.random(4000) < 0.3,
        reset=cycles == 0,
        write=(cycles >= 1) & (cycles <= cells),
        crossbar=np.clip(cycles - 1, 0, cells - 1) // spec.rows,
        row=np.clip(cycles - 1, 0, cells - 1) % spec.rows,
    )
    played = plan.play(spec)
    values = {name: rng.integers(low, high, 4000, endpoint=True) for name in spec.input_widths if "values" in name}
    inputs = {**played.inputs, **values}
    taken = np.flatnonzero(played.passed("vector"))
    vectors = np.zeros((40, spec.rows), np.int64)
    vectors[requests.load == 1] = np.stack(
        [values[f"vector__values__{row}"][taken] for row in range(spec.rows)], axis=1
    )
    written = np.stack([values[f"write__values__{column}"][1 : 1 + cells] for column in range(spec.columns)], axis=1)
    weights = written.reshape(spec.crossbars, spec.rows, spec.columns)
    expected = spec.results(requests, vectors=vectors, weights=weights)
    found, out = spec.simulate(inputs), np.flatnonzero(played.passed("result"))
    np.testing.assert_array_equal(found["result__token"][out], expected.token)
    np.testing.assert_array_equal(found["result__crossbar"][out], expected.crossbar)
    sums = np.stack([found[f"result__sums__{column}"][out] for column in range(spec.columns)], axis=1)
    np.testing.assert_array_equal(sums, expected.sums)
    # What waits doesn't change.
    waiting = found["result__valid"][:-1] & (inputs["result__ready"][:-1] == 0)
    for name in ("result__token", "result__sums__0"):
        np.testing.assert_array_equal(found[name][1:][waiting == 1], found[name][:-1][waiting == 1])


def test_activations_are_operand_a():
    spec = CrossbarGroupSpec(multiplier=ASYMMETRIC, crossbars=1, rows=1, columns=16)
    codes = ASYMMETRIC.operand_codes()
    found = spec.results(Requests.of(token=codes % 4, crossbars=1), vectors=codes[:, None], weights=codes[None, None])
    table = ASYMMETRIC.reference(codes[:, None], codes)
    np.testing.assert_array_equal(found.sums, table)
    assert (table != table.T).any()


def test_kept_sums_wrap_around():
    spec = CrossbarGroupSpec(multiplier=ExactSpec(width=4), crossbars=1, rows=1, columns=1, terms=1)
    requests = Requests.of(token=[0, 0, 0], crossbars=1, keep=[1, 1, 0])
    found = spec.results(requests, vectors=[[7], [7], [7]], weights=[[[7]]])
    assert found.sums.tolist() == [[3 * 49 - 256]]


def test_the_schedule_of_the_reference_on_four_groups():
    """Worked example of arXiv 2602.10254: eight experts in pairs, and slots in which seven cycles take 12 transfers."""
    chosen = [{2, 4, 6, 8}, {2, 3, 4, 7}, {1, 2, 5, 7}, {1, 2, 3, 5}, {1, 4, 5, 7}, {3, 4, 5, 7}]
    slots = [[1, 2, 3, 3, 4, 4, 5], [1, 2, 2, 4, 5, 6, 6], [1, -1, 3, 4, 5, 6, -1], [1, 2, 3, -1, 5, 6, -1]]
    assert sum(len({column[cycle] for column in slots} - {-1}) for cycle in range(7)) == 12
    spec = dataclasses.replace(SMALL, crossbars=2)
    for group, tokens in enumerate(slots):
        experts = {2 * group + 1: 0, 2 * group + 2: 1}
        queue = {token: sorted(experts[expert] for expert in chosen[token - 1] & set(experts)) for token in range(1, 7)}
        crossbar = [queue[token].pop(0) if token > 0 else 0 for token in tokens]
        assert not any(queue.values())
        requests = Requests.of_slots(token=np.array(tokens), crossbar=np.array(crossbar), most_idle=15)
        found = spec.results(
            requests, vectors=np.ones((len(requests), 2), np.int64), weights=np.ones((2, 2, 1), np.int64)
        )
        busy = np.flatnonzero(np.array(tokens) > 0)
        np.testing.assert_array_equal(found.cycle - spec.latency, busy)
        np.testing.assert_array_equal(found.token, np.array(tokens)[busy])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"crossbars": 0}, "Expected crossbars from 1 to 16 for the element crossbar_group, found 0."),
        ({"rows": 33}, "Expected rows from 1 to 32 for the element crossbar_group, found 33."),
        ({"columns": "4"}, "Expected columns from 1 to 32 for the element crossbar_group, found '4'."),
        ({"terms": 3}, "Expected terms from 4 to 65536 for the element crossbar_group, found 3."),
        ({"depth": 1}, "Expected depth from 2 to 64 for the element crossbar_group, found 1."),
        ({"tag_bits": True}, "Expected tag_bits from 1 to 32 for the element crossbar_group, found True."),
        ({"idle_bits": 0}, "Expected idle_bits from 1 to 16 for the element crossbar_group, found 0."),
        ({"read_cycles": 0}, "Expected read_cycles from 1 to 4096 for the element crossbar_group, found 0."),
        ({"multiply_in": "dram"}, "Expected multiply_in to be one of cells, periphery, found 'dram'."),
        ({"multiplier": None}, "Expected a multiplier spec inside the element crossbar_group, found None."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        CrossbarGroupSpec(**{"multiplier": ExactSpec()} | parameters)
    assert str(caught.value) == message


def test_inputs_of_other_shapes():
    with pytest.raises(
        AxhwError, match=r"^Expected vectors and weights of shapes \(1, 2\) and \(3, 2, 1\) for exact8s_"
    ):
        SMALL.results(Requests.of(token=0, crossbars=1), vectors=[[1, 2, 3]], weights=np.zeros((3, 2, 1), np.int64))
    with pytest.raises(AxhwError, match=r"^Expected equally long rows of integers for the inputs of exact8s_xg3_2x1 "):
        SMALL.simulate({"request__valid": [1, 0]})
    with pytest.raises(AxhwError, match=r"^Expected at least one request for exact8s_xg3_2x1, found none\.$"):
        FullSpeed.of(
            SMALL, Requests.of(token=[], crossbars=[]), vectors=np.zeros((0, 2, 1)), weights=np.zeros((3, 2, 1, 1))
        )


@pytest.mark.parametrize(
    ("member", "value", "most"), [("token", 256, 255), ("crossbars", 8, 7), ("idle", -1, 15), ("keep", 2, 1)]
)
def test_requests_that_do_not_fit(member, value, most):
    requests = Requests.of(**{"token": [0, 1], "crossbars": 1} | {member: [0, value]})
    message = rf"^Expected {member} from 0 to {most} in requests to exact8s_xg3_2x1, found {value}\.$"
    with pytest.raises(AxhwError, match=message):
        SMALL.results(requests, vectors=np.zeros((2, 2), np.int64), weights=np.zeros((3, 2, 1), np.int64))


def test_macros_multiply_in_their_cells():
    spec = dataclasses.replace(SMALL, multiply_in="periphery")
    with pytest.raises(AxhwError, match=r"^Expected multipliers in the cells of a group of macros, found them in the "):
        spec.with_macros("bank")

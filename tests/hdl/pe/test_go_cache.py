"""The GO cache: golden models by hand, against a stable sort and against each other, the component, messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.sim.go_cache import among_the_best, go_cache_stream

SPECS = [
    GoCacheSpec(experts=4, kept=2, score_bits=4, tokens=32),
    GoCacheSpec(experts=3, kept=3, score_bits=5, tokens=200, signed=False),
    GoCacheSpec(experts=2, kept=5, score_bits=2, tokens=64),
    GoCacheSpec(experts=1, kept=1, tokens=2),
]


def by_name(spec):
    return spec.name


@pytest.mark.parametrize(
    ("spec", "name", "bits"),
    [
        (GoCacheSpec(), "go_cache_e16_k8_8s_t1024", 16 * 8 * 19),
        (SPECS[1], "go_cache_e3_k3_5u_t200", 9 * 14),
        (SPECS[3], "go_cache_e1_k1_8s_t2", 10),
    ],
)
def test_name_and_size(spec, name, bits):
    assert (spec.name, spec.stored_bits, spec.latency) == (name, bits, 2)


def test_answers_by_hand():
    store = SPECS[0].store()
    rows = [
        # token, score: hit, chosen, address, replaced, old, and who is kept by expert 1 then
        (3, 5, 1, (False, True, 2, False, 0), [3, -1]),
        (4, -8, 1, (False, True, 3, False, 0), [3, 4]),
        (5, -8, 1, (False, False, 0, False, 0), [3, 4]),  # An equal score stays.
        (4, 7, 1, (True, False, 3, False, 0), [3, 4]),  # Kept already: whatever its score, the output is there.
        (6, 0, 0, (False, False, 0, False, 0), [3, 4]),  # Only a question.
        (6, 0, 1, (False, True, 3, True, 4), [3, 6]),
        (7, 5, 1, (False, True, 3, True, 6), [3, 7]),
        (8, 6, 1, (False, True, 3, True, 7), [3, 8]),  # Of equal scores the later token goes.
        (3, 0, 0, (True, False, 2, False, 0), [3, 8]),
    ]
    for token, score, insert, expected, kept in rows:
        found = store.ask(1, token, score, insert)
        answer = (found.hit[0], found.chosen[0], found.address[0], found.replaced[0], found.old[0])
        assert answer == expected, token
        assert store.kept_tokens[1].tolist() == kept
    assert (store.kept_tokens[[0, 2, 3]] == -1).all()
    store.clear()
    assert (store.kept_tokens == -1).all()


@settings(max_examples=100)
@given(
    scores=st.lists(st.lists(st.integers(-2, 1), min_size=3, max_size=3), min_size=1, max_size=24),
    kept=st.integers(1, 6),
)
def test_the_best_of_all_tokens_are_kept(scores, kept):
    """As a stable sort by falling score has them, with scores that are often equal; outputs stay where they are."""
    spec = GoCacheSpec(experts=3, kept=kept, score_bits=2, tokens=24)
    column, store = np.array(scores), spec.store()
    expected = among_the_best(column, kept=kept)
    where = {}
    for token, row in enumerate(column):
        found = store.ask([0, 1, 2], token, row)
        np.testing.assert_array_equal(found.chosen, expected[token])
        for expert in np.flatnonzero(found.chosen).tolist():
            where[expert, token] = found.address[expert]
            assert found.address[expert] // kept == expert
        best = np.argsort(-column[: token + 1], axis=0, kind="stable")[:kept]
        held = np.sort(store.kept_tokens, axis=1)[:, ::-1][:, : len(best)]
        np.testing.assert_array_equal(held, np.sort(best.T, axis=1)[:, ::-1])
        for expert in range(3):
            asked = store.ask(expert, best[0, expert], 0, 0)
            assert asked.hit[0]
            assert asked.address[0] == where[expert, best[0, expert]]


def test_cycles_by_hand():
    spec = SPECS[0]
    found = spec.simulate(
        {
            "rst": [1, 0, 0, 0, 0, 0, 0, 0],
            "request__valid": [0, 1, 1, 1, 1, 1, 0, 0],
            "request__expert": [0, 2, 2, 2, 2, 2, 0, 0],
            "request__token": [0, 9, 9, 4, 4, 5, 0, 0],
            "request__score": [0, 1, 1, 3, 3, 2, 0, 0],
            "request__insert": [0, 1, 1, 1, 1, 1, 0, 0],
            "response__ready": [1, 1, 1, 0, 1, 1, 1, 1],
        }
    )
    # The second request meets what the first one is about to write. The first answer waits for a cycle, and so does the
    # third request. The last token takes the place of the worse of two.
    assert found["request__ready"].tolist() == [1, 1, 1, 0, 1, 1, 1, 1]
    assert found["response__valid"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert found["response__token"].tolist() == [0, 0, 0, 9, 9, 9, 4, 5]
    assert found["response__chosen"].tolist() == [0, 0, 0, 1, 1, 0, 1, 1]
    assert found["response__hit"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    assert found["response__address"].tolist() == [0, 0, 0, 4, 4, 4, 5, 4]
    assert found["response__replaced"].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert found["response__old"].tolist() == [0, 0, 0, 0, 0, 0, 0, 9]


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_component_follows_the_cycle_model(spec, run_cycles):
    stream = go_cache_stream(spec, cycles=500, rng=np.random.default_rng(81))
    inputs = {name: values for name, values in stream.inputs.items() if name != "rst"}
    found = run_cycles(spec, list(stream.outputs), inputs, stream.inputs["rst"])
    for name, expected in stream.outputs.items():
        checked = stream.checked[name]
        np.testing.assert_array_equal(found[name][checked], expected[checked], err_msg=name)


@pytest.mark.parametrize("spec", SPECS[:3], ids=by_name)
def test_streams_meet_everything(spec):
    stream = go_cache_stream(spec, cycles=3000, rng=np.random.default_rng(82))
    sides = {**stream.inputs, **stream.outputs}
    for name in ("request", "response"):
        valid, ready = sides[f"{name}__valid"], sides[f"{name}__ready"]
        assert {(0, 1), (1, 0), (1, 1)} <= set(zip(valid.tolist(), ready.tolist())), name
    assert 3 < stream.inputs["rst"].sum() < 60
    valid = stream.outputs["response__valid"] == 1
    for name in ("hit", "chosen", "replaced"):
        assert {0, 1} == set(stream.outputs[f"response__{name}"][valid].tolist()), name
    # Requests to one expert in cycles that follow each other.
    passed = (sides["request__valid"] & sides["request__ready"]) == 1
    expert = sides["request__expert"]
    assert (passed[1:] & passed[:-1] & (expert[1:] == expert[:-1])).sum() > 50


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"experts": 0}, "Expected experts from 1 to 64 for a GO cache, found 0."),
        ({"kept": 65}, "Expected kept from 1 to 64 for a GO cache, found 65."),
        ({"score_bits": "8"}, "Expected score_bits from 2 to 16 for a GO cache, found '8'."),
        ({"tokens": True}, "Expected tokens from 2 to 1048576 for a GO cache, found True."),
        ({"signed": 1}, "Expected true or false for signed of a GO cache, found 1."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        GoCacheSpec(**parameters)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((4, 0, 0), r"^Expected a row of expert from 0 to 3 for a GO cache, found array\(\[4\]\)\.$"),
        ((0, 32, 0), r"^Expected a row of token from 0 to 31 for a GO cache, found "),
        ((0, 0, 8), r"^Expected a row of score from -8 to 7 for a GO cache, found "),
        ((0, 0, 0.5), r"^Expected a row of score from -8 to 7 for a GO cache, found "),
        (([1, 1], 0, 0), r"^Expected requests to different experts of a GO cache, found "),
    ],
)
def test_impossible_requests(asked, message):
    with pytest.raises(AxhwError, match=message):
        SPECS[0].store().ask(*asked)


def test_inputs_of_other_shapes():
    with pytest.raises(
        AxhwError, match=r"^Expected equally long rows of integers for the inputs of go_cache_e4_k2_4s_"
    ):
        SPECS[0].simulate({"request__valid": [1, 0]})

"""Configurations evaluated with reuse: equal to evaluations from scratch, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.nn.compensation import Compensation
from axhw.nn.weight_tuning import Tuning
from axhw.search.assignment import Ids, layer_tables
from axhw.search.evaluator import Evaluator
from axhw.search.palette import Palette
from axhw.search.prefix_cache import PrefixCache
from axhw.search.workbench import Workbench

Choose = Callable[[int], dict[str, Ids]]


def alike(choose: Choose) -> list[dict[str, Ids]]:
    """Configurations that share first layers with others."""
    first, second = choose(0), choose(1)
    return [
        first,
        second,
        {**first, "linear": second["linear"]},
        {**first, "conv3": np.asarray(3), "linear": np.asarray(0)},
        first,
    ]


@pytest.mark.parametrize(
    ("compensate", "memory_mb"), [(None, 100.0), ("bias", 100.0), ("affine", 100.0), ("affine", 0.0)]
)
def test_equal_to_an_evaluation_from_scratch(
    bench: Bench, palette: Palette, random_choice: Choose, compensate: Compensation | None, memory_mb: float
) -> None:
    workbench = Workbench(
        bench=bench, palette=palette, tune="plain", compensate=compensate, threads=1, memory_mb=memory_mb
    )
    evaluator = workbench.evaluator(bench.data.test)
    choices = alike(random_choice)
    found = evaluator.evaluate(choices)
    for choice, accuracy in zip(choices, found):
        tables = {name: layer_tables(ids, palette.tables) for name, ids in choice.items()}
        expected = bench.evaluate_tables(tables, signed=True, tune="plain", compensate=compensate)
        assert accuracy == expected.approximate_accuracy
    assert (evaluator.layers_reused > 0) == (memory_mb > 0)


@pytest.mark.parametrize("tune", [None, "histogram"])
def test_one_design_everywhere_is_that_of_the_bench(bench: Bench, palette: Palette, tune: Tuning | None) -> None:
    workbench = Workbench(bench=bench, palette=palette, tune=tune, threads=1)
    evaluator = workbench.evaluator(bench.data.test)
    for number, record in enumerate(palette.records):
        choice = {name: np.asarray(number) for name in workbench.network.products}
        assert evaluator.accuracy(choice) == bench.evaluate(record, tune=tune).approximate_accuracy


def test_growing_subsets_are_the_first_images(workbench: Workbench, random_choice: Choose) -> None:
    choice = random_choice(2)
    some = workbench.evaluator(workbench.validation).classes(choice, images=30)
    evaluator = workbench.evaluator(workbench.validation)
    all_of_them = evaluator.classes(choice)
    assert len(all_of_them) == len(workbench.validation) == 100
    np.testing.assert_array_equal(some, all_of_them[:30])
    np.testing.assert_array_equal(evaluator.classes(choice, images=30), some)


def test_the_search_sees_no_test_images(workbench: Workbench) -> None:
    assert workbench.validation.split.startswith("validation")
    searched = {image.tobytes() for image in workbench.validation.images}
    assert not searched & {image.tobytes() for image in workbench.bench.data.test.images}


def test_a_cache_keeps_what_is_met_again_and_no_more_than_its_limit() -> None:
    cache: PrefixCache[str] = PrefixCache(100)
    cache.expect([b"a", b"a", b"b"])
    assert [cache.wants(b"a"), cache.wants(b"b"), cache.wants(b"b")] == [True, False, True]
    for key, size in (("first", 60), ("second", 40)):
        cache.put(key, key, size=size)
    assert cache.get("first") == "first"
    cache.put("third", "third", size=30)
    assert (cache.get("first"), cache.get("second"), cache.get("third")) == ("first", None, "third")
    cache.put("huge", "huge", size=101)
    assert cache.get("huge") is None
    assert cache.bytes == 90


def test_what_it_needs_is_said(bench: Bench, palette: Palette) -> None:
    network = bench.quantized(signed=True)
    tables = dict.fromkeys(network.products, palette.tables)
    with pytest.raises(AxhwError, match="Expected the tables of all product layers, found none for conv1"):
        Evaluator(network, bench.data.test, {name: tables[name] for name in tables if name != "conv1"})
    with pytest.raises(AxhwError, match="Expected images of the train split to learn compensations from, found none"):
        Evaluator(network, bench.data.test, tables, compensation="bias")

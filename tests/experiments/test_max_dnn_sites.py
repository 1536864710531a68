"""Single filters and kernels: statistics by hand, and the digits network measured, kept and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.experiments.max_dnn.designs import ClassName
from axhw.experiments.max_dnn.site_report import kernel_rows, site_blocks
from axhw.experiments.max_dnn.site_statistics import (
    class_agreement,
    depths,
    filter_summary,
    gini,
    kernel_summary,
    rank_correlation,
    worst_share,
)
from axhw.experiments.max_dnn.sites import Sites, measured_sites, weight_norms
from axhw.experiments.parts import Parts
from axhw.nn.quantized import QuantizedNetwork
from axhw.report.study import Picture, Table
from axhw.search.noise import noise_model
from axhw.search.sites import Site, site_changes
from axhw.sim.product_table import ProductTable

KERNELS = 5


def row(name: str, layer: int, number: int, rise: float, *, noise: float = 1.0, **other: float) -> dict[str, Any]:
    """A filter, of a layer of that number."""
    return {
        "class": name,
        "name": f"design{name}",
        "number": layer,
        "layer": f"conv{layer}",
        "filter": number,
        "multiplications": 1_000_000 // layer,
        "loss_pct": 1.0,
        "changed_pct": 2.0,
        "cross_entropy_rise": rise,
        "cross_entropy_error": 0.1,
        "noise": noise,
        "predicted_noise": noise,
        "weight_norm": 1.0,
        **other,
    }


FILTERS = [
    *(row("H", 1, number, rise, noise=rise + 1) for number, rise in enumerate((0.6, 0.3, 0.1, -0.4))),
    *(row("H", 2, number, 0.2, noise=2.0 + number) for number in range(2)),
    *(row("M", 1, number, rise, noise=1 - rise) for number, rise in enumerate((0.1, 0.2, 0.3, 0.4))),
    *(row("M", 2, number, 0.2, noise=0.5) for number in range(2)),
]
KERNELS_BY_HAND = {
    "conv1": {
        "number": 1,
        "multiplications": 500_000,
        "weight_norm": [[1.0, 2.0], [3.0, 4.0]],
        "predicted_noise": [[4.0, 4.0], [0.0, 0.0]],
    },
    "conv2": {
        "number": 2,
        "multiplications": 250_000,
        "weight_norm": [[1.0, 2.0], [3.0, 4.0]],
        "predicted_noise": [[1.0, 3.0], [1.0, 3.0]],
    },
}


def test_shares_of_the_worst() -> None:
    assert worst_share(np.arange(1, 11)) == pytest.approx(10 / 55)
    assert worst_share([5.0, 3.0, 2.0, -7.0], share=0.25) == 0.5
    assert worst_share([4.0, 2.0, 2.0], share=0.5) == pytest.approx(5 / 8)
    assert worst_share([0.0, -1.0]) is None
    assert gini([0.0]) is None
    assert gini([1.0, 3.0, -5.0]) == pytest.approx(gini([0.0, 1.0, 3.0]))
    assert gini([0.0, 1.0, 3.0]) == pytest.approx((-2 * 0 + 0 * 1 + 2 * 3) / (3 * 4))


def test_ranks_that_do_not_vary_correlate_with_nothing() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)
    assert rank_correlation([1, 2, 3], [4, 4, 4]) is None
    assert rank_correlation([1, 2], [1, 2]) is None


def test_filters_by_layer_and_class() -> None:
    first, second, every, *other = filter_summary(FILTERS)
    assert [(each["layer"], each["filters"]) for each in (first, second, every)] == [
        ("conv1", 4),
        ("conv2", 2),
        ("all", 6),
    ]
    assert {each["class"] for each in other} == {"M"}
    assert first["mean_rise"] == pytest.approx(0.15)
    assert first["largest_rise"] == 0.6
    # 0.3 is above twice 0.1, 0.1 is not.
    assert first["clear_rises"] == 2
    # A tenth of four filters is 0.4 of the worst.
    assert first["worst_tenth_of_rise"] == pytest.approx(0.4 * 0.6)
    assert every["worst_tenth_of_rise"] == pytest.approx(0.6 * 0.6 / 1.4)
    assert first["spearman_predicted_rise"] == pytest.approx(1)
    assert first["spearman_norm_rise"] is None
    both = class_agreement(FILTERS)
    assert both["filters"] == 6
    assert both["spearman_cross_entropy_rise"] == pytest.approx(
        rank_correlation([0.6, 0.3, 0.1, -0.4, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4, 0.2, 0.2])
    )


def test_kernels_by_layer() -> None:
    measured = [
        row("H", 1, 0, 0.0, noise=2.0, predicted_noise=4.0, channel=0),
        row("H", 1, 1, 0.0, noise=0.0, predicted_noise=0.0, channel=0),
        row("H", 2, 1, 0.0, noise=3.0, predicted_noise=3.0, channel=1),
    ]
    first, second, every = kernel_summary(KERNELS_BY_HAND, measured)
    assert (first["of_filter"], first["of_channel"]) == (1, 0)
    assert (second["of_filter"], second["of_channel"]) == (0, 1)
    assert (every["of_filter"], every["kernels"], every["measured"]) == (None, 8, 3)
    assert first["median_predicted_to_measured"] == 2
    assert every["median_predicted_to_measured"] == 1.5
    assert every["spearman_predicted_noise"] == pytest.approx(0.5)
    assert every["worst_tenth_of_noise"] == pytest.approx(0.8 * 4 / 16)
    found = kernel_rows({"kernels": KERNELS_BY_HAND, "measured_kernels": measured})
    assert len(found) == 8
    assert [each["noise"] for each in found] == [2.0, None, 0.0, None, None, None, None, 3.0]
    assert [each["weight_norm"] for each in found[:4]] == [1, 2, 3, 4]


def test_depth_in_all_and_for_a_multiplication() -> None:
    measured = [row("H", layer, 0, 0.0, noise=noise) for layer, noise in ((1, 5.0), (1, 7.0), (2, 3.0))]
    rises, noise, _, _, kernels, some = depths(FILTERS, KERNELS_BY_HAND, measured)
    assert (rises["first_third"], rises["last_third"]) == (pytest.approx(0.15), pytest.approx(0.2))
    # Those of the second layer do half the multiplications.
    assert rises["last_third_per_million"] == pytest.approx(0.4)
    assert noise["spearman_depth"] == pytest.approx(rank_correlation([1, 1, 1, 1, 2, 2], [1.6, 1.3, 1.1, 0.6, 2, 3]))
    assert (kernels["sites"], kernels["count"]) == ("kernels", 8)
    assert (kernels["first_third"], kernels["last_third"]) == (2, 2)
    assert (kernels["first_third_per_million"], kernels["last_third_per_million"]) == (4, 8)
    assert (some["of"], some["count"], some["first_third"], some["last_third"]) == ("noise", 3, 6, 3)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load(model="digits_cnn", data="digits", images=60)


@pytest.fixture(scope="module")
def network(bench: Bench) -> QuantizedNetwork:
    return bench.quantized(signed=True)


@pytest.fixture(scope="module")
def tables(characterized: Callable[..., Any]) -> dict[ClassName, tuple[str, ProductTable]]:
    records = {"H": characterized("roup:p=3,r=4"), "M": characterized("roup:p=2,r=3")}
    return {name: (record.name, record.table) for name, record in records.items()}  # type: ignore[misc]


@pytest.fixture(scope="module")
def found(
    bench: Bench, tables: dict[ClassName, tuple[str, ProductTable]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Measured, and read back by a second run that must not measure anything."""
    parts = Parts(folder=tmp_path_factory.mktemp("parts"))
    once = measured_sites(Sites(bench=bench, images=40), tables, parts, kernels=KERNELS, seed=1)
    assert {path.name.split("-")[0] for path in parts.folder.iterdir()} == {"filters", "kernels"}
    assert len(list(parts.folder.iterdir())) == 3

    def refuse(done: int, total: int, what: str) -> None:
        raise AssertionError(f"measured again: {what}")

    again = Parts(folder=parts.folder)
    kept = measured_sites(Sites(bench=bench, images=40, progress=refuse), tables, again, kernels=KERNELS, seed=1)
    assert kept == once
    with pytest.raises(AssertionError, match="measured again"):
        measured_sites(Sites(bench=bench, images=40, progress=refuse), tables, again, kernels=KERNELS, seed=2)
    return once


def test_a_run_that_was_stopped_goes_on_behind_the_last_part(
    bench: Bench, tables: dict[ClassName, tuple[str, ProductTable]], found: dict[str, Any], tmp_path: Path
) -> None:
    parts = Parts(folder=tmp_path)
    asked: list[str] = []

    def stop(done: int, total: int, what: str) -> None:
        asked.append(what)
        if what.startswith("kernels"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured_sites(Sites(bench=bench, images=40, progress=stop), tables, parts, kernels=KERNELS, seed=1)
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"filters"}
    asked.clear()
    ended = measured_sites(
        Sites(bench=bench, images=40, progress=lambda done, total, what: asked.append(what)),
        tables,
        parts,
        kernels=KERNELS,
        seed=1,
    )
    assert ended == found
    assert not [what for what in asked if what.startswith("filters")]


def test_all_filters_and_kernels_are_there(network: QuantizedNetwork, found: dict[str, Any]) -> None:
    layers = network.graph.weight_layers
    for name in ("H", "M"):
        counts = {
            layer: sum((each["class"], each["layer"]) == (name, layer) for each in found["filters"]) for layer in layers
        }
        assert counts == {layer: each.outputs for layer, each in layers.items()}
    for layer, each in layers.items():
        assert np.shape(found["kernels"][layer]["predicted_noise"]) == (each.outputs, each.channels)
        measured = [one for one in found["measured_kernels"] if one["layer"] == layer]
        assert len(measured) == min(KERNELS, each.outputs * each.channels)
        for one in measured:
            known = found["kernels"][layer]["predicted_noise"][one["filter"]][one["channel"]]
            assert one["predicted_noise"] == pytest.approx(known, rel=1e-5)


def test_rows_are_what_is_measured_and_predicted(
    bench: Bench,
    network: QuantizedNetwork,
    tables: dict[ClassName, tuple[str, ProductTable]],
    found: dict[str, Any],
) -> None:
    _, table = tables["H"]
    filters = [each for each in found["filters"] if (each["class"], each["layer"]) == ("H", "conv2")]
    data = bench.data.test.limited(40)
    changes = site_changes(network, data, table, [Site(layer="conv2", filter=3), Site(layer="conv2", filter=7)])
    for number, change in zip((3, 7), changes):
        assert filters[number]["filter"] == number
        assert filters[number]["noise"] == change.noise
        assert filters[number]["cross_entropy_rise"] == change.cross_entropy_rise
    sites = Sites(bench=bench, images=40)
    chosen = dict.fromkeys(network.products, (table,))
    expected = noise_model(network, sites.statistics, sites.importance, chosen).filters["conv2"][0]
    np.testing.assert_allclose([each["predicted_noise"] for each in filters], expected)
    product = network.products["conv2"]
    weights = product.codes.astype(np.float64) * product.weights.scale.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(weight_norms(product), np.sqrt((weights**2).sum(axis=(2, 3))))
    np.testing.assert_allclose(
        [each["weight_norm"] for each in filters], np.sqrt((weights**2).sum(axis=(1, 2, 3))), rtol=1e-6
    )


def test_predictions_rank_what_is_measured(found: dict[str, Any]) -> None:
    (whole,) = [each for each in filter_summary(found["filters"]) if (each["class"], each["layer"]) == ("H", "all")]
    assert whole["filters"] == 82
    assert whole["spearman_predicted_noise"] > 0.8
    *_, kernels = kernel_summary(found["kernels"], found["measured_kernels"])
    assert kernels["kernels"] == 2448
    assert kernels["spearman_predicted_noise"] > 0.8


def test_the_section_tells_all_that(found: dict[str, Any]) -> None:
    document = {
        **found,
        "filter_summary": filter_summary(found["filters"]),
        "kernel_summary": kernel_summary(found["kernels"], found["measured_kernels"]),
        "site_depths": depths(found["filters"], found["kernels"], found["measured_kernels"]),
        "class_agreement": class_agreement(found["filters"]),
    }
    blocks = site_blocks(document, name="study")
    pictures = [block for block in blocks if isinstance(block, Picture)]
    assert [picture.stem for picture in pictures] == ["study-filters", "study-kernels", "study-predictions"]
    filters, kernels, depth = (block for block in blocks if isinstance(block, Table))
    assert [line[1] for line in filters.rows] == ["conv1", "conv2", "conv3", "linear", "all"] * 2
    assert [line[0] for line in kernels.rows] == ["conv1", "conv2", "conv3", "linear", "all"]
    assert len(depth.rows) == 6
    for table in (filters, kernels, depth):
        assert {len(line) for line in table.rows} == {len(table.heads)}
    text = " ".join(block for block in blocks if isinstance(block, str))
    assert "Kernels, 2,448 of them, are predicted" in text
    measured = len(found["measured_kernels"])
    assert f"over the {measured} kernels measured (n = {measured})" in text
    assert "nan" not in text
    assert not {"-0.0", "-0.00", "-0.0000"} & {cell for line in filters.rows for cell in line}

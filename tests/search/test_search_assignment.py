"""Assignments: files, shapes, shares of multiplications."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.record import DesignRecord
from axhw.report.assignment import draw_assignment
from axhw.search.assignment import Assignment, Ids, canonical, digest
from axhw.search.evaluation import palette_of
from axhw.search.palette import Palette

Choose = Callable[[int], dict[str, Ids]]


def assignment(palette: Palette, layers: dict[str, Ids]) -> Assignment:
    return Assignment(network="digits_cnn", designs=palette.references, layers=layers, tune="plain", compensate="bias")


def test_a_file_gives_back_what_was_saved(palette: Palette, random_choice: Choose, tmp_path: Path) -> None:
    given = assignment(palette, random_choice(0))
    read = Assignment.load(given.save(tmp_path / "a.json"))
    assert (read.network, read.designs, read.tune, read.compensate) == (
        "digits_cnn",
        palette.references,
        "plain",
        "bias",
    )
    for name, ids in given.layers.items():
        np.testing.assert_array_equal(read.layers[name], ids)


def test_compact_keeps_what_every_kernel_does(palette: Palette, bench: Bench, random_choice: Choose) -> None:
    layers = random_choice(1)
    layers["conv2"] = np.full((24, 16), 3)
    layers["conv1"] = np.array([3, 4] * 8)
    given = assignment(palette, layers)
    compact = given.compact()
    compact.check(bench.quantized(signed=True).graph)
    assert compact.layers["conv2"].shape == ()
    for name, ids in given.layers.items():
        names = np.array(palette.names)[ids]
        found = np.array([design.name for design in compact.designs])[compact.layers[name]]
        assert (np.broadcast_to(found.reshape(found.shape + (1,) * (ids.ndim - found.ndim)), ids.shape) == names).all()


def test_counts_are_those_of_the_graph(palette: Palette, bench: Bench, random_choice: Choose) -> None:
    graph = bench.quantized(signed=True).graph
    layers = random_choice(2)
    layers["conv1"] = np.array([0] * 12 + [2] * 4)
    counts = assignment(palette, layers).counts(graph)
    assert {name: own.sum() for name, own in counts.items()} == pytest.approx(dict(graph.multiplications))
    quarter = graph.multiplications["conv1"] / 4
    np.testing.assert_allclose(counts["conv1"], [3 * quarter, 0, quarter, 0, 0])


def test_choices_that_do_the_same_are_the_same() -> None:
    one = np.asarray(2)
    assert canonical(np.full((3, 4), 2)).shape == ()
    assert digest(one) == digest(np.full(3, 2)) == digest(np.full((3, 4), 2))
    assert digest(np.array([[1, 1], [2, 2]])) == digest(np.array([1, 2]))
    assert (
        len({digest(np.array([1, 2])), digest(np.array([2, 1])), digest(np.array([[1, 2], [1, 2]])), digest(one)}) == 4
    )


@pytest.mark.parametrize(
    ("layer", "ids", "message"),
    [
        ("conv1", np.asarray(9), "Expected numbers of designs from 0 to 4 for conv1, found 9 to 9."),
        ("conv1", np.zeros((1, 1, 1), np.int64), "Expected numbers of designs for conv1 as one integer, a list"),
        ("conv1", np.zeros(2), "found an array of float64"),
    ],
)
def test_numbers_that_mean_nothing(palette: Palette, random_choice: Choose, layer: str, ids: Ids, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        assignment(palette, {**random_choice(0), layer: ids})


def test_other_networks_are_refused(palette: Palette, bench: Bench, random_choice: Choose) -> None:
    graph = bench.quantized(signed=True).graph
    with pytest.raises(
        AxhwError, match="Expected an assignment of the product layers of digits_cnn .*, found one of x"
    ):
        assignment(palette, {"x": np.asarray(0)}).check(graph)
    with pytest.raises(AxhwError, match=r"or an array of shape \(16, 1\) or \(16,\), found shape \(3,\)"):
        assignment(palette, {**random_choice(0), "conv1": np.zeros(3, np.int64)}).check(graph)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expected an assignment as JSON in .*, found other text"),
        ("[]", "Expected a file of the format 'axhw assignment 1', found none"),
        ('{"format": "axhw assignment 1"}', "Expected what axhw writes in the assignment .*'network'"),
    ],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(AxhwError, match=message):
        Assignment.load(path)
    with pytest.raises(AxhwError, match="Expected an assignment in .*missing.json, found No such file"):
        Assignment.load(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("ids", "message"),
    [([1, 2.5], "Expected integers as numbers of designs for conv1"), ([[1], [1, 2]], "found ragged lists")],
)
def test_damaged_numbers_in_a_file(
    palette: Palette, random_choice: Choose, tmp_path: Path, ids: object, message: str
) -> None:
    path = assignment(palette, random_choice(0)).save(tmp_path / "a.json")
    document = json.loads(path.read_text())
    document["layers"]["conv1"] = ids
    path.write_text(json.dumps(document))
    with pytest.raises(AxhwError, match=message):
        Assignment.load(path)


def test_designs_are_made_again_and_compared(
    palette: Palette, random_choice: Choose, characterized: Callable[..., DesignRecord]
) -> None:
    given = assignment(palette, random_choice(0))
    by_name = {record.name: record for record in palette.records}
    assert palette_of(given, lambda spec: by_name[spec.name]).names == palette.names
    other = replace(given.designs[0], table_sha256="0" * 64)
    with pytest.raises(AxhwError, match="Expected exact8s with the product table 000000000000, found"):
        palette_of(replace(given, designs=(other, *given.designs[1:])), lambda spec: by_name[spec.name])


def test_the_figure_names_the_designs(palette: Palette, bench: Bench, random_choice: Choose) -> None:
    graph = bench.quantized(signed=True).graph
    figure = draw_assignment(assignment(palette, random_choice(3)).compact(), graph)
    texts = {text.get_text() for text in figure.legends[0].get_texts()}
    assert texts <= set(palette.names)
    assert len(texts) > 1


def test_designs_of_a_palette(palette: Palette, characterized: Callable[..., DesignRecord]) -> None:
    assert palette.names[palette.exact] == "exact8s"
    assert list(palette.energies_fj) == sorted(palette.energies_fj, reverse=True)
    twice = Palette.of([*palette.records, characterized("roup:p=2,r=3")])
    assert twice.names == palette.names
    with pytest.raises(AxhwError, match="Expected an exact multiplier among the designs, found none in roup8s_p2_r3"):
        _ = Palette(records=(characterized("roup:p=2,r=3"),)).exact
    with pytest.raises(AxhwError, match="Expected signed multipliers like exact8s, found unsigned operands in exact8u"):
        Palette(records=(palette.records[palette.exact], characterized("exact:signed=false")))
    with pytest.raises(AxhwError, match="Expected at least one design to choose from"):
        Palette(records=())

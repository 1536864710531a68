"""Tables of the report of AxMoE."""

from __future__ import annotations

from typing import Any

from axhw.experiments.axmoe.cells import retrained_column, start_column
from axhw.experiments.axmoe.report import lost_blocks, retrained_words
from axhw.moe.cells import RECIPES
from axhw.report.study import Table

CIRCUITS = ("mul8s_1KV6", "mul8s_1KVA", "mul8s_1L2L")


def cell(network: str, circuit: str, **columns: float) -> dict[str, Any]:
    columns_of_recipes = [*map(retrained_column, RECIPES), *map(start_column, RECIPES)]
    return {"network": network, "circuit": circuit, **dict.fromkeys(columns_of_recipes), **columns}


def test_each_recipe_loses_against_what_it_began_with() -> None:
    other = {"distilled_accuracy": 0.7, "distilled_start_accuracy": 0.71}
    rows = [
        cell("resnet8", "mul8s_1KV6"),
        cell("resnet8", "mul8s_1KVA", study_accuracy=0.82, study_start_accuracy=0.8),
        cell("resnet8", "mul8s_1L2L", study_accuracy=0.79, study_start_accuracy=0.8, **other),
        cell("vit_mini", "mul8s_1KVA"),
    ]
    text, table = lost_blocks(rows, CIRCUITS)
    assert isinstance(text, str)
    assert isinstance(table, Table)
    assert list(table.heads) == ["network", "recipe", "1KVA", "1L2L"]
    assert list(table.rows) == [("resnet8", "study", "-2.00", "1.00"), ("resnet8", "distilled", "", "1.00")]
    assert lost_blocks(rows[3:], CIRCUITS) == []


def test_retrainings_of_another_training_are_marked() -> None:
    other = {"distilled_accuracy": 0.7, "distilled_start_accuracy": 0.71}
    row = cell("resnet8", "mul8s_1L2L", int8_accuracy=0.8, study_accuracy=0.79, study_start_accuracy=0.8, **other)
    assert retrained_words(row) == ["79.00", "70.00*"]
    assert retrained_words(cell("resnet8", "mul8s_1KVA", int8_accuracy=0.8)) == ["", ""]

"""What waits for what in the graph of a model."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import pytest

from axhw.errors import AxhwError
from axhw.pim.accounting import FULL_ACCOUNTING, PUBLISHED_ACCOUNTING, Accounting, accounting_of
from axhw.pim.model import DEEPSEEKMOE, LLAMA_MOE_4_16, MODELS, OLMOE, DecoderModel
from axhw.pim.model_graph import model_graph


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("accounting", [FULL_ACCOUNTING, PUBLISHED_ACCOUNTING], ids=["full", "published"])
def test_graphs_go_from_the_embedding_to_a_token(model: DecoderModel, accounting: Accounting) -> None:
    graph = model_graph(model, accounting)
    assert nx.is_directed_acyclic_graph(graph)
    placed = {name: place for place, name in enumerate(graph)}
    assert all(placed[source] < placed[target] for source, target in graph.edges)
    assert [name for name, degree in graph.in_degree() if not degree] == ["embedding"]
    ends = {name.rpartition(".")[2] for name, degree in graph.out_degree() if not degree}
    assert ends - {"kv_write", "go_write"} == {"sample"}


def test_experts_wait_for_the_router_with_full_accounting() -> None:
    for accounting, waits in ((FULL_ACCOUNTING, True), (PUBLISHED_ACCOUNTING, False)):
        graph = model_graph(LLAMA_MOE_4_16, accounting)
        assert ("0.expert_up" in nx.descendants(graph, "0.router")) is waits
        assert "0.combine" in nx.descendants(graph, "0.router")


def test_norms() -> None:
    """The published graph has one norm in the layer and one at the end: 33 for 32 tokens."""
    for accounting, count in ((PUBLISHED_ACCOUNTING, 2), (FULL_ACCOUNTING, 3)):
        graph = model_graph(LLAMA_MOE_4_16, accounting)
        assert sum(node["category"] == "norm" for _, node in graph.nodes(data=True)) == count
    own = {name for name in model_graph(OLMOE, FULL_ACCOUNTING) if name.startswith("3.") and "norm" in name}
    assert own == {"3.attention_norm", "3.q_norm", "3.k_norm", "3.network_norm"}


def test_outputs_of_experts_are_added_at_their_width() -> None:
    widths = [
        model_graph(LLAMA_MOE_4_16, accounting).nodes["0.combine"]["width"]
        for accounting in (PUBLISHED_ACCOUNTING, FULL_ACCOUNTING)
    ]
    assert widths == [688, 4096]


def test_caches_are_read_before_they_are_needed() -> None:
    graph = model_graph(LLAMA_MOE_4_16, FULL_ACCOUNTING)
    assert set(graph.successors("0.kv_read")) == {"0.attention"}
    assert set(graph.successors("0.go_read")) == {"0.expert_up"}
    assert {"0.kv_write", "0.go_write"} <= set(graph)
    published = model_graph(LLAMA_MOE_4_16, PUBLISHED_ACCOUNTING)
    assert {name for name in published if "kv_" in name or "go_" in name} == {"0.kv_read"}


def test_dense_layers_and_shared_experts() -> None:
    graph = model_graph(DEEPSEEKMOE, FULL_ACCOUNTING)
    assert "0.router" not in graph
    assert set(graph.predecessors("0.network_add")) == {"0.dense_down", "0.attention_add"}
    assert set(graph.predecessors("1.network_add")) == {"1.combine", "1.shared_add"}
    assert set(graph.predecessors("1.shared_up")) == {"1.network_norm"}


def test_unknown_accountings_are_refused() -> None:
    with pytest.raises(AxhwError, match="Expected an accounting out of published, full, found 'some'."):
        accounting_of("some")


def test_models_are_checked() -> None:
    with pytest.raises(AxhwError, match="Expected hidden of olmoe of at least 1, found 0."):
        replace(OLMOE, hidden=0)
    with pytest.raises(AxhwError, match="Expected 1 to 64 active experts of olmoe, found 65."):
        replace(OLMOE, active_experts=65)

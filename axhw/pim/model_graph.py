"""The graph of a model: one node for each kind of operation in each layer, which stands for all tokens and choices.

A node has a scope, which says how many operations it stands for:

    pass      one for each pass through the model
    token     one for each token of a pass
    choice    one for each expert that a token runs through
    cycle     one for each cycle of a schedule

An edge joins operations that belong together: a token with its choices, with its pass, and so on; an edge from choices
to their token, or from tokens to their pass, whose attribute `last` is true comes from the last of them alone. Where
`chained` is true, choices of a token, or cycles, wait for the one before them.

`axhw.pim.program` makes operations of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import networkx as nx

from axhw.pim.accounting import Accounting
from axhw.pim.model import DecoderModel
from axhw.pim.operations import Kind

Scope = Literal["pass", "token", "choice", "cycle"]
Traffic = Literal["kv_read", "kv_write", "go_read", "go_write"]


def model_graph(model: DecoderModel, accounting: Accounting) -> nx.DiGraph:
    """All layers of a model from the embedding to the next token.

    Nodes have the attributes `kind`, `scope`, `category`, `layer` (None outside of layers), and some of

        inputs, outputs   of a product; a lookup has no inputs
        width             of a vector in a digital unit
        traffic           what DRAM moves
        chained           whether operations of the node wait for each other
        merges            what stands in for the node in the first choice of a token

    Parameters
    ----------
    model : DecoderModel
    accounting : Accounting
    """
    return _Builder(model, accounting).graph


class _Builder:
    """Adds nodes in an order in which all sources of a node come before it."""

    def __init__(self, model: DecoderModel, accounting: Accounting) -> None:
        self.graph = nx.DiGraph()
        self._model = model
        self._accounting = accounting
        self._layer: int | None = None
        hidden = model.hidden
        x = self._product("embedding", (), inputs=None, outputs=hidden)
        if model.learned_positions:
            x = self._digital("position", "add", hidden, (x,))
        for layer in range(model.layers):
            self._layer = layer
            x = self._network(self._attention(x))
        self._layer = None
        x = self._digital("final_norm", "norm", hidden, (x,), scope="pass", last=True)
        x = self._product("head", (x,), inputs=hidden, outputs=model.vocabulary, scope="pass")
        x = self._add("logits", (x,), kind=Kind.DELAY, scope="pass", category="communication")
        self._digital("sample", "sample", model.vocabulary, (x,), scope="pass")

    def _attention(self, x: str) -> str:
        """From the residual stream to the one behind the attention."""
        model = self._model
        source = x
        if self._accounting.first_norm or self._layer:
            source = self._digital("attention_norm", "norm", model.hidden, (x,))
        widths = {"q": model.query_width, "k": model.kv_width, "v": model.kv_width}
        ready = []
        for part, width in widths.items():
            made = self._product(part, (source,), inputs=model.hidden, outputs=width)
            if model.qk_norm and part != "v":
                made = self._digital(f"{part}_norm", "norm", width, (made,))
            ready.append(made)
        # DRAM takes them in this order.
        cached = self._transfer("kv_read", ready)
        if self._accounting.cache_writes:
            self._transfer("kv_write", ready)
        if self._accounting.go_dram and self._layer not in model.dense_layers:
            self._transfer("go_read", ready)
        attended = self._add("attention", (*ready, cached), kind=Kind.SHARED, scope="pass", category="attention")
        out = self._product("o", (attended,), inputs=model.query_width, outputs=model.hidden)
        return self._digital("attention_add", "add", model.hidden, (out, x))

    def _network(self, x: str) -> str:
        """From the residual stream to the one behind the experts, or the dense network."""
        model = self._model
        source = self._digital("network_norm", "norm", model.hidden, (x,))
        dense = self._layer in model.dense_layers
        if dense:
            made = self._neurons("dense", (source,), model.dense_width, scope="token")
        else:
            made = self._experts(source)
            if model.shared_width:
                shared = self._neurons("shared", (source,), model.shared_width, scope="token")
                x = self._digital("shared_add", "add", model.hidden, (shared, x))
        total = self._digital("network_add", "add", model.hidden, (x,))
        self.graph.add_edge(made, total, last=not dense)
        return total

    def _experts(self, source: str) -> str:
        model, accounting = self._model, self._accounting
        router = self._product("router", (source,), inputs=model.hidden, outputs=model.experts)
        before = [source]
        if accounting.experts_wait:
            before.append(router)
        if accounting.go_dram:
            before.append(self._name("go_read"))
        if accounting.scheduler:
            before += self._scheduled(router)
        made = self._neurons("expert", before, model.expert_width, scope="choice")
        width = model.hidden if accounting.combine_width == "model" else model.expert_width
        total = self._digital("combine", "add", width, (made, router), scope="choice", merges=made, chained=True)
        if accounting.cache_writes:
            self._transfer("go_write", (made,))
        return total

    def _scheduled(self, router: str) -> tuple[str, ...]:
        """What lets choices begin: the scheduler, token by token or with a plan for the pass, and the plan's cycles."""
        dispatch = self._add("dispatch", (router,), kind=Kind.DELAY, scope="token", category="scheduler")
        plan = self._add("plan", (router,), kind=Kind.DELAY, scope="pass", category="scheduler")
        cycle = self._add("cycle", (plan,), kind=Kind.DELAY, scope="cycle", category="communication", chained=True)
        return dispatch, cycle

    def _neurons(self, name: str, sources: Iterable[str], width: int, *, scope: Scope) -> str:
        """Up, activation and down, gated or not."""
        model, sources = self._model, tuple(sources)
        up = self._product(f"{name}_up", sources, inputs=model.hidden, outputs=width, scope=scope)
        if not model.gated:
            active = self._digital(f"{name}_activation", "activation", width, (up,), scope=scope)
        else:
            gate = self._product(f"{name}_gate", sources, inputs=model.hidden, outputs=width, scope=scope)
            active = self._digital(f"{name}_activation", "activation", width, (gate,), scope=scope)
            # An elementwise product is as much work for a digital unit as an addition.
            active = self._digital(f"{name}_scale", "add", width, (active, up), scope=scope)
        return self._product(f"{name}_down", (active,), inputs=width, outputs=model.hidden, scope=scope)

    def _name(self, name: str) -> str:
        return name if self._layer is None else f"{self._layer}.{name}"

    def _add(
        self,
        name: str,
        sources: Iterable[str],
        *,
        kind: Kind,
        scope: Scope,
        category: str,
        last: bool = False,
        **more: Any,
    ) -> str:
        full = self._name(name)
        self.graph.add_node(full, kind=kind, scope=scope, category=category, layer=self._layer, **more)
        for source in sources:
            self.graph.add_edge(source, full, last=last)
        return full

    def _product(
        self, name: str, sources: Iterable[str], *, inputs: int | None, outputs: int, scope: Scope = "token"
    ) -> str:
        return self._add(name, sources, kind=Kind.PRODUCT, scope=scope, category="mvm", inputs=inputs, outputs=outputs)

    def _digital(
        self, name: str, work: str, width: int, sources: Iterable[str], *, scope: Scope = "token", **more: Any
    ) -> str:
        return self._add(name, sources, kind=Kind.DIGITAL, scope=scope, category=work, width=width, **more)

    def _transfer(self, traffic: Traffic, sources: Iterable[str]) -> str:
        category = f"{traffic.partition('_')[0]}_dram"
        return self._add(traffic, sources, kind=Kind.SHARED, scope="pass", category=category, traffic=traffic)

"""Models as the simulator sees them: sizes of their matrices and vectors, and who chooses whom, experts or tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import read_config
from axhw.pim.parameters import CrossbarCore


@dataclass(frozen=True, kw_only=True)
class DecoderModel:
    """A decoder-only transformer with experts.

    Attributes
    ----------
    name : str
    vocabulary, hidden, layers : int
    query_width, kv_width : int
        Of all heads together.
    experts, active_experts, expert_width : int
        Routed experts of a layer, how many a token takes (on the average, where experts choose), and their neurons.
    gated : bool
        Whether experts and dense networks have three matrices (gate, up, down) or two (up, down).
    smooth : bool
        Whether their activation costs what GeLU does, or what ReLU does.
    shared_width : int
        Neurons of the shared experts together; 0 for none.
    dense_layers : tuple of int
        Layers without experts.
    dense_width : int
        Neurons of those.
    qk_norm : bool
        Whether queries and keys are normalised.
    learned_positions : bool
        Whether a vector for the position is added to that of the token.
    experts_choose : bool
        Whether experts choose tokens, or tokens choose experts.

    Raises
    ------
    AxhwError
        For sizes below 1, and for more active experts than there are.
    """

    name: str
    vocabulary: int
    hidden: int
    layers: int
    query_width: int
    kv_width: int
    experts: int
    active_experts: int
    expert_width: int
    gated: bool = True
    smooth: bool = True
    shared_width: int = 0
    dense_layers: tuple[int, ...] = ()
    dense_width: int = 0
    qk_norm: bool = False
    learned_positions: bool = False
    experts_choose: bool = False

    def __post_init__(self) -> None:
        for what in ("vocabulary", "hidden", "layers", "query_width", "kv_width", "experts", "expert_width"):
            if getattr(self, what) < 1:
                raise AxhwError(f"Expected {what} of {self.name} of at least 1, found {getattr(self, what)}.")
        if not 1 <= self.active_experts <= self.experts:
            raise AxhwError(f"Expected 1 to {self.experts} active experts of {self.name}, found {self.active_experts}.")

    @classmethod
    def of(cls, config: ModelConfig, *, name: str) -> DecoderModel:
        """That of a configuration of `axhw.lm`."""
        return cls(
            name=name,
            vocabulary=config.vocabulary,
            hidden=config.hidden,
            layers=config.layers,
            query_width=config.heads * config.head_dim,
            kv_width=config.kv_heads * config.head_dim,
            experts=config.experts,
            active_experts=config.active_experts,
            expert_width=config.expert_width,
            shared_width=config.shared_width,
            dense_layers=config.dense_layers,
            dense_width=config.dense_width,
            qk_norm=config.qk_norm != "none",
            experts_choose=config.routing == "expert_choice",
        )

    @property
    def expert_layers(self) -> tuple[int, ...]:
        """Layers that have experts."""
        return tuple(layer for layer in range(self.layers) if layer not in self.dense_layers)

    def with_layers(self, layers: int) -> DecoderModel:
        """The same with only the first of its layers."""
        kept = tuple(layer for layer in self.dense_layers if layer < layers)
        return replace(self, layers=layers, dense_layers=kept)

    def network_tiles(self, core: CrossbarCore, width: int) -> int:
        """Crossbars of an expert or of a dense network with so many neurons."""
        first = core.tiles(inputs=self.hidden, outputs=width)
        return first * (2 if self.gated else 1) + core.tiles(inputs=width, outputs=self.hidden)

    def tiles(self, core: CrossbarCore) -> dict[str, int]:
        """Crossbars that hold the model, by what is on them: all layers together."""
        attention = 2 * core.tiles(inputs=self.hidden, outputs=self.kv_width)
        attention += core.tiles(inputs=self.hidden, outputs=self.query_width)
        attention += core.tiles(inputs=self.query_width, outputs=self.hidden)
        sparse = len(self.expert_layers)
        shared = self.network_tiles(core, self.shared_width) if self.shared_width else 0
        dense = self.network_tiles(core, self.dense_width) if self.dense_layers else 0
        return {
            "embedding": core.tiles(inputs=self.vocabulary, outputs=self.hidden),
            "attention": self.layers * attention,
            "router": sparse * core.tiles(inputs=self.hidden, outputs=self.experts),
            "experts": sparse * self.experts * self.network_tiles(core, self.expert_width),
            "shared": sparse * shared,
            "dense": len(self.dense_layers) * dense,
            "head": core.tiles(inputs=self.hidden, outputs=self.vocabulary),
        }


LLAMA_MOE_4_16 = DecoderModel(
    name="llama-moe-4-16",
    vocabulary=32_000,
    hidden=4096,
    layers=1,
    query_width=4096,
    kv_width=4096,
    experts=16,
    active_experts=4,
    expert_width=688,
    gated=False,
    smooth=False,
    learned_positions=True,
    experts_choose=True,
)
"""The workload of arXiv 2602.10254: one layer of the size of Llama-MoE-4/16. The real model has 32 layers, and experts
of three matrices with SiLU; the published simulation has two with ReLU."""

OLMOE = DecoderModel(
    name="olmoe",
    vocabulary=50_304,
    hidden=2048,
    layers=16,
    query_width=2048,
    kv_width=2048,
    experts=64,
    active_experts=8,
    expert_width=1024,
    qk_norm=True,
)
"""OLMoE-1B-7B, arXiv 2409.02060."""

DEEPSEEKMOE = DecoderModel(
    name="deepseekmoe",
    vocabulary=102_400,
    hidden=2048,
    layers=28,
    query_width=2048,
    kv_width=2048,
    experts=64,
    active_experts=6,
    expert_width=1408,
    shared_width=2816,
    dense_layers=(0,),
    dense_width=10_944,
)
"""DeepSeekMoE 16B, arXiv 2401.06066."""

MIXTRAL = DecoderModel(
    name="mixtral",
    vocabulary=32_000,
    hidden=4096,
    layers=32,
    query_width=4096,
    kv_width=1024,
    experts=8,
    active_experts=2,
    expert_width=14_336,
)
"""Mixtral 8x7B, arXiv 2401.04088."""

MODELS = {model.name: model for model in (LLAMA_MOE_4_16, OLMOE, DEEPSEEKMOE, MIXTRAL)}
"""Known by name."""


def find_model(name: str) -> DecoderModel:
    """A known model, or that of a folder with a config.json.

    Raises
    ------
    AxhwError
        If it is neither.
    """
    if name in MODELS:
        return MODELS[name]
    folder = Path(name)
    if not folder.is_dir():
        raise AxhwError(f"Expected a model out of {', '.join(MODELS)}, or a folder with a config.json, found {name!r}.")
    return DecoderModel.of(read_config(folder), name=folder.resolve().name)

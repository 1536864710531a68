"""What a language model with experts is made of: one description for all architectures.

An architecture decides the names of the tensors in a checkpoint (`axhw.lm.layout`), the keys of its config.json
(`axhw.lm.config_file`), and the details that no config.json states, which are listed here.

olmoe      OLMoE, arXiv 2409.02060: queries and keys normalised over all heads together
deepseek   DeepSeekMoE, arXiv 2401.06066: shared experts, held as one wide one; the first layers dense
qwen2_moe  Qwen1.5-MoE and Qwen2-MoE: one shared expert behind a sigmoid; biases on queries, keys and values
qwen3_moe  Qwen3-MoE, arXiv 2505.09388: queries and keys normalised head by head
mixtral    Mixtral, arXiv 2401.04088: the softmax runs over the chosen experts
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from axhw.errors import AxhwError
from axhw.lm.matrices import Part

QkNorm: TypeAlias = Literal["none", "projection", "head"]
Routing: TypeAlias = Literal["token_choice", "expert_choice"]

ROUTINGS: tuple[Routing, ...] = get_args(Routing)
"""Who chooses: each token its experts, or each expert its tokens (`axhw.lm.expert_choice`)."""

MOST_LAYERS = 1000
MOST_EXPERTS = 4096
LARGEST_SIZE = 2**31 - 1
"""Limits that no model comes near, so that a damaged file is refused before memory runs out."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What is the same in all models of an architecture.

    Attributes
    ----------
    qk_norm : "none", "projection" or "head"
        What RMS norms of queries and keys run over: nothing, all heads together, or each head.
    biases : tuple of str
        Parts of the attention that have a bias where `ModelConfig.attention_bias` says so.
    shared : "none", "plain" or "gated"
        Whether there are shared experts, and whether a sigmoid of the input scales what they make.
    dense : "none", "first" or "any"
        Which layers may have one dense feed-forward network in place of experts.
    free_heads : bool
        Whether the width of a head may differ from hidden / heads.
    always_normalized : bool
        Whether the weights of the chosen experts always sum to 1.
    normalizes_one : bool
        Whether `ModelConfig.normalize_top_k` also makes the weight of one chosen expert 1.
    """

    qk_norm: QkNorm = "none"
    biases: tuple[Part, ...] = ()
    shared: Literal["none", "plain", "gated"] = "none"
    dense: Literal["none", "first", "any"] = "none"
    free_heads: bool = False
    always_normalized: bool = False
    normalizes_one: bool = True


ARCHITECTURES: Mapping[str, Architecture] = {
    "olmoe": Architecture(qk_norm="projection", biases=("q", "k", "v", "o")),
    "deepseek": Architecture(biases=("q", "k", "v", "o"), shared="plain", dense="first", normalizes_one=False),
    "qwen2_moe": Architecture(biases=("q", "k", "v"), shared="gated", dense="any", free_heads=True),
    "qwen3_moe": Architecture(qk_norm="head", biases=("q", "k", "v", "o"), dense="any", free_heads=True),
    "mixtral": Architecture(free_heads=True, always_normalized=True),
}
"""By the `model_type` of config.json."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer with rotary attention and experts, as its blocks need it.

    Attributes
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    vocabulary : int
        Number of tokens.
    hidden : int
        Width of the residual stream.
    layers : int
    heads, kv_heads : int
        Heads of queries, and of keys and values, each of which serves heads / kv_heads query heads.
    head_dim : int
        Width of a head; even.
    context : int
        Longest text, in tokens.
    rope_theta : float
        Base of the rotary angles.
    norm_eps : float
        Added to the mean square in RMS norms.
    experts, active_experts : int
        Routed experts of a layer, and how many of them each token takes.
    expert_width : int
        Neurons of a routed expert.
    normalize_top_k : bool
        Whether the weights of a token's experts are divided by their sum.
    shared_width : int
        Neurons of the shared experts, all together; 0 for none.
    dense_layers : tuple of int
        Layers that have a dense feed-forward network in place of experts, in increasing order.
    dense_width : int
        Neurons of those.
    attention_bias : bool
        Whether the projections of the attention that may have a bias (`biases`) have one.
    tied_embeddings : bool
        Whether the head is the embedding.
    routing : "token_choice" or "expert_choice"
        Whether tokens choose experts, or experts choose tokens of the whole text, later ones included.

    Raises
    ------
    AxhwError
        For sizes that do not fit each other, and what the architecture does not have.
    """

    architecture: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    rope_theta: float
    norm_eps: float
    experts: int
    active_experts: int
    expert_width: int
    normalize_top_k: bool
    shared_width: int = 0
    dense_layers: tuple[int, ...] = ()
    dense_width: int = 0
    attention_bias: bool = False
    tied_embeddings: bool = False
    routing: Routing = "token_choice"

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise AxhwError(f"Expected an architecture out of {', '.join(ARCHITECTURES)}, found {self.architecture!r}.")
        self._check_sizes()
        self._check_architecture()

    @property
    def qk_norm(self) -> QkNorm:
        """What RMS norms of queries and keys run over."""
        return self._traits.qk_norm

    @property
    def shared_gate(self) -> bool:
        """Whether a sigmoid of the input scales what the shared expert makes."""
        return self._traits.shared == "gated"

    @property
    def biases(self) -> tuple[Part, ...]:
        """Parts of the attention that have a bias."""
        return self._traits.biases if self.attention_bias else ()

    @property
    def expert_layers(self) -> tuple[int, ...]:
        """Layers that have experts, in increasing order."""
        return tuple(layer for layer in range(self.layers) if layer not in self.dense_layers)

    @property
    def _traits(self) -> Architecture:
        return ARCHITECTURES[self.architecture]

    def _check_sizes(self) -> None:
        positive = ("vocabulary", "hidden", "layers", "heads", "kv_heads", "head_dim", "context")
        for name in (*positive, "experts", "active_experts", "expert_width", "shared_width", "dense_width"):
            size = getattr(self, name)
            least = 0 if name in ("shared_width", "dense_width") else 1
            most = {"layers": MOST_LAYERS, "experts": MOST_EXPERTS}.get(name, LARGEST_SIZE)
            if isinstance(size, bool) or not isinstance(size, int) or not least <= size <= most:
                raise AxhwError(f"Expected {name} of a model as a whole number from {least} to {most}, found {size!r}.")
        for name in ("rope_theta", "norm_eps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise AxhwError(f"Expected {name} of a model as a number above 0, found {value!r}.")
        if self.heads % self.kv_heads:
            raise AxhwError(f"Expected heads as a multiple of kv_heads ({self.kv_heads}), found {self.heads}.")
        if self.head_dim % 2:
            raise AxhwError(f"Expected an even head_dim, halves of which rotate together, found {self.head_dim}.")
        if self.active_experts > self.experts:
            raise AxhwError(f"Expected at most {self.experts} active experts, found {self.active_experts}.")
        if self.routing not in ROUTINGS:
            raise AxhwError(f"Expected routing of a model out of {', '.join(ROUTINGS)}, found {self.routing!r}.")
        if self.routing == "expert_choice" and self.normalize_top_k:
            raise AxhwError("Expected no normalize_top_k where experts choose, as a token may have none.")
        if list(self.dense_layers) != sorted({layer for layer in self.dense_layers if 0 <= layer < self.layers}):
            raise AxhwError(
                f"Expected dense layers in increasing order out of 0 to {self.layers - 1}, found {self.dense_layers}."
            )
        if self.dense_layers and not self.dense_width:
            raise AxhwError("Expected a dense_width above 0 for the dense layers, found 0.")

    def _check_architecture(self) -> None:
        name, traits = self.architecture, self._traits
        if not traits.free_heads and self.heads * self.head_dim != self.hidden:
            raise AxhwError(
                f"Expected head_dim of {name} as hidden / heads ({self.hidden} / {self.heads}), found {self.head_dim}."
            )
        if traits.shared == "none" and self.shared_width:
            raise AxhwError(
                f"Expected shared_width 0 of {name}, which has no shared experts, found {self.shared_width}."
            )
        if traits.shared == "gated" and not self.shared_width:
            raise AxhwError(f"Expected a shared_width above 0 of {name}, which has a shared expert, found 0.")
        if traits.shared == "plain" and self.shared_width % self.expert_width:
            raise AxhwError(
                f"Expected shared_width of {name} as a multiple of expert_width ({self.expert_width}), "
                f"found {self.shared_width}."
            )
        if traits.dense == "none" and self.dense_layers:
            raise AxhwError(f"Expected no dense layers of {name}, found {self.dense_layers}.")
        if traits.dense == "first" and self.dense_layers != tuple(range(len(self.dense_layers))):
            raise AxhwError(f"Expected the dense layers of {name} to be its first, found {self.dense_layers}.")
        if self.attention_bias and not traits.biases:
            raise AxhwError(f"Expected no attention_bias of {name}, whose attention has none.")
        if traits.always_normalized and not self.normalize_top_k:
            raise AxhwError(f"Expected normalize_top_k of {name}, whose weights of experts always sum to 1.")
        if self.normalize_top_k and self.active_experts == 1 and not traits.normalizes_one:
            raise AxhwError(
                f"Expected no normalize_top_k of {name} with one active expert, whose weight stays as it is."
            )

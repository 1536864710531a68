"""Language models with experts in PyTorch, by the configuration that `axhw.lm` runs in numpy."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.expert_choice import capacity
from axhw.train.language.experts import Experts, GatedLayer

TRAINED = ("olmoe", "deepseek")
"""Architectures that can be trained."""

# Of weights, times the square root of their inputs; what adds to the residual stream starts smaller by the depth.
_DEVIATION = 0.5
_EMBEDDING_DEVIATION = 0.1


class Observer(Protocol):
    """Sees what a router decides."""

    def __call__(self, layer: int, logits: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> None:
        """Logits [n, experts], chosen experts [n, k] and their weights [n, k] of all n bytes of a batch. Where experts
        choose bytes, experts and weights are [places, experts], each expert once in each row."""
        ...


class LanguageModule(nn.Module):
    """A decoder-only transformer with rotary attention and routed experts.

    Parameters
    ----------
    config : ModelConfig
    seed : int
        Of the initial weights.
    dropout, expert_dropout : float
        As in `axhw.train.language.recipe.Recipe`.

    Raises
    ------
    AxhwError
        For an architecture that is not in `TRAINED`, attention with biases or fewer heads of keys, and a model without
        experts.
    """

    def __init__(
        self, config: ModelConfig, *, seed: int = 0, dropout: float = 0.0, expert_dropout: float = 0.0
    ) -> None:
        super().__init__()
        if config.architecture not in TRAINED:
            raise AxhwError(
                f"Expected an architecture that can be trained, out of {', '.join(TRAINED)}, found "
                f"{config.architecture}."
            )
        if config.attention_bias or config.kv_heads != config.heads:
            raise AxhwError(
                "Expected attention without biases and with as many heads of keys as of queries for training, found "
                f"attention_bias {config.attention_bias}, {config.heads} and {config.kv_heads} heads."
            )
        if not config.expert_layers:
            raise AxhwError("Expected a model with experts in at least one layer, found only dense layers.")
        self.config = config
        self._dropout = dropout
        self.embedding = nn.Parameter(torch.empty(config.vocabulary, config.hidden))
        self.blocks = nn.ModuleList(
            Block(config, layer, dropout=dropout, expert_dropout=expert_dropout) for layer in range(config.layers)
        )
        self.norm = RmsNorm(config.hidden, config.norm_eps)
        self.head = None if config.tied_embeddings else nn.Parameter(torch.empty(config.vocabulary, config.hidden))
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, tokens: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """Logits [batch, length, vocabulary] of the bytes that follow tokens [batch, length].

        Raises
        ------
        AxhwError
            For texts that are longer than the context.
        """
        length = tokens.shape[1]
        if length > self.config.context:
            raise AxhwError(f"Expected at most {self.config.context} bytes, the model's context, found {length}.")
        rotations = _rotations(length, self.config.head_dim, self.config.rope_theta, tokens.device)
        stream = F.dropout(F.embedding(tokens, self.embedding), self._dropout, self.training)
        for block in self.blocks:
            stream = block(stream, rotations, observe)
        head = self.embedding if self.head is None else self.head
        return F.linear(self.norm(stream), head)

    def _initialise(self, generator: torch.Generator) -> None:
        depth = (2 * self.config.layers) ** -0.5
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.ndim < 2:
                    parameter.fill_(1.0)
                    continue
                deviation = _DEVIATION * parameter.shape[-1] ** -0.5
                if name == "embedding":
                    deviation = _EMBEDDING_DEVIATION
                elif name.endswith((".down", ".o")):
                    deviation *= depth
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)


class Block(nn.Module):
    """Attention, then experts (or one dense layer), each on the normalised stream and added to it."""

    def __init__(self, config: ModelConfig, layer: int, *, dropout: float, expert_dropout: float) -> None:
        super().__init__()
        self._dropout = dropout
        self.attention_norm = RmsNorm(config.hidden, config.norm_eps)
        self.attention = Attention(config, dropout=dropout)
        self.feed_forward_norm = RmsNorm(config.hidden, config.norm_eps)
        self.feed_forward: nn.Module
        if layer in config.dense_layers:
            self.feed_forward = GatedLayer(config.hidden, config.dense_width, dropout=dropout)
        else:
            self.feed_forward = Mixture(config, layer, dropout=dropout, expert_dropout=expert_dropout)

    def forward(
        self, stream: torch.Tensor, rotations: tuple[torch.Tensor, torch.Tensor], observe: Observer | None
    ) -> torch.Tensor:
        attended = self.attention(self.attention_norm(stream), rotations)
        stream = stream + F.dropout(attended, self._dropout, self.training)
        rows = self.feed_forward_norm(stream)
        if isinstance(self.feed_forward, Mixture):
            added = self.feed_forward(rows, observe)
        else:
            added = self.feed_forward(rows.flatten(0, 1)).view(stream.shape)
        return stream + F.dropout(added, self._dropout, self.training)


class Attention(nn.Module):
    """Causal attention with rotary positions (Su et al. 2021), halves of a head rotated as in Hugging Face's files."""

    def __init__(self, config: ModelConfig, *, dropout: float) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self._heads = config.heads
        self._dropout = dropout
        self.q = nn.Parameter(torch.empty(inner, config.hidden))
        self.k = nn.Parameter(torch.empty(inner, config.hidden))
        self.v = nn.Parameter(torch.empty(inner, config.hidden))
        self.o = nn.Parameter(torch.empty(config.hidden, inner))
        normalized = config.qk_norm == "projection"
        self.q_norm = RmsNorm(inner, config.norm_eps) if normalized else None
        self.k_norm = RmsNorm(inner, config.norm_eps) if normalized else None

    def forward(self, rows: torch.Tensor, rotations: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        queries, keys, values = (F.linear(rows, matrix) for matrix in (self.q, self.k, self.v))
        if self.q_norm is not None and self.k_norm is not None:
            queries, keys = self.q_norm(queries), self.k_norm(keys)
        queries, keys, values = (x.unflatten(-1, (self._heads, -1)).transpose(1, 2) for x in (queries, keys, values))
        mixed = F.scaled_dot_product_attention(
            _rotated(queries, rotations).to(values.dtype),
            _rotated(keys, rotations).to(values.dtype),
            values,
            dropout_p=self._dropout if self.training else 0.0,
            is_causal=True,
        )
        return F.linear(mixed.transpose(1, 2).flatten(2), self.o)


class Mixture(nn.Module):
    """Experts behind a router, whose softmax runs over all of them, and a shared one that takes every row.

    Rows choose experts, or experts choose rows of each text as in `axhw.lm.expert_choice`.
    """

    def __init__(self, config: ModelConfig, layer: int, *, dropout: float, expert_dropout: float) -> None:
        super().__init__()
        self._layer = layer
        self._active = config.active_experts
        self._normalize = config.normalize_top_k
        self._experts_choose = config.routing == "expert_choice"
        self.router = nn.Parameter(torch.empty(config.experts, config.hidden))
        self.experts = Experts(config.experts, config.hidden, config.expert_width, dropout=expert_dropout)
        self.shared = GatedLayer(config.hidden, config.shared_width, dropout=dropout) if config.shared_width else None

    def forward(self, stream: torch.Tensor, observe: Observer | None) -> torch.Tensor:
        """What is added to the residual stream, [batch, length, hidden]."""
        rows = stream.flatten(0, 1)
        # Which experts are best must not depend on rounding to bfloat16.
        with torch.autocast(rows.device.type, enabled=False):
            logits = F.linear(rows.float(), self.router)
            scores = logits.softmax(dim=1)
        if self._experts_choose:
            added = self._taken(stream, logits, scores, observe)
        else:
            added = self._chosen(rows, logits, scores, observe).view(stream.shape)
        return added if self.shared is None else added + self.shared(rows).view(stream.shape)

    def _chosen(
        self, rows: torch.Tensor, logits: torch.Tensor, scores: torch.Tensor, observe: Observer | None
    ) -> torch.Tensor:
        """Each row takes its best experts."""
        weights, chosen = scores.topk(self._active, dim=1)
        if self._normalize:
            weights = weights / weights.sum(dim=1, keepdim=True)
        if observe is not None:
            observe(self._layer, logits, chosen, weights)
        added: torch.Tensor = self.experts(rows, chosen, weights)
        return added

    def _taken(
        self, stream: torch.Tensor, logits: torch.Tensor, scores: torch.Tensor, observe: Observer | None
    ) -> torch.Tensor:
        """Each expert takes its best rows of each text."""
        texts, length = stream.shape[:2]
        experts = scores.shape[1]
        number = capacity(length, experts=experts, active=self._active)
        weights, places = scores.view(texts, length, experts).transpose(1, 2).topk(number, dim=2)
        if observe is not None:
            each = torch.arange(experts, device=places.device).expand(texts * number, experts)
            observe(self._layer, logits, each, weights.transpose(1, 2).reshape(-1, experts))
        return self.experts.take(stream, places, weights)


class RmsNorm(nn.Module):
    """weight * x / sqrt(mean(x^2) + eps), in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self._eps = eps

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(rows.float(), self.weight.shape, self.weight, self._eps)


def _rotations(length: int, width: int, theta: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [length, width / 2]."""
    frequencies = theta ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


def _rotated(heads: torch.Tensor, rotations: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    cosines, sines = rotations
    first, second = heads.float().chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


def count_parameters(module: nn.Module) -> int:
    """All numbers that training changes."""
    return sum(parameter.numel() for parameter in module.parameters())

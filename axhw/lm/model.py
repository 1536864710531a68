"""Language models of transformer blocks with experts: logits of the next token, with any operators for matrices.

    x = embedding of the tokens
    x = x + attention(norm(x)), x = x + feed-forward(norm(x)) for each layer
    logits = head(norm(x))

where the feed-forward network is the sum of the chosen experts, weighed, and of the shared ones, or a dense one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.lm.blocks import attend, gated_feed_forward, rms_norm, rotate, sigmoid
from axhw.lm.checkpoint import Checkpoint
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import read_config
from axhw.lm.expert_choice import ExpertChoice
from axhw.lm.layout import (
    EMBEDDING,
    LAST_NORM,
    all_matrices,
    bias_name,
    matrix_name,
    norm_name,
    tensor_shapes,
    vector_shapes,
)
from axhw.lm.matrices import HEAD, Float32Array, MakeOperator, MatrixKey, Module, Operator, Part, exact
from axhw.lm.mixture import Mixture, by_expert
from axhw.lm.routing import Chooser, RoutingObserver, TokenChoice

RowObserver: TypeAlias = Callable[[MatrixKey, Float32Array], None]


class LanguageModel:
    """A model that computes the logits of the next token.

    Parameters
    ----------
    config : ModelConfig
    checkpoint : Checkpoint
    make : callable
        Makes what multiplies by each weight matrix. The embedding is looked up and never multiplied by.
    keep : bool
        Whether all operators are made at once, in the order of `axhw.lm.layout.all_matrices`, and kept; or each when
        it is used, which then is all that is in memory of the weights: what `make` makes may then depend on the matrix
        only, not on the order of calls.

    Attributes
    ----------
    config : ModelConfig
    checkpoint : Checkpoint
    keep : bool

    Raises
    ------
    AxhwError
        If the weights are not those of such a model.
    """

    def __init__(
        self, config: ModelConfig, checkpoint: Checkpoint, *, make: MakeOperator = exact, keep: bool = False
    ) -> None:
        checkpoint.check(tensor_shapes(config))
        self.config = config
        self.checkpoint = checkpoint
        self.keep = keep
        self._make = make
        self._choose = _chooser(config)
        self._mix: Mixture = by_expert
        names = [LAST_NORM, *(name for layer in range(config.layers) for name in vector_shapes(config, layer))]
        self._vectors = {name: checkpoint.tensor(name) for name in names}
        self._observer: RowObserver | None = None
        self._operators: Mapping[MatrixKey, Operator] = {}
        if keep:
            self._operators = {key: make(key, self.weight(key)) for key in all_matrices(config)}

    def weight(self, key: MatrixKey) -> Float32Array:
        """A matrix [outputs, inputs], read from the checkpoint.

        Raises
        ------
        AxhwError
            If the model has no such matrix.
        """
        return self.checkpoint.tensor(matrix_name(self.config, key))

    def operator(self, key: MatrixKey) -> Operator:
        """What multiplies by a matrix: the one kept, or one made now."""
        operator = self._operators.get(key)
        if operator is None:
            operator = self._make(key, self.weight(key))
        return operator if self._observer is None else _observed(key, operator, self._observer)

    def with_operators(self, operators: Mapping[MatrixKey, Operator]) -> LanguageModel:
        """The same model with other operators for some matrices; all else is shared.

        Raises
        ------
        AxhwError
            For matrices that the model does not have.
        """
        for key in operators:
            matrix_name(self.config, key)
        changed = copy.copy(self)
        changed._operators = {**self._operators, **operators}
        return changed

    def with_choice(self, choose: Chooser) -> LanguageModel:
        """The same model with other experts for tokens than its configuration says; all else is shared."""
        changed = copy.copy(self)
        changed._choose = choose
        return changed

    def with_mixture(self, mix: Mixture) -> LanguageModel:
        """The same model with another way to compute the experts that tokens run through; all else is shared."""
        changed = copy.copy(self)
        changed._mix = mix
        return changed

    def observed(self, observer: RowObserver) -> LanguageModel:
        """The same model, which tells an observer what it multiplies by each matrix, rows [n, inputs]; all else is
        shared. Rows must not be changed."""
        changed = copy.copy(self)
        changed._observer = observer
        return changed

    def logits(self, tokens: npt.ArrayLike, *, observer: RoutingObserver | None = None) -> Float32Array:
        """Logits of the token that follows each.

        Parameters
        ----------
        tokens : integer array, shape (texts, length)
        observer : callable, optional
            Told the routing of each layer.

        Returns
        -------
        float32 array, shape (texts, length, vocabulary)

        Raises
        ------
        AxhwError
            For tokens outside the vocabulary, and texts longer than the model's context.
        """
        x = self.embed(tokens)
        for layer in range(self.config.layers):
            x = self.layer(layer, x, observer=observer)
        return self.head(x)

    def checked(self, tokens: npt.ArrayLike) -> npt.NDArray[np.integer]:
        """Tokens as an array, refused where the model can't take them.

        Raises
        ------
        AxhwError
            As `logits`.
        """
        found = np.asarray(tokens)
        if found.ndim != 2 or not found.size or found.dtype.kind not in "iu":
            raise AxhwError(
                "Expected tokens as an integer array [texts, length] with some in it, "
                f"found {found.dtype} {list(found.shape)}."
            )
        if found.shape[1] > self.config.context:
            raise AxhwError(f"Expected texts of at most {self.config.context} tokens, found {found.shape[1]}.")
        outside = found[(found < 0) | (found >= self.config.vocabulary)]
        if outside.size:
            raise AxhwError(f"Expected tokens from 0 to {self.config.vocabulary - 1}, found {int(outside[0])}.")
        return found

    def embed(self, tokens: npt.ArrayLike) -> Float32Array:
        """The states before the first layer, shape (texts, length, hidden).

        Raises
        ------
        AxhwError
            As `logits`.
        """
        return self.checkpoint.tensor(EMBEDDING, rows=self.checked(tokens))

    def layer(self, index: int, x: Float32Array, *, observer: RoutingObserver | None = None) -> Float32Array:
        """The states [texts, length, hidden] behind a layer, from those before it."""
        return self.feed_forward(index, self.attended(index, x), observer=observer)

    def attended(self, index: int, x: Float32Array) -> Float32Array:
        """The states behind the attention of a layer: the first half of `layer`."""
        rows = x.reshape(-1, self.config.hidden)
        rows = rows + self._attention(index, self._norm(norm_name(index, "attention"), rows), len(x))
        return rows.reshape(x.shape)

    def feed_forward(self, index: int, x: Float32Array, *, observer: RoutingObserver | None = None) -> Float32Array:
        """The states behind a layer, from those behind its attention: the second half of `layer`."""
        rows = x.reshape(-1, self.config.hidden)
        normed = self._norm(norm_name(index, "feed_forward"), rows)
        if index in self.config.dense_layers:
            rows = rows + self._feed_forward(index, "dense", normed)
        else:
            rows = rows + self._experts(index, normed, len(x), observer)
        return rows.reshape(x.shape)

    def last_norm(self, x: Float32Array) -> Float32Array:
        """What the head takes of the states behind the last layer."""
        return self._norm(LAST_NORM, x)

    def head(self, x: Float32Array) -> Float32Array:
        """Logits [texts, length, vocabulary] from the states behind the last layer."""
        logits = self.operator(HEAD)(self.last_norm(x).reshape(-1, self.config.hidden))
        return logits.reshape(*x.shape[:2], self.config.vocabulary)

    def _attention(self, layer: int, rows: Float32Array, texts: int) -> Float32Array:
        config = self.config
        length = len(rows) // texts

        def heads(part: Part, count: int) -> Float32Array:
            projected = self._project(layer, part, rows)
            if config.qk_norm == "projection" and part != "v":
                projected = self._norm(norm_name(layer, part), projected)
            by_head = projected.reshape(texts, length, count, config.head_dim)
            if config.qk_norm == "head" and part != "v":
                by_head = self._norm(norm_name(layer, part), by_head)
            return by_head

        queries = rotate(heads("q", config.heads), config.rope_theta)
        keys = rotate(heads("k", config.kv_heads), config.rope_theta)
        attended = attend(queries, keys, heads("v", config.kv_heads))
        return self._project(layer, "o", attended.reshape(len(rows), -1))

    def _project(self, layer: int, part: Part, rows: Float32Array) -> Float32Array:
        projected = self.operator(MatrixKey(layer=layer, module="attention", part=part))(rows)
        if part in self.config.biases:
            return projected + self._vectors[bias_name(layer, part)]
        return projected

    def _experts(self, layer: int, rows: Float32Array, texts: int, observer: RoutingObserver | None) -> Float32Array:
        logits = self.operator(MatrixKey(layer=layer, module="router", part="router"))(rows)
        chosen, weights = self._choose(logits.reshape(texts, -1, self.config.experts))
        if observer is not None:
            observer(layer, logits, chosen, weights)

        def run(expert: int, some: Float32Array) -> Float32Array:
            return self._feed_forward(layer, "expert", some, expert)

        result = self._mix(layer, rows, chosen, weights, run)
        if self.config.shared_width:
            result += self._shared(layer, rows)
        return result

    def _shared(self, layer: int, rows: Float32Array) -> Float32Array:
        made = self._feed_forward(layer, "shared_expert", rows)
        if self.config.shared_gate:
            gate = self.operator(MatrixKey(layer=layer, module="shared_expert", part="shared_gate"))
            return made * sigmoid(gate(rows))
        return made

    def _feed_forward(self, layer: int, module: Module, rows: Float32Array, expert: int | None = None) -> Float32Array:
        def operator(part: Part) -> Operator:
            return self.operator(MatrixKey(layer=layer, module=module, part=part, expert=expert))

        return gated_feed_forward(rows, operator("gate"), operator("up"), operator("down"))

    def _norm(self, name: str, x: Float32Array) -> Float32Array:
        return rms_norm(x, self._vectors[name], self.config.norm_eps)


def load_model(folder: Path, *, make: MakeOperator = exact, keep: bool = False) -> LanguageModel:
    """The model in a folder as it is published: config.json, and weights as safetensors.

    Parameters
    ----------
    folder : Path
    make : callable
    keep : bool
        As for `LanguageModel`.

    Raises
    ------
    AxhwError
        If files are missing or damaged, do not fit each other, or hold a model that can't be computed here.
    """
    return LanguageModel(read_config(folder), Checkpoint(folder), make=make, keep=keep)


def _chooser(config: ModelConfig) -> Chooser:
    if config.routing == "expert_choice":
        return ExpertChoice(active=config.active_experts)
    return TokenChoice(active=config.active_experts, normalize=config.normalize_top_k)


def _observed(key: MatrixKey, operator: Operator, observer: RowObserver) -> Operator:
    def multiply(rows: Float32Array) -> Float32Array:
        observer(key, rows)
        return operator(rows)

    return multiply

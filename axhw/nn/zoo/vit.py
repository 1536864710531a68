"""Vision transformers (Dosovitskiy et al. 2021) with pre-norm blocks and a class token."""

from __future__ import annotations

from axhw.errors import AxhwError
from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.base import Shape
from axhw.nn.layers.joins import Add, AddLearned, PrependToken
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.products import Conv2d, Linear, MatMul
from axhw.nn.layers.shaping import Reshape, Slice, Transpose
from axhw.nn.layers.softmax import Softmax


def vit(
    name: str,
    *,
    patch: int,
    features: int,
    blocks: int,
    heads: int,
    expansion: int = 4,
    input_shape: Shape = (3, 32, 32),
    classes: int = 10,
) -> Graph:
    """A vision transformer.

    Parameters
    ----------
    patch : int
        Side of a patch in pixels.
    features, blocks, heads : int
        Of a token; of the network; of an attention, which share the features equally.
    expansion : int
        Features of the hidden layer of a block, in multiples of `features`.

    Raises
    ------
    AxhwError
        If patches don't tile the image, or heads don't share the features equally.
    """
    channels, height, width = input_shape
    if height % patch or width % patch:
        raise AxhwError(f"Expected images in multiples of the patch of {patch} pixels, found the shape {input_shape}.")
    if features % heads:
        raise AxhwError(f"Expected features in multiples of the {heads} heads, found {features}.")
    tokens = (height // patch) * (width // patch)
    build = Builder(name, input_shape=input_shape)
    embedding = Conv2d(in_channels=channels, out_channels=features, kernel=(patch, patch), stride=(patch, patch))
    build("patches", embedding)
    build("tokens", Reshape(shape=(features, tokens)))
    build("token_rows", Transpose(axes=(1, 0)))
    build("class_token", PrependToken(features=features))
    x = build("position", AddLearned(shape=(tokens + 1, features)))
    for block in range(1, blocks + 1):
        x = _block(build, f"block{block}", x, tokens=tokens + 1, features=features, heads=heads, expansion=expansion)
    x = build("norm", LayerNorm(features=features), x)
    build("class", Slice(axis=0, start=0, stop=1, drop=True), x)
    build("head", Linear(in_features=features, out_features=classes))
    return build.graph()


def vit_mini(*, patch: int = 4, input_shape: Shape = (3, 32, 32), classes: int = 10) -> Graph:
    """6 blocks of 60 features and 4 heads, on patches of 4x4 pixels: small enough to come along with weights."""
    return vit("vit_mini", patch=patch, features=60, blocks=6, heads=4, input_shape=input_shape, classes=classes)


def vit_tiny(*, patch: int = 4, input_shape: Shape = (3, 32, 32), classes: int = 10) -> Graph:
    """12 blocks of 192 features and 3 heads (DeiT-Ti), on patches of 4x4 pixels."""
    return vit("vit_tiny", patch=patch, features=192, blocks=12, heads=3, input_shape=input_shape, classes=classes)


def vit_small(*, patch: int = 8, input_shape: Shape = (3, 64, 64), classes: int = 200) -> Graph:
    """12 blocks of 384 features and 6 heads (DeiT-S), on patches of 8x8 pixels."""
    return vit("vit_small", patch=patch, features=384, blocks=12, heads=6, input_shape=input_shape, classes=classes)


def _block(build: Builder, name: str, x: str, *, tokens: int, features: int, heads: int, expansion: int) -> str:
    y = build(f"{name}_norm1", LayerNorm(features=features), x)
    y = _attention(build, f"{name}_attention", y, tokens=tokens, features=features, heads=heads)
    x = build(f"{name}_add1", Add(), y, x)
    build(f"{name}_norm2", LayerNorm(features=features), x)
    build(f"{name}_fc1", Linear(in_features=features, out_features=expansion * features))
    build(f"{name}_gelu", Elementwise(function="gelu"))
    y = build(f"{name}_fc2", Linear(in_features=expansion * features, out_features=features))
    return build(f"{name}_add2", Add(), y, x)


def _attention(build: Builder, name: str, x: str, *, tokens: int, features: int, heads: int) -> str:
    depth = features // heads

    def project(role: str, axes: tuple[int, int, int]) -> str:
        build(f"{name}_{role}", Linear(in_features=features, out_features=features), x)
        build(f"{name}_{role}_split", Reshape(shape=(tokens, heads, depth)))
        return build(f"{name}_{role}_heads", Transpose(axes=axes))

    query = project("query", (1, 0, 2))
    key = project("key", (1, 2, 0))
    value = project("value", (1, 0, 2))
    scores = build(f"{name}_scores", MatMul(scale=depth**-0.5), query, key)
    shares = build(f"{name}_softmax", Softmax(), scores)
    build(f"{name}_mix", MatMul(), shares, value)
    build(f"{name}_rows", Transpose(axes=(1, 0, 2)))
    build(f"{name}_join", Reshape(shape=(tokens, features)))
    return build(f"{name}_project", Linear(in_features=features, out_features=features))

"""Two small networks with experts, whose costs can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from axhw.nn.graph import INPUT, Builder, Graph, Route
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.pooling import GlobalAvgPool
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.layers.shaping import Flatten

ImageExperts = Callable[[int], Graph]


@pytest.fixture(scope="session")
def image_experts() -> ImageExperts:
    """Three experts, k of them chosen for each image of 2 x 4 x 4.

    Multiplications: gate_logits 2 * 3 = 6; each expert 16 * 2 * 2 = 64 a row; head 2 * 2 = 4.
    """

    def build(k: int) -> Graph:
        build = Builder("image_experts", input_shape=(2, 4, 4))
        build("gate_pool", GlobalAvgPool())
        build("gate_flatten", Flatten())
        build("gate_logits", Linear(in_features=2, out_features=3))
        gate = build("gate", Gate(k=k))
        experts = [
            build(f"expert{number}", Conv2d.square(2, 2, kernel=1), INPUT, route=Route(gate=gate, expert=number))
            for number in range(3)
        ]
        build("mixed", Combine(), gate, *experts)
        build("pool", GlobalAvgPool())
        build("flatten", Flatten())
        build("head", Linear(in_features=2, out_features=2))
        return build.graph()

    return build


@pytest.fixture(scope="session")
def token_experts() -> Graph:
    """Two experts of two layers, one chosen for each of 5 tokens of 4 features.

    Multiplications: gate_logits 5 * 4 * 2 = 40; up and down of an expert 4 * 8 = 32 each a token; head 20 * 2 = 40.
    """
    build = Builder("token_experts", input_shape=(5, 4))
    build("gate_logits", Linear(in_features=4, out_features=2))
    gate = build("gate", Gate(k=1))
    outputs = []
    for number in range(2):
        route = Route(gate=gate, expert=number)
        build(f"up{number}", Linear(in_features=4, out_features=8), INPUT, route=route)
        build(f"relu{number}", Relu(), route=route)
        outputs.append(build(f"down{number}", Linear(in_features=8, out_features=4), route=route))
    build("mixed", Combine(), gate, *outputs)
    build("flatten", Flatten())
    build("head", Linear(in_features=20, out_features=2))
    return build.graph()

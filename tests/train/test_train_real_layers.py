"""What a GPU computes for layers of real values has the codes of numpy, here on tensors of the CPU."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.nn.graph import INPUT, Node  # noqa: E402
from axhw.nn.layers.activations import Elementwise  # noqa: E402
from axhw.nn.layers.base import RealLayer  # noqa: E402
from axhw.nn.layers.joins import ScaleLearned  # noqa: E402
from axhw.nn.layers.norms import LayerNorm  # noqa: E402
from axhw.nn.layers.routing import Gate  # noqa: E402
from axhw.nn.layers.softmax import Softmax  # noqa: E402
from axhw.nn.quantize import Quantization  # noqa: E402
from axhw.train.real_layers import device_codes, numpy_codes  # noqa: E402

CODINGS = {
    "symmetric": Quantization.from_range(-9.0, 7.0, signed=True),
    "affine": Quantization.from_range(-9.0, 1.0, signed=True, symmetric=False),
    "unsigned": Quantization.from_range(-0.5, 11.0, signed=False),
}
LAYERS: list[tuple[RealLayer, int]] = [
    (Softmax(), 65),
    (Softmax(), 300),
    (Gate(k=2), 5),
    (Gate(k=1), 4),
    (LayerNorm(features=60), 60),
    (LayerNorm(features=1500), 1500),
    (Elementwise(function="gelu"), 9),
]


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
@pytest.mark.parametrize(("layer", "features"), LAYERS, ids=repr)
def test_codes_are_those_of_numpy(layer: RealLayer, features: int, coding: Quantization) -> None:
    rng = np.random.default_rng(5)
    low, high = coding.code_range
    x = torch.from_numpy(rng.integers(low, high + 1, (200, 3, features)).astype(np.float32))
    parameters = {
        name: torch.from_numpy(rng.normal(1, 0.3, shape).astype(np.float32))
        for name, shape in layer.parameter_shapes.items()
    }
    target = Quantization.from_range(-0.5, 1.0 if features != 60 else 2.5, signed=coding.signed)
    node = Node(name="it", layer=layer, inputs=(INPUT,))
    on_device = device_codes(node, (coding,), target, torch.device("cpu"))
    assert on_device is not None
    found = torch.clamp(on_device((x,), parameters), *target.code_range)
    expected = numpy_codes(node, (coding,), target)((x,), parameters)
    assert torch.equal(found, expected)
    assert len(torch.unique(expected)) > 20 or isinstance(layer, Gate) or features == 300


def test_what_only_multiplies_and_adds_is_left_to_pytorch() -> None:
    node = Node(name="it", layer=ScaleLearned(shape=(3,)), inputs=(INPUT,))
    coding = CODINGS["affine"]
    assert device_codes(node, (coding,), coding, torch.device("cpu")) is None

"""The kernels for GPUs give the bits of PyTorch's operations: run by Triton's interpreter, on any machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("triton", reason="Triton is not installed")

SCRIPT = """
import torch
from axhw.nn.layers.products import Conv2d, Linear
from axhw.train import fusion
from axhw.train.lookup import index_sums
from axhw.train.triton_lookup import triton_sums

fusion.check_kernels("cpu")
generator = torch.Generator().manual_seed(0)
for layer, shape in (
    (Conv2d.square(6, 20, stride=2), (2, 6, 7, 8)),
    (Conv2d.square(6, 6, groups=6), (2, 6, 7, 8)),
    (Conv2d(in_channels=4, out_channels=8, kernel=(3, 2), padding=(1, 0, 2, 1), groups=2), (2, 4, 7, 8)),
    (Conv2d(in_channels=4, out_channels=8, kernel=(3, 2), dilation=(2, 1)), (2, 4, 7, 8)),
    (Linear(in_features=7, out_features=19), (5, 3, 7)),
):
    products = torch.randint(-16384, 16384, (256, 512), generator=generator, dtype=torch.int32)
    a_index = torch.randint(0, 256, shape, generator=generator, dtype=torch.int32)
    column = torch.randint(0, 512, layer.weight_shape, generator=generator, dtype=torch.int32)
    found = triton_sums(layer, products.to(torch.int16), a_index, column, zero=128)
    assert torch.equal(found, index_sums(layer, products, a_index, column, zero=128)), layer
"""


def test_kernels_equal_pytorch() -> None:
    # Triton decides at import whether it interprets.
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, env=environment)

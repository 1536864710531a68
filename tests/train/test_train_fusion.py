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


NETWORKS = """
from dataclasses import replace
import torch
from axhw.hdl.registry import parse
from axhw.nn.assignment import approximated_layers
from axhw.nn.fold import fold_batch_norms
from axhw.nn.network import Network
from axhw.nn.quantizer import range_sources
from axhw.nn.zoo.names import build_graph
from axhw.nn.zoo.vit import vit
from axhw.sim.product_table import golden_table
from axhw.train import approximate, coding
from axhw.train.quantization_aware import QuantizedModule
from axhw.train.table_maps import Approximation
from axhw.train.torch_model import initial_parameters

table = golden_table(parse("roup:p=1,r=4", signed=True))
images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
images = images.contiguous(memory_format=torch.channels_last)
on_gpus, in_order_on_gpus = approximate.fuses, coding.fuses_in_any_order


def on_a_cpu(*tensors):
    dense = all(
        tensor.is_contiguous(memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format)
        for tensor in tensors
    )
    fused.append(dense)
    return dense


def contiguous_on_a_cpu(tensor):
    return on_a_cpu(tensor.flatten()) and tensor.is_contiguous()


for graph in (
    vit("vit", patch=4, features=12, blocks=1, heads=2, input_shape=(3, 8, 8), classes=5),
    build_graph("digits_cnn", input_shape=(3, 8, 8), classes=5),
):
    network = fold_batch_norms(Network(graph=graph, parameters=initial_parameters(graph, seed=0)))
    network = replace(network, ranges=dict.fromkeys(range_sources(network.graph).values(), (-3.0, 3.0)))
    tables = dict.fromkeys(approximated_layers(network.graph), table)
    found = []
    for fuses, in_any_order in ((on_gpus, in_order_on_gpus), (on_a_cpu, contiguous_on_a_cpu)):
        approximate.fuses = coding.fuses = fuses
        coding.fuses_in_any_order = in_any_order
        fused = []
        module = QuantizedModule(network, signed=True, tables=tables, approximation=Approximation(kernel="factors"))
        logits = module.to(memory_format=torch.channels_last).train()(images)
        torch.nn.functional.cross_entropy(logits, torch.arange(3)).backward()
        found.append((logits, {name: parameter.grad for name, parameter in module.named_parameters()}))
    assert sum(fused) > 2 * len(tables)
    (logits, gradients), (own, own_gradients) = found
    assert torch.equal(logits, own)
    for name, gradient in gradients.items():
        torch.testing.assert_close(own_gradients[name], gradient, msg=name)
"""


@pytest.mark.parametrize("script", [SCRIPT, NETWORKS], ids=["kernels", "networks"])
def test_kernels_equal_pytorch(script: str) -> None:
    # Triton decides at import whether it interprets.
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)

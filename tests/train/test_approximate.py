"""Approximate products: integers of the numpy executor for all kinds of tables, and the gradients that were chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.errors import AxhwError  # noqa: E402
from axhw.nn.assignment import LayerTables  # noqa: E402
from axhw.nn.executor import Executor  # noqa: E402
from axhw.nn.graph import Graph, Node  # noqa: E402
from axhw.nn.layers.activations import Relu  # noqa: E402
from axhw.nn.layers.base import ProductLayer, WeightLayer  # noqa: E402
from axhw.nn.layers.products import Conv2d, Linear, MatMul  # noqa: E402
from axhw.nn.network import Network  # noqa: E402
from axhw.nn.quantizer import quantize_network  # noqa: E402
from axhw.nn.zoo.mobilenet import ds_cnn  # noqa: E402
from axhw.nn.zoo.names import build_graph  # noqa: E402
from axhw.nn.zoo.vit import vit  # noqa: E402
from axhw.sim.product_table import ProductTable  # noqa: E402
from axhw.train.approximate import approximate_sums, reference_sums  # noqa: E402
from axhw.train.lookup import index_sums  # noqa: E402
from axhw.train.quantization_aware import QuantizedModule  # noqa: E402
from axhw.train.table_arrays import Factors, table_arrays  # noqa: E402
from axhw.train.table_maps import Approximation, TableMaps  # noqa: E402

MakeTable = Callable[..., ProductTable]
TABLES = [
    ("exact", True),
    ("roup:p=1,r=4,rule=symmetric", True),
    ("roup:p=0,r=6,rule=absolute", True),
    ("bam:ha=1,v=5", True),
    ("evoapprox:mul8s_1KVA", True),
    ("mitchell", True),
    ("drum:k=4", False),
    ("roup:p=0,r=4", False),
    ("bam:v=6", False),
    ("mitchell", False),
]
LAYERS: list[tuple[ProductLayer, tuple[int, ...], tuple[int, ...]]] = [
    (Conv2d.square(3, 4, stride=2), (2, 3, 6, 5), (4, 3, 3, 3)),
    (Conv2d(in_channels=4, out_channels=6, kernel=(2, 3), padding=(0, 1, 1, 0), groups=2), (2, 4, 5, 4), (6, 2, 2, 3)),
    (Conv2d.square(4, 4, groups=4), (2, 4, 5, 5), (4, 1, 3, 3)),
    (Linear(in_features=7, out_features=5), (2, 3, 7), (5, 7)),
    (MatMul(), (2, 2, 3, 7), (2, 2, 7, 4)),
]
IDS = ["convolution", "groups", "depthwise", "linear", "matmul"]


@pytest.mark.parametrize("kernel", ["factors", "lookup"])
@pytest.mark.parametrize(("text", "signed"), TABLES)
@pytest.mark.parametrize("mixed", [False, True])
def test_integers_equal_the_executor(
    text: str,
    signed: bool,
    mixed: bool,
    kernel: Any,
    make_table: MakeTable,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., np.ndarray],
) -> None:
    if kernel == "factors" and text == "mitchell":
        pytest.skip("Mitchell's multiplier has no factors")
    network = make_network(build_graph("digits_cnn", input_shape=(1, 8, 8), classes=5))
    images = noise(2, (1, 8, 8))
    table = make_table(text, signed=signed)
    tables = per_filter_and_kernel(network.graph, table, make_table("exact", signed=signed)) if mixed else table
    for symmetric in (None, False) if signed else (None,):
        fixed = calibrated(network, images, signed=signed, symmetric=symmetric)
        quantized = quantize_network(fixed, images, signed=signed, symmetric=symmetric)
        module = QuantizedModule(
            fixed, signed=signed, symmetric=symmetric, tables=tables, approximation=Approximation(kernel=kernel)
        )
        compare(module, Executor(quantized, tables), images)
        module.check_sums(torch.from_numpy(images))


@pytest.mark.parametrize(
    "graph",
    [
        ds_cnn(channels=8, blocks=1, input_shape=(3, 12, 8), classes=5),
        vit("small", patch=4, features=12, blocks=1, heads=2, input_shape=(3, 12, 8), classes=5),
    ],
    ids=["depthwise", "attention"],
)
def test_depthwise_layers_and_attention(
    graph: Graph,
    make_table: MakeTable,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., np.ndarray],
) -> None:
    network = make_network(graph)
    images = noise(1, graph.input_shape)
    for text, signed, kernel in (("roup:p=1,r=4", True, "factors"), ("bam:v=6", False, "lookup")):
        table = make_table(text, signed=signed)
        fixed = calibrated(network, images, signed=signed)
        module = QuantizedModule(fixed, signed=signed, tables=table, approximation=Approximation(kernel=kernel))
        compare(module, Executor(quantize_network(fixed, images, signed=signed), table), images)


def per_filter_and_kernel(graph: Graph, *tables: ProductTable) -> dict[str, LayerTables | ProductTable]:
    """Tables by filter for one layer, by kernel for the next; the others multiply exactly."""
    rng = np.random.default_rng(0)
    layers: dict[str, WeightLayer] = dict(graph.weight_layers)
    return {
        "conv1": LayerTables(tables=tables, table_of=rng.integers(0, 2, layers["conv1"].weight_shape[:1])),
        "conv2": LayerTables(tables=tables, table_of=rng.integers(0, 2, layers["conv2"].weight_shape[:2])),
        "linear": tables[0],
    }


def compare(module: QuantizedModule, executor: Executor, images: np.ndarray) -> None:
    expected: dict[str, np.ndarray] = {}
    logits = executor(images, observe=lambda node, inputs, output: expected.__setitem__(node.name, np.array(output)))

    def check(node: Node, found: torch.Tensor) -> None:
        consumers = module.graph.consumers[node.name]
        if len(consumers) != 1 or not isinstance(consumers[0].layer, Relu):
            np.testing.assert_array_equal(found.numpy(), expected[node.name], err_msg=node.name)

    with torch.no_grad():
        np.testing.assert_array_equal(module(torch.from_numpy(images), check).numpy(), logits)


def maps_of(layer: ProductLayer, tables: LayerTables, *, signed: bool, approximation: Approximation) -> TableMaps:
    """The maps of one layer."""
    arrays = table_arrays(
        tables.tables,
        signed=signed,
        factors=approximation.kernel != "lookup",
        reach=approximation.reach if approximation.gradient == "table" else None,
    )
    return TableMaps(layer, tables, arrays, approximation)


def operands(
    layer: ProductLayer, a_shape: tuple[int, ...], w_shape: tuple[int, ...], *, signed: bool, zero: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Codes less zero points, and the zero points."""
    rng = np.random.default_rng(4)
    low, high = (-128, 128) if signed else (0, 256)
    a, w = (torch.from_numpy(rng.integers(low, high, shape).astype(np.float32)) for shape in (a_shape, w_shape))
    if not zero:
        return a, w, None, None
    a_zero = torch.tensor(5.0)
    per_output = (len(w), *(1,) * (w.ndim - 1))
    sides = per_output if isinstance(layer, WeightLayer) else ()
    w_zero = torch.from_numpy(rng.integers(3, 99, sides).astype(np.float32))
    return a - a_zero, w - w_zero, a_zero, w_zero


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize(("layer", "a_shape", "w_shape"), LAYERS, ids=IDS)
def test_straight_through_gradient_is_that_of_exact_products(
    layer: ProductLayer, a_shape: tuple[int, ...], w_shape: tuple[int, ...], zero: bool, make_table: MakeTable
) -> None:
    gradients = []
    for text in ("exact", "roup:p=2,r=5", "mitchell"):
        tables = LayerTables.uniform(make_table(text))
        maps = maps_of(layer, tables, signed=True, approximation=Approximation())
        a, w, a_zero, w_zero = operands(layer, a_shape, w_shape, signed=True, zero=zero)
        a.requires_grad_()
        w.requires_grad_()
        sums = approximate_sums(maps, a, w, a_zero=a_zero, w_zero=w_zero)
        direction = torch.linspace(-1, 1, sums.numel()).reshape(sums.shape)
        (sums * direction).sum().backward()
        gradients.append((a.grad, w.grad))
    from axhw.train.products import product_sums

    a, w, _, _ = operands(layer, a_shape, w_shape, signed=True, zero=zero)
    a.requires_grad_()
    w.requires_grad_()
    (product_sums(layer, a, w) * direction).sum().backward()
    for a_gradient, w_gradient in gradients:
        torch.testing.assert_close(a_gradient, a.grad, rtol=1e-5, atol=1e-2)
        torch.testing.assert_close(w_gradient, w.grad, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize(("layer", "a_shape", "w_shape"), LAYERS, ids=IDS)
@pytest.mark.parametrize("kernel", ["factors", "lookup"])
def test_table_gradient_is_the_slope_of_the_table(
    layer: ProductLayer,
    a_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    zero: bool,
    kernel: Any,
    make_table: MakeTable,
) -> None:
    tables = LayerTables.uniform(make_table("drum:k=4", signed=False))
    if isinstance(layer, WeightLayer):
        numbers = np.random.default_rng(5).integers(0, 2, layer.weight_shape[:2])
        tables = LayerTables(tables=(*tables.tables, make_table("bam:v=5", signed=False)), table_of=numbers)
    maps = maps_of(layer, tables, signed=False, approximation=Approximation(gradient="table", reach=6, kernel=kernel))
    a, w, a_zero, w_zero = operands(layer, a_shape, w_shape, signed=False, zero=zero)
    a.requires_grad_()
    w.requires_grad_()
    sums = approximate_sums(maps, a, w, a_zero=a_zero, w_zero=w_zero)
    direction = torch.linspace(-1, 1, sums.numel()).reshape(sums.shape)
    (sums * direction).sum().backward()
    # Slopes term by term, by brute force: each operand's derivative is a sum of looked-up slopes.
    values = np.concatenate([table.values for table in tables.tables], axis=1).astype(np.float64)
    code = np.arange(256)
    above, below = np.minimum(code + 6, 255), np.maximum(code - 6, 0)
    by_a = (values[above] - values[below]) / (above - below)[:, None]
    blocks = values.reshape(256, -1, 256)
    by_w = ((blocks[:, :, above] - blocks[:, :, below]) / (above - below)).reshape(256, -1)
    a_codes = a.detach() + (0 if a_zero is None else a_zero)
    w_codes = w.detach() + (0 if w_zero is None else w_zero)
    expected_a, expected_w = torch.zeros_like(a), torch.zeros_like(w)
    for a_place, w_place, output in pairs(layer, a, w, sums):
        row = int(a_codes[a_place]) if a_place is not None else (0 if a_zero is None else int(a_zero))
        column = int(w_codes[w_place]) + int(maps.first_column.expand(w_codes.shape)[w_place])
        w_offset = 0.0 if w_zero is None else float(w_zero.expand(w.shape)[w_place])
        if a_place is not None:
            expected_a[a_place] += direction[output] * (by_a[row, column] - w_offset)
        expected_w[w_place] += direction[output] * (by_w[row, column] - (0.0 if a_zero is None else float(a_zero)))
    exactness = 1e-4 if kernel == "factors" else 2e-2
    for found, expected in ((a.grad, expected_a), (w.grad, expected_w)):
        torch.testing.assert_close(found, expected, rtol=0, atol=exactness * float(expected.abs().max()))


def pairs(layer: ProductLayer, a: torch.Tensor, w: torch.Tensor, sums: torch.Tensor) -> Any:
    """Places of both operands of every product and of its sum; None for padding."""
    if isinstance(layer, Conv2d):
        top, left = layer.padding[:2]
        outputs = layer.out_channels // layer.groups
        for image, output, y, x in np.ndindex(*sums.shape):
            for channel, row, column in np.ndindex(*w.shape[1:]):
                inside = (y * layer.stride[0] - top + row, x * layer.stride[1] - left + column)
                seen = all(0 <= place < side for place, side in zip(inside, a.shape[2:]))
                source = (image, output // outputs * layer.channels + channel, *inside) if seen else None
                yield source, (output, channel, row, column), (image, output, y, x)
        return
    for place in np.ndindex(*sums.shape):
        for term in range(a.shape[-1]):
            second = (place[-1], term) if isinstance(layer, Linear) else (*place[:-2], term, place[-1])
            yield (*place[:-1], term), second, place


@pytest.mark.parametrize(("layer", "a_shape", "w_shape"), LAYERS, ids=IDS)
def test_indexing_equals_the_compiled_kernels(
    layer: ProductLayer, a_shape: tuple[int, ...], w_shape: tuple[int, ...], make_table: MakeTable
) -> None:
    maps = maps_of(
        layer, LayerTables.uniform(make_table("mitchell")), signed=True, approximation=Approximation(kernel="lookup")
    )
    a, w, a_zero, w_zero = operands(layer, a_shape, w_shape, signed=True, zero=True)
    sums = approximate_sums(maps, a, w, a_zero=a_zero, w_zero=w_zero)
    expected = reference_sums(maps, a, w, a_zero=a_zero, w_zero=w_zero)
    np.testing.assert_array_equal(sums.to(torch.float64).numpy(), expected.numpy())


def test_indexing_pads_with_a_row() -> None:
    layer = Conv2d.square(1, 1)
    products = torch.arange(512, dtype=torch.int32).reshape(256, 2)
    a_index = torch.full((1, 1, 1, 1), 7, dtype=torch.int32)
    sums = index_sums(layer, products, a_index, torch.ones((1, 1, 3, 3), dtype=torch.int32), zero=100)
    assert sums.flatten().tolist() == [8 * 201 + 15]


def test_long_sums_are_exact(make_table: MakeTable) -> None:
    layer = Linear(in_features=5000, out_features=2)
    a, w, _, _ = operands(layer, (3, 5000), (2, 5000), signed=False, zero=False)
    for kernel in ("factors", "lookup"):
        maps = maps_of(
            layer,
            LayerTables.uniform(make_table("drum:k=4", signed=False)),
            signed=False,
            approximation=Approximation(kernel=kernel),
        )
        sums = approximate_sums(maps, 255 - a * 0, 255 - w * 0, a_zero=None, w_zero=None)
        assert sums.dtype == torch.float64
        assert sums.tolist() == [[5000 * 240 * 240] * 2] * 3


def test_sums_are_counted_in_what_divides_all_products(make_table: MakeTable) -> None:
    units = {}
    for text in ("exact", "roup:p=1,r=4", "roup:p=2,r=0"):
        arrays = table_arrays([make_table(text, signed=True)], signed=True, factors=True, reach=None)
        assert arrays.factors is not None
        units[text] = arrays.factors.unit
        terms = np.abs(arrays.factors.left[:, None, :] * arrays.factors.right[None, :, :])
        assert not (terms % arrays.factors.unit).any()
        assert arrays.factors.largest * arrays.factors.unit == terms.sum(axis=2).max()
    assert units["exact"] == 1
    assert units["roup:p=2,r=0"] > 1
    nothing = Factors(left=np.zeros((256, 1)), right=np.zeros((256, 1)))
    assert (nothing.unit, nothing.largest) == (1, 0)


def test_tables_without_products_give_nothing(make_table: MakeTable) -> None:
    layer = Linear(in_features=4, out_features=2)
    a, w, _, _ = operands(layer, (3, 4), (2, 4), signed=True, zero=False)
    maps = maps_of(
        layer,
        LayerTables.uniform(make_table("roup:p=0,r=8,rule=symmetric")),
        signed=True,
        approximation=Approximation(kernel="factors", gradient="table"),
    )
    a.requires_grad_()
    sums = approximate_sums(maps, a, w, a_zero=None, w_zero=None)
    sums.sum().backward()
    assert not sums.any()
    assert a.grad is not None
    assert not a.grad.any()


def test_bad_choices_are_refused(
    make_table: MakeTable,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., np.ndarray],
) -> None:
    with pytest.raises(AxhwError, match="Expected the gradient out of ste, table, found 'exact'."):
        Approximation(gradient="exact")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="Expected the kernel out of auto, factors, lookup, found 'gather'."):
        Approximation(kernel="gather")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="Expected a reach from 1 to 255 codes, found 0."):
        Approximation(reach=0)
    network = make_network(build_graph("digits_cnn", input_shape=(1, 8, 8), classes=5))
    network = calibrated(network, noise(1, (1, 8, 8)), signed=True)
    with pytest.raises(AxhwError, match="Expected tables of at most 32 integer factors for the kernel 'factors'"):
        QuantizedModule(
            network, signed=True, tables=make_table("mitchell"), approximation=Approximation(kernel="factors")
        )

"""The integer network against a brute-force one: Python integers, one pixel and one product at a time."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt
import pytest

from axhw.emulate.gemm import Codes
from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.calibrate import quantize_network
from axhw.nn.dataset import Splits
from axhw.nn.layers import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Relu
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]
Image = list[list[list[int]]]
Multiply = Callable[[int, int], int]

SMALL = Architecture(
    name="small",
    input_shape=(2, 4, 4),
    hidden_layers=(
        Conv2d(name="conv1", in_channels=2, out_channels=3, kernel=3, padding=1),
        MaxPool2d(size=2),
        # Not right behind the convolution: the range holds negative values, and the code of zero is not 0.
        Relu(),
        Conv2d(name="conv2", in_channels=3, out_channels=2, kernel=2, padding=1),
        Relu(),
        Conv2d(name="conv3", in_channels=2, out_channels=4, kernel=2, stride=1),
        AvgPool2d(size=2),
        Flatten(),
    ),
    output_layer=Linear(name="fc", in_features=4, out_features=3),
)


def small_network(rng: np.random.Generator) -> Network:
    shapes = SMALL.parameter_shapes
    return Network(architecture=SMALL, parameters={name: rng.normal(size=shape) for name, shape in shapes.items()})


def small_images(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    # Off centre, so that no zero point is that of a symmetric range.
    return rng.normal(0.3, 1.0, (count, 2, 4, 4))


@pytest.fixture
def small() -> tuple[Network, npt.NDArray[np.float64]]:
    rng = np.random.default_rng(7)
    return small_network(rng), small_images(rng, 40)


def brute_force_sums(product: QuantizedProduct, image: Image, multiply: Multiply) -> Image:
    """Bias and corrected sums of one image [C][H][W], from the definition and nothing else."""
    layer = product.layer
    kernel, stride, padding = (layer.kernel, layer.stride, layer.padding) if isinstance(layer, Conv2d) else (1, 1, 0)
    zero_a = int(product.source.zero_point)
    inputs, height, width = len(image), len(image[0]), len(image[0][0])
    result: Image = []
    for n in range(layer.outputs):
        zero_w = int(product.weights.zero_point[n])
        channel = []
        for top in range(-padding, height + padding - kernel + 1, stride):
            line = []
            for left in range(-padding, width + padding - kernel + 1, stride):
                total, k = int(product.bias[n]), 0
                for c in range(inputs):
                    for y in range(top, top + kernel):
                        for x in range(left, left + kernel):
                            inside = 0 <= y < height and 0 <= x < width
                            a = image[c][y][x] if inside else zero_a
                            w = int(product.codes[k, n])
                            total += multiply(a, w) - zero_w * a - zero_a * w + zero_a * zero_w
                            k += 1
                line.append(total)
            channel.append(line)
        result.append(channel)
    return result


def pool(channel: list[list[int]], *, average: bool) -> list[list[int]]:
    """The largest value, or the mean rounded half up, of each square of 2 x 2."""
    result = []
    for upper, lower in zip(channel[::2], channel[1::2]):
        squares = [[*upper[j : j + 2], *lower[j : j + 2]] for j in range(0, len(upper), 2)]
        result.append([floor(Fraction(sum(s), 4) + Fraction(1, 2)) if average else max(s) for s in squares])
    return result


def brute_force_logits(network: QuantizedNetwork, image: Image, multiply: dict[str, Multiply]) -> list[float]:
    """The whole small network on the codes of one image."""
    low, high = network.input.code_range
    zero = int(network.input.zero_point)
    x = image
    for layer in SMALL.hidden_layers:
        if isinstance(layer, Conv2d):
            requantizer = network.requantizers[layer.name]
            zero = int(requantizer.target.zero_point)
            sums = brute_force_sums(network.products[layer.name], x, multiply[layer.name])
            scales = [Fraction(int(m), 2 ** int(s)) for m, s in zip(requantizer.multiplier, requantizer.shift)]
            x = [
                [[min(max(floor(v * scale + Fraction(1, 2)) + zero, low), high) for v in line] for line in channel]
                for channel, scale in zip(sums, scales)
            ]
        elif isinstance(layer, Relu):
            x = [[[max(v, zero) for v in line] for line in channel] for channel in x]
        elif isinstance(layer, MaxPool2d | AvgPool2d):
            x = [pool(channel, average=isinstance(layer, AvgPool2d)) for channel in x]
    flat = [[[v]] for channel in x for line in channel for v in line]
    last = network.products["fc"]
    sums = brute_force_sums(last, flat, multiply["fc"])
    return [channel[0][0] * float(unit) for channel, unit in zip(sums, last.unit)]


def multiply_by(table: ProductTable) -> Multiply:
    return lambda a, w: int(table.values[a - table.lowest, w - table.lowest])


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("exact", True),
        ("exact", False),
        ("evoapprox:mul8s_1L2J", True),
        ("evoapprox:mul8s_1KXF", True),
        ("bam:ha=1,hb=3,v=5", False),
    ],
)
def test_equals_brute_force(
    text: str, signed: bool, small: tuple[Network, npt.NDArray[np.float64]], make_table: MakeTable
) -> None:
    float_network, images = small
    network = quantize_network(float_network, images, signed=signed)
    table = make_table(text, signed=signed)
    logits = network.forward(images[:8], table)
    codes = network.input.encode(images[:8])
    multiply = dict.fromkeys(network.products, multiply_by(table))
    for image, found in zip(codes.tolist(), logits.tolist()):
        assert found == brute_force_logits(network, image, multiply)


def test_padding_goes_through_the_table(small: tuple[Network, npt.NDArray[np.float64]], make_table: MakeTable) -> None:
    float_network, images = small
    network = quantize_network(float_network, images, signed=False)
    exact = make_table("exact", signed=False)
    zero_a = int(network.products["conv1"].source.zero_point)
    assert zero_a > 0
    values = exact.values.copy()
    values[zero_a] += 1000
    wrong_at_zero = ProductTable(values=values, width=8, signed=False, name="wrong at zero", source={})
    # An image of the zero point alone: padding and pixels are all looked up in the changed row.
    blank = np.zeros((1, 2, 4, 4))
    seen: dict[str, npt.NDArray[np.int64]] = {}

    def observe(name: str, a: Codes, w: Codes) -> None:
        product = network.products[name]
        seen[name] = product.sums(a, wrong_at_zero) - product.sums(a, exact)

    network.forward(blank, observe=observe)
    assert np.array_equal(seen["conv1"], np.full((16, 3), 18 * 1000))


def test_padding_of_signed_codes_goes_through_the_table(make_table: MakeTable) -> None:
    layer = Conv2d(name="conv", in_channels=1, out_channels=1, kernel=3, padding=1)
    architecture = Architecture(
        name="net",
        input_shape=(1, 2, 2),
        hidden_layers=(layer, Flatten()),
        output_layer=Linear(name="fc", in_features=4, out_features=2),
    )
    parameters = {
        "conv.weight": np.ones((1, 1, 3, 3)),
        "conv.bias": np.zeros(1),
        "fc.weight": np.ones((2, 4)),
        "fc.bias": np.zeros(2),
    }
    network = quantize_network(
        Network(architecture=architecture, parameters=parameters), np.ones((1, 1, 2, 2)), signed=True
    )
    values = make_table("exact").values.copy()
    values[128] += 7
    table = ProductTable(values=values, width=8, signed=True, name="7 at zero", source={})
    rows = layer.rows(network.input.encode(np.ones((1, 1, 2, 2))), zero=0)
    # Each of the four windows covers five padding pixels.
    difference = network.products["conv"].sums(rows, table) - network.products["conv"].sums(rows, make_table("exact"))
    assert difference.ravel().tolist() == [35] * 4


def test_layers_can_have_tables_of_their_own(
    small: tuple[Network, npt.NDArray[np.float64]], make_table: MakeTable
) -> None:
    float_network, images = small
    network = quantize_network(float_network, images, signed=True)
    table, exact = make_table("evoapprox:mul8s_1L2N"), make_table("exact")
    multiply = dict.fromkeys(network.products, multiply_by(exact)) | {"conv2": multiply_by(table)}
    logits = network.forward(images[:4], {"conv2": table})
    codes = network.input.encode(images[:4])
    for image, found in zip(codes.tolist(), logits.tolist()):
        assert found == brute_force_logits(network, image, multiply)
    assert not np.array_equal(logits, network.forward(images[:4]))
    assert np.array_equal(network.forward(images[:4], {}), network.forward(images[:4], exact))


def test_operand_order_matters(small: tuple[Network, npt.NDArray[np.float64]], make_table: MakeTable) -> None:
    float_network, images = small
    network = quantize_network(float_network, images, signed=True)
    cut_a = make_table("bam:ha=5")
    cut_w = make_table("bam:hb=5")
    assert np.array_equal(cut_a.values, cut_w.values.T)
    # Weights reach -127..127 in each channel, activations of this network mostly less: the tables differ in effect.
    assert not np.array_equal(network.forward(images, cut_a), network.forward(images, cut_w))
    product = network.products["fc"]
    rows = np.full((1, 4), 31, np.int8)
    assert product.sums(rows, cut_a).tolist() == [product.bias.tolist()]


def test_integer_logits_are_close_to_float_ones(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    images = splits.validation.images
    for network in quantized.values():
        expected = network.network.forward(images)
        error = np.abs(network.forward(images) - expected).mean()
        assert error < 0.02 * np.abs(expected).max()


def test_results_do_not_depend_on_the_batch(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    images, table = splits.validation.images[:9], make_table("roup:p=2,r=3")
    one_by_one = np.concatenate([quantized[True].forward(images[i : i + 1], table) for i in range(9)])
    assert np.array_equal(quantized[True].forward(images, table), one_by_one)


def test_histograms_count_all_multiplications(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    images = splits.validation.images[:5]
    network = quantized[True]
    histograms = network.operand_histograms(images)
    assert {name: int(counts.sum()) for name, counts in histograms.items()} == {
        name: 5 * count for name, count in network.multiplications.items()
    }
    # The columns are the weights: each is used at every position of every image.
    weights = np.bincount(network.products["conv2"].codes.astype(np.int64).ravel() + 128, minlength=256)
    assert np.array_equal(histograms["conv2"].sum(axis=0), weights * 64 * 5)
    # Behind a ReLU there is no negative activation.
    assert not histograms["conv2"][:128].any()


def test_histograms_see_what_tables_make_of_activations(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    images = splits.validation.images[:5]
    exact = quantized[True].operand_histograms(images)
    approximate = quantized[True].operand_histograms(images, make_table("evoapprox:mul8s_1L2N"))
    assert np.array_equal(exact["conv1"], approximate["conv1"])
    assert not np.array_equal(exact["conv2"], approximate["conv2"])


def test_sums_beyond_the_accumulator_are_refused(quantized: dict[bool, QuantizedNetwork]) -> None:
    product = quantized[True].products["conv2"]
    rows = np.full((1, 144), 127, np.int8)
    with pytest.raises(AxhwError, match=r"Expected sums within 32 bits in conv2, found .* too large for its 144 terms"):
        product.sums(rows, np.full((256, 256), 2**30, np.int32))

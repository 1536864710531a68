"""Normalisation as torchvision does it, and measured exactly."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.data.normalization import Normalization
from axhw.errors import AxhwError


def test_the_measure_is_that_of_floating_point_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5000, 2, 3, 3), dtype=np.uint8)
    pixels[:, 1] //= 3
    found = Normalization.measured(pixels)
    values = pixels.astype(np.float64) / 255
    assert found.scale == 255
    assert found.mean == pytest.approx(values.mean((0, 2, 3)), rel=1e-12)
    assert found.std == pytest.approx(values.std((0, 2, 3)), rel=1e-12)
    images = found.apply(pixels)
    assert images.mean((0, 2, 3)) == pytest.approx([0, 0], abs=1e-4)
    assert images.std((0, 2, 3)) == pytest.approx([1, 1], abs=1e-4)


def test_the_bits_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch (extra train) is not installed")
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    images = torch.from_numpy(pixels).to(torch.float32).div(255)
    images.sub_(torch.tensor(mean).view(-1, 1, 1)).div_(torch.tensor(std).view(-1, 1, 1))
    assert np.array_equal(Normalization(mean=mean, std=std).apply(pixels), images.numpy())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean": (0.5,), "std": (1.0, 1.0)}, r"for each channel, found 1 and 2\.$"),
        ({"mean": (), "std": ()}, r"for each channel, found 0 and 0\.$"),
        ({"mean": (float("nan"),), "std": (1.0,)}, r"^Expected finite numbers to normalise with, found .*nan"),
        ({"mean": (0.0,), "std": (0.0,)}, r"^Expected standard deviations and a scale above 0 to normalise with"),
        ({"mean": (0.0,), "std": (1.0,), "scale": -1.0}, "a scale above 0 to normalise with"),
    ],
)
def test_impossible_numbers(values: dict[str, object], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Normalization(**values)  # type: ignore[arg-type]


def test_constant_images_have_no_measure() -> None:
    pixels = np.full((4, 2, 2, 2), 7, np.uint8)
    pixels[0, 0] = 9
    with pytest.raises(
        AxhwError, match=r"^Expected images that differ to measure a normalisation on, found channel 1 constant at 7\.$"
    ):
        Normalization.measured(pixels)

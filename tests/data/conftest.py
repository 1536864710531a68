"""No test reads or fills the user's data and cache folders; small image files that the tests make."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from axhw.data.places import CACHE_ENVIRONMENT, DATA_ENVIRONMENT

Encoded = Callable[..., bytes]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test."""
    monkeypatch.setenv(CACHE_ENVIRONMENT, str(tmp_path / "cache"))
    monkeypatch.delenv(DATA_ENVIRONMENT, raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def encoded() -> Encoded:
    """An image file of a uint8 array: ``encoded(pixels, "JPEG", quality=75)``."""

    def encode(pixels: npt.NDArray[np.uint8], form: str = "PNG", **options: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, form, **options)
        return file.getvalue()

    return encode

"""What the tests of emulation share: the plain definition of a product, random operands, and other processors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.emulate import vector_ir
from axhw.emulate.codes import Codes
from axhw.emulate.vector_ir import Processor

Reference = Callable[..., npt.NDArray[np.int64]]

# What LLVM calls the instruction sets of processors that kernels tell apart.
PROCESSORS = {"AVX2": {"avx2"}, "plain vectors": set()}


def lowest(codes: Codes) -> int:
    return -128 if codes.dtype == np.int8 else 0


def conv_reference(
    x: Codes,
    weight: Codes,
    tables: npt.NDArray[np.integer],
    *,
    table_of: npt.ArrayLike = 0,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    zero: int = 0,
) -> npt.NDArray[np.int64]:
    """The definition of a convolution, one weight at a time; `tables` [T, 256, 256]."""
    batch, _, height, width = x.shape
    filters, channels, kernel_height, kernel_width = weight.shape
    top, left, bottom, right = padding
    padded = np.full((batch, x.shape[1], height + top + bottom, width + left + right), zero, np.int64)
    padded[:, :, top : top + height, left : left + width] = x
    rows = (padded.shape[2] - dilation[0] * (kernel_height - 1) - 1) // stride[0] + 1
    columns = (padded.shape[3] - dilation[1] * (kernel_width - 1) - 1) // stride[1] + 1
    chosen = np.broadcast_to(table_of, weight.shape)
    result = np.zeros((batch, filters, rows, columns), np.int64)
    for o, c, i, j in np.ndindex(weight.shape):
        channel = o // (filters // groups) * channels + c
        first, second = i * dilation[0], j * dilation[1]
        under = padded[
            :,
            channel,
            first : first + (rows - 1) * stride[0] + 1 : stride[0],
            second : second + (columns - 1) * stride[1] + 1 : stride[1],
        ]
        products = tables[chosen[o, c, i, j]].astype(np.int64)
        result[:, o] += products[under - lowest(x), int(weight[o, c, i, j]) - lowest(weight)]
    return result


def gemm_reference(
    a: Codes, w: Codes, tables: npt.NDArray[np.integer], *, table_of: npt.ArrayLike = 0
) -> npt.NDArray[np.int64]:
    """The definition of a matrix product, one weight at a time; `tables` [T, 256, 256]."""
    kernels = w.T[:, :, None, None]
    chosen = np.broadcast_to(table_of, w.shape).T[:, :, None, None]
    return conv_reference(a[:, :, None, None], kernels, tables, table_of=chosen)[:, :, 0, 0]


@pytest.fixture(name="conv_reference", scope="session")
def _conv_reference() -> Reference:
    return conv_reference


@pytest.fixture(name="gemm_reference", scope="session")
def _gemm_reference() -> Reference:
    return gemm_reference


@pytest.fixture(params=["this one", *PROCESSORS])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Processor:
    """Kernels for narrower registers and fewer instructions, which this processor runs as well."""
    if not vector_ir.available():
        pytest.skip("llvmlite is missing")
    found = vector_ir.processor()
    if request.param in PROCESSORS:
        found = Processor(name=found.name, features=frozenset(PROCESSORS[request.param]))
        monkeypatch.setattr(vector_ir, "processor", lambda: found)
    return found


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where llvmlite is missing."""
    monkeypatch.setenv(vector_ir.NO_COMPILER, "1")

"""Convolution in which every scalar product is looked up in a table, exact in integers.

result[b, o, y, x] = sum over kernel rows, columns and channels of the table's product of the activation under the
kernel and the weight. Overlapping patches are never copied: kernels read the image through bases and offsets.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Codes, check_codes
from axhw.emulate.patches import ConvShape
from axhw.emulate.prepared import Multiplication
from axhw.emulate.tables import Tables, weight_columns
from axhw.errors import AxhwError


def prepare_conv2d(
    weight: Codes,
    tables: Tables,
    *,
    a_dtype: npt.DTypeLike,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    zero: int = 0,
    table_of: npt.ArrayLike | None = None,
    weight_zero: npt.ArrayLike | None = None,
    plan: str | None = None,
    threads: int | None = None,
) -> Multiplication:
    """Prepare a convolution with fixed weights.

    Parameters
    ----------
    weight : int8 or uint8 array, shape (O, C / groups, kernel height, kernel width)
    tables, a_dtype, plan, threads
        As for `axhw.emulate.gemm.prepare_gemm`.
    stride, dilation : (int, int)
        Vertical, horizontal.
    padding : (int, int, int, int)
        Top, left, bottom, right.
    zero : int
        Activation code of zero, which pads and whose products are looked up like any other.
    table_of, weight_zero : integer arrays that broadcast to the shape of `weight`, optional
        E.g. [O, 1, 1, 1] for one per filter, [O, C / groups, 1, 1] for one per kernel.

    Raises
    ------
    AxhwError
        For bad input.
    VerificationError
        If the kernel fails its check against plain integer arithmetic.
    """
    check_codes("weight", weight)
    if weight.ndim != 4 or 0 in weight.shape[2:]:
        raise AxhwError(f"Expected weights of shape [O, C / groups, kh, kw], found {list(weight.shape)}.")
    filters = len(weight)
    if not isinstance(groups, int) or groups < 1 or filters % groups:
        raise AxhwError(f"Expected groups that divide the {filters} filters, found {groups!r}.")
    for name, sides, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", padding, 0)):
        count = 4 if name == "padding" else 2
        if len(sides) != count or any(not isinstance(side, (int, np.integer)) or side < least for side in sides):
            raise AxhwError(f"Expected {name} as {count} integers of at least {least}, found {sides!r}.")
    weights = weight_columns(weight, tables, a_dtype=a_dtype, table_of=table_of, weight_zero=weight_zero)
    limits = np.iinfo(weights.a_dtype)
    if not limits.min <= zero <= limits.max:
        raise AxhwError(f"Expected a code of {weights.a_dtype} for zero, found {zero}.")
    channels, height, width = weight.shape[1:]
    shape = ConvShape(
        channels=channels * groups,
        filters=filters,
        groups=groups,
        kernel=(height, width),
        stride=(int(stride[0]), int(stride[1])),
        dilation=(int(dilation[0]), int(dilation[1])),
        padding=(int(padding[0]), int(padding[1]), int(padding[2]), int(padding[3])),
        zero=int(zero),
    )
    # Terms in the order of the image's memory: kernel rows, kernel columns, channels.
    column = weights.column.reshape(groups, filters // groups, channels, height, width).transpose(0, 3, 4, 2, 1)
    by_term = column.reshape(groups, height * width * channels, filters // groups)
    return Multiplication(weights.with_column(by_term), shape=shape, plan=plan, threads=threads)

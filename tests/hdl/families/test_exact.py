"""The exact family at the widths the reduction tests leave out, and its messages."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("encoding", ["booth", "baugh_wooley"])
def test_wide_hardware(encoding, signed, check_hardware):
    check_hardware(
        [
            ExactSpec(width=width, signed=signed, encoding=encoding, tree=tree, adder=adder)
            for width, tree, adder in [
                (12, "wallace", "kogge_stone"),
                (13, "array", "sklansky"),
                (16, "dadda", "brent_kung"),
            ]
        ],
        count=3000,
    )


def test_narrow_hardware(check_hardware):
    check_hardware([ExactSpec(width=4, signed=s, encoding=e) for s in (True, False) for e in ("booth", "baugh_wooley")])


def test_reference_multiplies_python_integers():
    spec = ExactSpec(width=16, signed=False)
    assert int(spec.reference(65535, 65535)) == 65535 * 65535
    assert spec.reference([[1], [2]], [3, 4]).tolist() == [[3, 4], [6, 8]]
    assert spec.reference(np.uint8(200), np.int16(3)).dtype == np.int64


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"encoding": "radix8"}, "Expected encoding to be one of booth, baugh_wooley, found 'radix8'."),
        ({"tree": "bush"}, "Expected tree to be one of dadda, wallace, array, found 'bush'."),
        ({"adder": 3}, "Expected adder to be one of ripple, brent_kung, sklansky, kogge_stone, found 3."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        ExactSpec(**parameters)
    assert str(caught.value) == message

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.analog.cells import BitSlicing
from axhw.analog.tiles import Cut, TileSpec
from axhw.errors import AxhwError


@pytest.mark.parametrize(
    ("size", "full", "even"),
    [
        (1, [1], [1]),
        (511, [511], [511]),
        (512, [512], [512]),
        (513, [512, 1], [257, 256]),
        (1024, [512, 512], [512, 512]),
        (1025, [512, 512, 1], [342, 342, 341]),
    ],
)
def test_sizes_at_the_borders_of_tiles(size: int, full: list[int], even: list[int]) -> None:
    assert [stop - start for start, stop in TileSpec().input_spans(size)] == full
    assert [stop - start for start, stop in TileSpec(cut="even").output_spans(size)] == even


@given(st.integers(1, 3000), st.integers(1, 600), st.sampled_from(["full", "even"]))
def test_tiles_cover_all_inputs_once(size: int, rows: int, cut: Cut) -> None:
    spans = TileSpec(rows=rows, cut=cut).input_spans(size)
    assert [number for start, stop in spans for number in range(start, stop)] == list(range(size))
    assert max(stop - start for start, stop in spans) <= rows
    assert len(spans) == -(-size // rows)


def test_tile_counts() -> None:
    assert TileSpec().tile_count(outputs=1, inputs=1) == 1
    assert TileSpec().tile_count(outputs=513, inputs=1025) == 6
    assert TileSpec(rows=64, columns=32).tile_count(outputs=64, inputs=64) == 2
    sliced = TileSpec(slicing=BitSlicing(weight_bits=8, cell_bits=2))
    assert sliced.tile_count(outputs=512, inputs=1024) == 8


def test_what_is_refused() -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"rows": 0}, "Expected tiles of at least 1 row, found 0 rows."),
        ({"columns": -1}, "Expected tiles of at least 1 column, found -1 columns."),
        ({"output_range": 0.0}, "Expected an output range lambda above 0, found 0.0."),
        ({"cut": "ragged"}, "Expected tiles cut full or even, found 'ragged'."),
        ({"dac_bits": 1}, "Expected a converter of 2 to 16 bits, or None for an ideal one, found 1."),
        ({"adc_bits": 24}, "Expected a converter of 2 to 16 bits, or None for an ideal one, found 24."),
    ]
    for wrong, message in refused:
        with pytest.raises(AxhwError, match=f"^{message}$"):
            TileSpec(**wrong)

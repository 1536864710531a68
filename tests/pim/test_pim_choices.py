"""Routing traces: drawn, from files, and from language models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from axhw.data import python_topics
from axhw.errors import AxhwError
from axhw.lm.model import load_model
from axhw.pim.choices import Choices, load_choices, synthetic_choices
from axhw.pim.model_choices import model_choices, model_folder, shipped_models, traced_layer

RAGGED = Choices(chosen=np.array([[3, 0], [-1, 2], [1, -1]]), experts=4)


def test_a_longer_trace_begins_with_the_shorter_one() -> None:
    short, long = (synthetic_choices(seed=3, tokens=tokens, skew=1.0) for tokens in (20, 50))
    np.testing.assert_array_equal(long.part(0, 20).chosen, short.chosen)
    assert long.part(20, 50).tokens == 30


def test_loads_and_matrix() -> None:
    assert RAGGED.expert_loads.tolist() == [1, 1, 1, 1]
    assert RAGGED.matrix.tolist() == [[1, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]
    trace = synthetic_choices(seed=0, tokens=40, experts=8, active=3)
    assert trace.expert_loads.sum() == trace.matrix.sum() == 120


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_files(tmp_path: Path, suffix: str) -> None:
    for number, choices in enumerate((RAGGED, synthetic_choices(seed=1, tokens=7))):
        path = tmp_path / f"{number}{suffix}"
        choices.save(path)
        found = load_choices(path, experts=choices.experts)
        np.testing.assert_array_equal(found.matrix, choices.matrix)
    assert load_choices(tmp_path / f"0{suffix}").experts == 4


@pytest.mark.parametrize(
    ("chosen", "experts", "message"),
    [
        (np.zeros((2, 2), np.float64), 4, r"Expected choices as an integer array .*, found float64 \[2, 2\]\."),
        (np.zeros((0, 2), np.int64), 4, r"found int64 \[0, 2\]\."),
        (np.array([[0, 4]]), 4, "Expected experts from 0 to 3, or -1 for none, found 0 to 4."),
        (np.array([[0, -2]]), 4, "found -2 to 0."),
        (np.array([[0, 1], [2, 2]]), 4, "Expected different experts of each token, found one twice at token 1."),
        (np.array([[0, 1], [-1, -1]]), 4, "Expected an expert of each token, found none of token 1."),
    ],
)
def test_what_are_no_choices(chosen: np.ndarray, experts: int, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Choices(chosen=chosen, experts=experts)


def test_no_trace_to_draw() -> None:
    with pytest.raises(AxhwError, match="found 0 tokens and 4 of 16 experts."):
        synthetic_choices(seed=0, tokens=0)
    with pytest.raises(AxhwError, match="found 5 tokens and 9 of 8 experts."):
        synthetic_choices(seed=0, tokens=5, experts=8, active=9)
    with pytest.raises(AxhwError, match="Expected tokens out of 3, found 2 to 3."):
        RAGGED.part(2, 4)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"Expected a file of choices that ends in .npz or .csv, found trace.txt\."):
        load_choices(Path("trace.txt"))
    with pytest.raises(AxhwError, match="Expected a readable file .*absent.npz, found: No such file or directory."):
        load_choices(tmp_path / "absent.npz")
    path = tmp_path / "bad.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(AxhwError, match="Expected an NPZ file of plain arrays"):
        load_choices(path)
    np.savez(path, experts=4)
    with pytest.raises(AxhwError, match="Expected an array 'chosen' in .*bad.npz, found experts."):
        load_choices(path)
    np.savez(path, chosen=np.array([[1, 2]]), experts=np.array([4, 5]))
    with pytest.raises(AxhwError, match=r"Expected the number of experts in .* as one integer, found int64 \[2\]\."):
        load_choices(path)
    np.savez(path, chosen=np.array([[1, 1]]))
    with pytest.raises(
        AxhwError, match="bad.npz: Expected different experts of each token, found one twice at token 0"
    ):
        load_choices(path)
    np.savez(path, chosen=np.array([{}], dtype=object))
    with pytest.raises(AxhwError, match="Expected an NPZ file of plain arrays"):
        load_choices(path)
    path = tmp_path / "bad.csv"
    path.write_text("1,2\n3,x\n")
    with pytest.raises(AxhwError, match="Expected numbers of experts in line 2 of .*bad.csv, found '3,x'."):
        load_choices(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(AxhwError, match="Expected a CSV file as UTF-8 text"):
        load_choices(path)
    path.write_text("")
    with pytest.raises(AxhwError, match="Expected choices in .*bad.csv, found none."):
        load_choices(path)


def test_choices_of_a_language_model() -> None:
    folder = model_folder("olmoe_bytes_small")
    assert folder is not None
    assert folder.name in shipped_models()
    assert model_folder("nothing") is None
    model = load_model(folder, keep=True)
    text = np.frombuffer(python_topics.held_out()[1][:513], np.uint8)
    layers = model_choices(model, text, window=128)
    assert list(layers) == [0, 1, 2]
    assert layers[2].chosen.shape == (512, 2)
    # The first layer's routing of a text is that of its tokens alone, one window after the other.
    again = model_choices(model, text[:129], window=128)
    np.testing.assert_array_equal(again[2].chosen, layers[2].chosen[:128])
    traced = traced_layer(folder, layer=1, tokens=300)
    assert (traced.tokens, traced.experts) == (300, 16)


def test_models_that_can_not_be_traced(tmp_path: Path) -> None:
    folder = model_folder("olmoe_bytes_small")
    assert folder is not None
    with pytest.raises(AxhwError, match="Expected a layer with experts out of 0, 1, 2 in .*, found 3."):
        traced_layer(folder, layer=3, tokens=10)
    (tmp_path / "text").write_text("short")
    with pytest.raises(AxhwError, match="Expected a text of at least 257 bytes for 10 tokens, found 5."):
        traced_layer(folder, layer=0, tokens=10, text=tmp_path / "text")
    with pytest.raises(AxhwError, match="Expected a readable text .*absent, found: No such file or directory."):
        traced_layer(folder, layer=0, tokens=10, text=tmp_path / "absent")

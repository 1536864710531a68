"""States on disk: complete or absent, of one search, and readable after kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.evolve import checkpoint

QUESTION = {"seed": 1, "limits": {"mae": [0.5, 2.0]}}

_ENDLESS = """
import sys
from pathlib import Path
from axhw.evolve import checkpoint
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.limits import Limits
from axhw.evolve.problem import Problem
from axhw.evolve.search import Search, Settings
from axhw.hdl.gate_builder import exact_multiplier
from axhw.synth.libraries import load_library

limits = Limits(width=4, metric="mae", ladder=(0.5, 2.0))
costs = GateCosts.of(load_library("sg13g2").cells)
problem = Problem(width=4, signed=True, costs=costs, objective="area", metrics=("mae",))
search = Search(problem, limits, exact_multiplier(4, signed=True), Settings(epoch=500, migration=2))
folder, question = Path(sys.argv[1]), {"seed": 1, "limits": {"mae": [0.5, 2.0]}}


def save(progress):
    checkpoint.save(search, question, folder)
    print(progress.evaluations, flush=True)


search.run(seconds=60.0, report=save)
"""


def arrays(search):
    return {name: array.copy() for name, array in search.arrays().items()}


def test_resumed_is_uninterrupted(search, tmp_path):
    whole = search()
    whole.run(evaluations=4_000)
    part = search()
    part.run(evaluations=1_500)
    checkpoint.save(part, QUESTION, tmp_path)
    resumed = search()
    checkpoint.restore(resumed, QUESTION, tmp_path)
    assert resumed.evaluations == part.evaluations
    resumed.run(evaluations=4_000)
    assert [each.circuit for each in resumed.found()] == [each.circuit for each in whole.found()]
    for name, array in arrays(whole).items():
        if "_genes_" not in name:
            assert np.array_equal(arrays(resumed)[name], array), name


def test_killed_search_goes_on(search, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(20):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    resumed = search()
    checkpoint.restore(resumed, QUESTION, tmp_path)
    reached = resumed.evaluations
    assert reached > 0
    resumed.run(evaluations=reached + 1_000)
    whole = search()
    whole.run(evaluations=reached + 1_000)
    assert [each.circuit for each in resumed.found()] == [each.circuit for each in whole.found()]


def test_other_searches_are_refused(search, tmp_path):
    evolution = search()
    with pytest.raises(AxhwError, match=r"Expected .*evolution.npz to resume, found none"):
        checkpoint.restore(evolution, QUESTION, tmp_path)
    checkpoint.save(evolution, QUESTION, tmp_path)
    with pytest.raises(AxhwError, match=r"Expected the search that was begun in .* \(seed = 1\), found 2: resume with"):
        checkpoint.restore(evolution, {**QUESTION, "seed": 2}, tmp_path)
    with pytest.raises(AxhwError, match="Expected a checkpoint with .* found another: damaged"):
        checkpoint.restore(search(islands=3), QUESTION, tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense" * 100])
def test_damaged_files_are_refused(content, search, tmp_path):
    (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(AxhwError, match="Expected a search in .*evolution.npz, found"):
        checkpoint.restore(search(), QUESTION, tmp_path)


def test_cut_file_is_refused(search, tmp_path):
    checkpoint.save(search(), QUESTION, tmp_path)
    path = tmp_path / checkpoint.FILE
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(AxhwError, match="Expected a search in"):
        checkpoint.restore(search(), QUESTION, tmp_path)

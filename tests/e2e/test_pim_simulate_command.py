"""``axhw pim simulate``, typed as a user would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]

LLAMA = ("pim", "simulate", "--model", "llama-moe-4-16")


def test_published_figures(run: Run, found: Found, tmp_path: Path) -> None:
    command = (*LLAMA, "--accounting", "published", "--uncached")
    document = found(*command, "--out", str(tmp_path))
    assert document["prefill"]["time_ns"] == 244_282.5
    assert document["decode"]["energy_nj"] == pytest.approx(473_555.43, abs=0.005)
    assert document["uncached"]["mvms"] == 376_880
    assert document["ratios"]["energy"] == pytest.approx(10.10, abs=0.005)
    assert document["crossbars"]["experts"] == 16 * 96
    table = pd.read_csv(tmp_path / "pim-steps.csv")
    assert table["tokens"].tolist() == [32, *range(33, 40)]
    assert table["mvms"].sum() == 48_080 + 24_080
    assert [Path(path).name for path in document["files"]] == [
        "pim-steps.csv",
        "pim-energy.svg",
        "pim-energy.png",
        "pim-timeline.svg",
        "pim-timeline.png",
    ]
    code, out, _ = run(*command)
    assert code == 0
    assert "493,518.83 ns" in out
    assert "Steps without caches take 4.16 x the time and 10.10 x the energy." in out


def test_full_accounting_of_groups(found: Found) -> None:
    alone, shared = (
        found(*LLAMA, "--prompt", "8", "--generate", "2", "--group", group, "--seed", "1") for group in ("1", "4")
    )
    assert alone["accounting"] == "full"
    assert [step["passes"] for step in alone["steps"]] == [1, 1]
    assert alone["decode"]["go_dram_nj"] > 0
    assert shared["decode"]["mvms"] == alone["decode"]["mvms"]
    assert shared["decode"]["mvm_nj"] < alone["decode"]["mvm_nj"]


def test_caches_can_be_left_out(run: Run, found: Found) -> None:
    short = ("--prompt", "4", "--generate", "1")
    document = found(*LLAMA, *short, "--no-kv-cache", "--no-go-cache")
    assert document["decode"]["kv_cache_bytes"] == document["decode"]["go_cache_bytes"] == 0
    assert document["decode"]["mvms"] > found(*LLAMA, *short)["decode"]["mvms"]
    code, out, _ = run(*LLAMA, *short, "--no-go-cache")
    assert code == 0
    assert "KV cache, full accounting" in out


def test_own_models(found: Found, tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "axhw" / "lm" / "models" / "olmoe_bytes_small"
    document = found(
        "pim", "simulate", "--model", str(folder), "--prompt", "6", "--generate", "0", "--out", str(tmp_path)
    )
    assert document["model"]["name"] == "olmoe_bytes_small"
    assert document["model"]["experts_choose"] is False
    assert document["steps"] == []
    assert document["prefill"]["mvms"] > 0
    assert (tmp_path / "pim-timeline.png").is_file()


def test_errors(run: Run) -> None:
    code, _, problem = run("pim", "simulate", "--model", "gpt")
    assert code == 2
    assert "Expected a model out of llama-moe-4-16, olmoe, deepseekmoe, mixtral, or a folder" in problem
    code, _, problem = run(*LLAMA, "--group", "3")
    assert code == 2
    assert "Expected groups of a size that divides 16 experts, found 3." in problem

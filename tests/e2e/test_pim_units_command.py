"""``axhw pim sharing`` and ``axhw pim go-cache``, and groups of crossbars through ``axhw gen`` and ``axhw verify``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]

SMALL = ("-m", "roup:width=4,p=1,r=1", "--rows", 1, "--columns", 1, "--depth", 2, "--pairs", 256)
CACHE = ("--experts", 2, "--kept", 2, "--score-bits", 3, "--tokens", 16, "--pairs", 256)

needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


def test_sharing(run: Run, found: Found) -> None:
    groups = found("pim", "sharing", *SMALL, "--crossbars", "1,2")["groups"]
    assert [group["name"] for group in groups] == ["roup4s_p1_r1_xg1_1x1_q2", "roup4s_p1_r1_xg2_1x1_q2"]
    assert [group["published_factor"] for group in groups] == pytest.approx([1.0, 0.6])
    assert groups[0]["area_factor"] == 1.0 > groups[1]["area_factor"] > 0.5
    assert set(groups[1]["parts"]) == {"crossbars", "scheduler", "driver", "accumulator", "selection"}
    code, out, _ = run("pim", "sharing", *SMALL, "--crossbars", "2")
    assert code == 0
    assert "roup4s_p1_r1_xg2_1x1_q2: most area in the " in out
    code, _, err = run("pim", "sharing", "--crossbars", "1;2")
    assert (code, err) == (2, "axhw: Expected numbers between commas for --crossbars, such as 1,2,4, found '1;2'.\n")


@needs_icarus
def test_go_cache(run: Run, found: Found) -> None:
    document = found("pim", "go-cache", *CACHE, "--simulator", "icarus")
    assert document["name"] == "go_cache_e2_k2_3s_t16"
    assert [(check["level"], check["passed"]) for check in document["checks"]] == [("rtl", True), ("gates", True)]
    code, out, _ = run("pim", "go-cache", *CACHE)
    assert code == 0
    assert f"{document['request_fj']:,.0f}" in out


@needs_icarus
def test_a_group_is_generated_and_verified(found: Found) -> None:
    element = ("--element", "crossbar_group", "--crossbars", 2, "--rows", 1, "--columns", 1, "--depth", 2)
    design = found("gen", *SMALL[:2], *element, "--multiply-in", "cells", "--pairs", 256)
    assert design["name"] == "roup4s_p1_r1_xg2_1x1_q2"
    checks = found("verify", design["name"])
    assert checks["passed"]
    assert [check["level"] for check in checks["checks"]] == ["rtl", "gates"]

"""Emulated matrix products and convolutions beside float32 BLAS on the same processor and threads.

Usage: python -m benchmarks.emulation
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table

MARKDOWN = True

THREADS = (1, 2)

PUBLISHED = (
    ("AdaPT", "17"),
    ("ApproxTorch", "21 to 37"),
    ("torch-approx", "28"),
    ("tf-approximate", "80"),
)
"""Slow-downs against exact float32 inference collected for this project from their releases; not measured here."""

LIMITS = {
    "exact": ("64 products an instruction, two a cycle", 128.0),
    "mapped": ("64 products an instruction, two a cycle, and one map", 128.0),
    "residual": ("a line of 64 entries a cycle from the level-2 cache, and the exact part", 1 / (1 / 64 + 1 / 128)),
    "row table": ("a line of 32 entries a cycle from the level-2 cache", 32.0),
    "byte plane": ("13 operations for 64 products, four a cycle", 64 / 13 * 4),
    "byte row": ("13 operations for 64 products, four a cycle", 64 / 13 * 4),
    "take": ("", 0.0),
}
"""What bounds each kernel, and products a cycle at the bound, counted for a Zen 5 core with registers of 512 bits."""

INTRODUCTION = """\
Ratios of times to float32 on the same threads; below 1 is faster. Each is the ratio of the best times of interleaved
repetitions, since others use the machine as well; behind it the ratio of the medians, billions of products a second,
and the kernel. Where float32 is slower on two threads than on one, as on a busy machine, one thread counts. Sums are
compared with integer arithmetic, element by element, before they are timed. Activations are uniform over all codes,
the worst case for caches; weights normal with a deviation of 36. Tables: `exact`; `KXF` = evoapprox mul8s_1KXF and
`DRUM` = drum:k=6, of rank 1; `ROUP` = roup:p=1,r=4, of rank 3; `KVA` = mul8s_1KVA, of rank 5; `Mitchell`, of rank 64;
`any` = random products over all of 16 bits, which leaves no kernel an assumption; `numpy` = the same by np.take."""

LAYERS = """\
Ours pads, multiplies and requantises to 8 bits; float32 convolves, nothing more: by torch where it is installed, else
by numpy, which copies patches for BLAS. The last row is the network's 19 convolutions of 3 x 3.
"""

LIMITED = """\
Products a cycle at {gigahertz:.2f} GHz, the frequency at which a chain of multiplications runs in the same process, in
the matrix product of shape 8192 x 576 x 64 on one thread (1 x 4096 x 1024 for byte row), and at the bound counted for
a Zen 5 core.
"""


def main() -> None:
    """Print the report, measured in a process for each number of threads: BLAS reads its number at its start."""
    results: dict[int, Any] = {}
    for threads in THREADS:
        results[threads] = _measured(threads)
        if threads != THREADS[0]:
            _keep_best_references(results[threads], results[THREADS[0]])
    machine = results[THREADS[0]]["machine"]
    torch = f"; torch {machine['torch']}" if machine["torch"] else ""
    print(f"Processor: {machine['processor']}, {machine['instructions']}; BLAS: {machine['blas']}{torch}.\n")
    print(INTRODUCTION)
    for threads, result in results.items():
        on = f"{threads} thread{'s' * (threads > 1)}"
        print(f"\n## Matrix products against BLAS, {on}\n")
        _products(result["gemm"], "float32")
        print(f"\n## Layers of ResNet-20, batch 128, {on}\n\n{LAYERS}")
        _products(result["layers"], "float32 by torch" if torch else "float32")
        print(f"\n## Depthwise convolutions, {on}\n")
        _depthwise(result["depthwise"])
    print("\n## What limits each kernel\n")
    _limits(results[1])
    print("\n## Published emulators on CPUs\n")
    print("Collected for this project from their releases, table look-ups in C++; not measured in this run.\n")
    print(table(("emulator", "slow-down against exact inference"), PUBLISHED))


def _measured(threads: int) -> Any:
    """The results of `benchmarks.emulation_times` with so many threads."""
    environment = {**os.environ, **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))}
    ours, torch = (
        json.loads(
            subprocess.run(
                [sys.executable, "-m", "benchmarks.emulation_times", str(threads), library],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
        )
        for library in ("numpy", "torch")
    )
    ours["machine"]["torch"] = torch["version"]
    for part in ("gemm", "layers"):
        for result, beside in zip(ours[part], torch[part]):
            result["times"] = {**beside["times"], **result["times"]}
    return ours


def _keep_best_references(result: Any, before: Any) -> None:
    """Float32 with fewer threads where more of them were slower: those that wait for work hinder the others."""
    for part in ("gemm", "layers"):
        for row, alone in zip(result[part], before[part]):
            for name in ("float32", "float32 by torch"):
                if name in row["times"] and row["times"][name]["best"] > alone["times"][name]["best"]:
                    row["times"][name] = alone["times"][name]


def _products(results: list[Mapping[str, Any]], reference: str) -> None:
    names = [name for name in results[0]["times"] if name != reference]
    rows = []
    for result in results:
        baseline = result["times"][reference]
        cells = [result["shape"], f"{baseline['best'] * 1e3:.3f}"]
        for name in names:
            time = result["times"].get(name)
            cells.append("" if time is None else _cell(time, baseline, result["products"]))
        rows.append(cells)
    print(table(("shape", f"{reference}, ms", *names), rows))


def _cell(time: Mapping[str, Any], baseline: Mapping[str, Any], products: int) -> str:
    best = time["best"] / baseline["best"]
    median = time["median"] / baseline["median"]
    rate = products / time["best"] / 1e9
    return f"**{best:.2f}** ({median:.2f}) {rate:.0f} G/s {time['kernel']}".rstrip()


def _depthwise(results: list[Mapping[str, Any]]) -> None:
    names = list(results[0]["times"])
    rows = []
    for result in results:
        cells = [result["shape"]]
        for time in result["times"].values():
            rate = result["products"] / time["best"] / 1e9
            cells.append(f"{time['best'] * 1e3:.2f} ms {rate:.1f} G/s {time['kernel']}")
        rows.append(cells)
    print(table(("layer", *names), rows))


def _limits(result: Mapping[str, Any]) -> None:
    gigahertz = result["machine"]["gigahertz"]
    print(
        f"Products a cycle at {gigahertz:.2f} GHz, the frequency of a chain of multiplications in the same process, in"
    )
    print(
        "the matrix product of shape 8192 x 576 x 64 on one thread (one row for byte row), and at the bound counted for"
    )
    print("a Zen 5 core.\n")
    rows = []
    for kernel, rate in result["rates"].items():
        text, bound = LIMITS[kernel]
        measured = rate / gigahertz
        share = f"{100 * measured / bound:.0f} %" if bound else ""
        rows.append((kernel, f"{measured:.1f}", f"{bound:.1f}" if bound else "", share, text))
    print(table(("kernel", "measured", "bound", "reached", "what bounds it"), rows))


if __name__ == "__main__":
    main()

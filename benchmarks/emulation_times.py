"""The times that `benchmarks.emulation` reports, as JSON, for one number of threads.

Usage: python -m benchmarks.emulation_times THREADS numpy|torch
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.codes import Codes
from axhw.emulate.conv import prepare_conv2d
from axhw.emulate.gemm import prepare_gemm
from axhw.emulate.requantize import Epilogue
from axhw.hdl.registry import parse

MULTIPLIERS = {
    "exact": "exact",
    "KXF": "evoapprox:mul8s_1KXF",
    "DRUM": "drum:k=6",
    "ROUP": "roup:p=1,r=4",
    "KVA": "evoapprox:mul8s_1KVA",
    "Mitchell": "mitchell",
}
GEMM_SHAPES = (
    *((8192, 576, 64), (8192, 27, 16), (8192, 144, 16), (2048, 288, 32), (512, 576, 64)),
    *((64, 256, 1024), (1, 4096, 1024)),
)
# Channels, filters, side of the image, stride, and how often in ResNet-20.
LAYERS = (
    (3, 16, 32, 1, 1),
    (16, 16, 32, 1, 6),
    (16, 32, 32, 2, 1),
    (32, 32, 16, 1, 5),
    (32, 64, 16, 2, 1),
    (64, 64, 8, 1, 5),
)
BATCH = 128
DEPTHWISE = ((8, 64, 56, 1), (8, 64, 56, 2), (8, 512, 14, 1), (8, 1024, 7, 1))
DEVIATION = 36
# With fewer rows np.take spends seconds on columns of the table.
LEAST_ROWS_OF_NUMPY = 2048
TORCH = "float32 by torch"
# Rounds take turns; within one a contender runs for about as long.
ROUNDS = 7
ROUND_SECONDS = 0.03
# Threads of BLAS keep waiting for work a while and would take the processor from what runs next.
REST_SECONDS = 0.1

Contender = tuple[str, Callable[[], object]]
Times = dict[str, dict[str, Any]]


def main() -> None:
    """Print all times."""
    threads, library = int(sys.argv[1]), sys.argv[2]
    if library == "torch":
        print(json.dumps(_by_torch(threads)))
        return
    _spread_threads_of_blas()
    gemm = [_gemm(shape, threads) for shape in GEMM_SHAPES]
    result = {
        "machine": _machine(),
        "gemm": gemm,
        "layers": _network(threads),
        "depthwise": [_depthwise(shape, threads) for shape in DEPTHWISE],
        "rates": _rates() if threads == 1 else {},
    }
    print(json.dumps(result))


def compare(contenders: Mapping[str, Contender], *, threads: int) -> Times:
    """Best and median seconds of each, in rounds that take turns."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (_, run) in contenders.items():
            if threads > 1:
                time.sleep(REST_SECONDS)
            end = time.perf_counter() + ROUND_SECONDS
            # The first call of a round fills the caches.
            run()
            while True:
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
                if time.perf_counter() > end:
                    break
    return {
        name: {"best": min(found), "median": statistics.median(found), "kernel": contenders[name][0]}
        for name, found in times.items()
    }


def _spread_threads_of_blas() -> None:
    """Keep them off the first processor, for the main thread to have: left alone they share one of two processors for
    milliseconds at a time while they wait for each other."""
    tasks = Path("/proc/self/task")
    processors = sorted(os.sched_getaffinity(0)) if tasks.exists() else []
    if len(processors) > 1:
        for task in tasks.iterdir():
            if int(task.name) != os.getpid():
                os.sched_setaffinity(int(task.name), processors[1:])


def _gemm(shape: tuple[int, int, int], threads: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    rows, terms, columns = shape
    a, w = _uniform(rng, (rows, terms)), _normal(rng, (terms, columns))
    real_a, real_w = a.astype(np.float32), w.astype(np.float32)
    product = np.empty((rows, columns), np.float32)
    contenders: dict[str, Contender] = {"float32": ("", lambda: np.matmul(real_a, real_w, out=product))}
    for name, products in _tables().items():
        multiplication = prepare_gemm(w, products, a_dtype=np.int8, threads=threads)
        _check(multiplication(a), a, w, products)
        contenders[name] = (multiplication.kernel(a), lambda m=multiplication: m(a))  # type: ignore[misc]
    if rows >= LEAST_ROWS_OF_NUMPY:
        plain = prepare_gemm(w, _tables()["any"], a_dtype=np.int8, plan="take")
        contenders["numpy"] = ("take", lambda: plain(a))
    return {
        "shape": " x ".join(map(str, shape)),
        "products": rows * terms * columns,
        "times": compare(contenders, threads=threads),
    }


def _by_torch(threads: int) -> dict[str, Any]:
    """Float32 by torch, in a process of its own: its threads and those of BLAS wait for work side by side."""
    try:
        import torch
    except ImportError:
        return {"version": None, "gemm": [], "layers": []}
    torch.set_num_threads(threads)
    gemm = []
    for rows, terms, columns in GEMM_SHAPES:
        matrices = torch.randn(rows, terms), torch.randn(terms, columns)
        gemm.append({"times": compare({TORCH: ("", lambda m=matrices: torch.mm(*m))}, threads=threads)})  # type: ignore[misc]
    layers = []
    for channels, filters, side, stride, _ in LAYERS:
        image = torch.randn(BATCH, channels, side, side).to(memory_format=torch.channels_last)
        kernel = torch.randn(filters, channels, 3, 3).to(memory_format=torch.channels_last)

        def convolve(x: Any = image, w: Any = kernel, step: int = stride) -> None:
            with torch.inference_mode():
                torch.nn.functional.conv2d(x, w, stride=step, padding=1)

        layers.append({"products": 0, "times": compare({TORCH: ("", convolve)}, threads=threads)})
    return {"version": str(torch.__version__), "gemm": gemm, "layers": _with_total(layers)}


def _network(threads: int) -> list[dict[str, Any]]:
    """The kinds of layers of ResNet-20, and the sum over all."""
    return _with_total([_layer(layer, threads) for layer in LAYERS])


def _with_total(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = [layer[-1] for layer in LAYERS]
    totals: Times = {}
    for name in results[0]["times"]:
        totals[name] = {
            key: sum(count * result["times"][name][key] for count, result in zip(counts, results))
            for key in ("best", "median")
        }
        totals[name]["kernel"] = ""
    products = sum(count * result["products"] for count, result in zip(counts, results))
    return [*results, {"shape": "network", "products": products, "times": totals}]


def _layer(layer: tuple[int, int, int, int, int], threads: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    channels, filters, side, stride, _ = layer
    x = _uniform(rng, (BATCH, side, side, channels)).transpose(0, 3, 1, 2)
    weight = _normal(rng, (filters, channels, 3, 3))
    out_side = (side - 1) // stride + 1
    real = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(real, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    matrix = weight.transpose(1, 2, 3, 0).reshape(-1, filters).astype(np.float32)
    patches = np.empty((BATCH, out_side, out_side, channels, 3, 3), np.float32)
    product = np.empty((BATCH * out_side * out_side, filters), np.float32)

    def by_blas() -> None:
        np.copyto(patches, windows)
        np.matmul(patches.reshape(len(product), -1), matrix, out=product)

    contenders: dict[str, Contender] = {"float32": ("", by_blas)}
    epilogue = Epilogue(
        constant=np.zeros(filters, np.int32),
        scale=np.full(filters, 1e-3, np.float32),
        zero_point=-128,
        low=-128,
        high=127,
        dtype=np.int8,
    )
    for name, products in _tables().items():
        multiplication = prepare_conv2d(
            weight, products, a_dtype=np.int8, stride=(stride, stride), padding=(1, 1, 1, 1), zero=-128, threads=threads
        )
        contenders[name] = (multiplication.kernel(x), lambda m=multiplication: m.codes(x, epilogue))  # type: ignore[misc]
    return {
        "shape": f"{channels} to {filters}, {side} x {side}, stride {stride}",
        "products": BATCH * out_side**2 * filters * channels * 9,
        "times": compare(contenders, threads=threads),
    }


def _depthwise(shape: tuple[int, int, int, int], threads: int) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    batch, channels, side, stride = shape
    x = _uniform(rng, (batch, side, side, channels)).transpose(0, 3, 1, 2)
    weight = _normal(rng, (channels, 1, 3, 3))
    contenders: dict[str, Contender] = {}
    for name in ("exact", "any"):
        for plan in (None, "gather"):
            multiplication = prepare_conv2d(
                weight,
                _tables()[name],
                a_dtype=np.int8,
                groups=channels,
                stride=(stride, stride),
                padding=(1, 1, 1, 1),
                plan=plan,
                threads=threads,
            )
            label = name if plan is None else f"{name}, no VBMI"
            contenders[label] = (multiplication.kernel(x), lambda m=multiplication: m(x))  # type: ignore[misc]
    return {
        "shape": f"{batch} x {channels} channels, {side} x {side}, stride {stride}",
        "products": batch * channels * ((side - 1) // stride + 1) ** 2 * 9,
        "times": compare(contenders, threads=threads),
    }


def _rates() -> dict[str, float]:
    """Billions of products a second of each kernel on one thread."""
    rng = np.random.default_rng(3)
    a, w = _uniform(rng, (8192, 576)), _normal(rng, (576, 64))
    row, wide = _uniform(rng, (1, 4096)), _normal(rng, (4096, 1024))
    found = _tables()
    chosen = {
        "exact": (a, w, found["exact"]),
        "mapped": (a, w, found["KXF"]),
        "residual": (a, w, found["KVA"]),
        "row table": (a, w, found["Mitchell"]),
        "byte plane": (a, w, found["Mitchell"]),
        "byte row": (row, wide, found["Mitchell"]),
        "take": (a, w, found["Mitchell"]),
    }
    rates = {}
    for kernel, (left, right, products) in chosen.items():
        multiplication = prepare_gemm(right, products, a_dtype=np.int8, plan=kernel, threads=1)
        times = compare({kernel: (kernel, lambda m=multiplication, x=left: m(x))}, threads=1)  # type: ignore[misc]
        rates[kernel] = left.size * right.shape[1] / times[kernel]["best"] / 1e9
    return rates


def _tables() -> dict[str, npt.NDArray[np.int32]]:
    tables = {}
    for name, text in MULTIPLIERS.items():
        spec = parse(text)
        codes = spec.operand_codes()
        tables[name] = spec.reference(codes[:, None], codes).astype(np.int32)
    tables["any"] = np.random.default_rng(4).integers(-(2**15), 2**15, (256, 256)).astype(np.int32)
    return tables


def _check(sums: npt.NDArray[np.integer], a: Codes, w: Codes, products: npt.NDArray[np.int32]) -> None:
    expected = np.zeros(sums.shape, np.int64)
    rows, columns = a.astype(np.intp) + 128, w.astype(np.intp) + 128
    for k in range(len(w)):
        expected += products[:, columns[k]][rows[:, k]]
    if not np.array_equal(sums, expected):
        sys.exit("The sums differ from integer arithmetic.")


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Codes:
    return rng.integers(-128, 128, shape).astype(np.int8)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Codes:
    return np.clip(np.rint(rng.normal(0, DEVIATION, shape)), -127, 127).astype(np.int8)


def _machine() -> dict[str, Any]:
    processor = v.processor()
    interesting = ("avx2", "avx512f", "avx512bw", "avx512vbmi", "avx512vnni", "avxvnni", "neon")
    build = np.show_config(mode="dicts")
    blas = build["Build Dependencies"]["blas"] if isinstance(build, dict) else {}
    return {
        "processor": processor.name,
        "instructions": " ".join(name for name in interesting if name in processor.features),
        "blas": f"{blas.get('name', '')} {blas.get('version', '')} of numpy {np.__version__}",
        "gigahertz": _gigahertz(),
    }


def _gigahertz() -> float:
    """From a chain of multiplications, three cycles each on every processor of the last ten years."""
    turns, each = 200_000, 8
    function = v.Builder("chain", [("turns", v.integer()), ("out", v.pointer(64))])
    with function.loop(v.constant(0), function["turns"], carried=[v.constant(3)]) as turn:
        value = turn.values[0]
        for _ in range(each):
            value = function.ir.mul(value, function.ir.or_(value, v.constant(1)))
        turn.carry([value])
    function.store(turn.values[0], function["out"])
    kernel, out = function.compiled(), np.zeros(1, np.int64)
    best = min(_seconds(lambda: kernel(turns, out)) for _ in range(20))
    # The multiplication waits for the operand that is one cycle older as well.
    return turns * each * 4 / best / 1e9


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

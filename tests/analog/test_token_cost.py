"""Costs of a token: a tiny model by hand, published sizes, and what has to hold whatever the figures are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from axhw.analog.cost import ModuleCost, TokenCost, token_cost
from axhw.analog.digital import ArrayPool
from axhw.analog.expert_cost import expected_use, expert_costs
from axhw.analog.machine import FREE, SRAM, Load, Machine, MemoryCosts, dram
from axhw.analog.placement import ExpertSite, Placement, expert_sites, place
from axhw.analog.tile_cost import TileCosts
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.layout import EMBEDDING, tensor_shapes
from axhw.moe.arrays import Array, Columns

TINY = ModelConfig(
    architecture="olmoe",
    vocabulary=10,
    hidden=8,
    layers=1,
    heads=2,
    kv_heads=2,
    head_dim=4,
    context=40,
    rope_theta=1e4,
    norm_eps=1e-5,
    experts=4,
    active_experts=2,
    expert_width=6,
    normalize_top_k=False,
)
OLMOE = replace(
    TINY,
    vocabulary=50304,
    hidden=2048,
    layers=16,
    heads=16,
    kv_heads=16,
    head_dim=128,
    context=4096,
    experts=64,
    active_experts=8,
    expert_width=1024,
)
DEEPSEEK = replace(TINY, architecture="deepseek", layers=3, shared_width=12, dense_layers=(0,), dense_width=14)
QWEN = replace(TINY, architecture="qwen2_moe", layers=2, heads=4, shared_width=7, attention_bias=True)


def pool(count: int = 1, product_fj: float = 100.0, period_ns: float = 2.0) -> ArrayPool:
    array = Array(
        name="sa4x4",
        rows=4,
        columns=(Columns(multiplier="exact8s", count=4, product_fj=product_fj),),
        area_um2=1e6,
        leakage_nw=500.0,
        period_ns=period_ns,
        clock_fj=10.0,
        library_sha256="",
    )
    return ArrayPool(array=array, count=count)


CORE = TileCosts(
    rows=4, columns=4, mvm_ns=100.0, mvm_nj=1.0, area_mm2=0.5, transfer_ns=0.0, transfer_pj=0.0, addition_ns=0.0,
    addition_start_ns=0.0, addition_pj=0.0,
)  # fmt: skip
MACHINE = Machine(
    arrays=pool(),
    tiles=TileSpec(rows=4, columns=4),
    tile_costs=CORE,
    memory=MemoryCosts(name="memory", pj_per_byte=1.0, gb_per_s=2.0),
)
ONE = Load(batch=1, keys=3)


def digital(config: ModelConfig, share: float) -> Placement:
    """The first experts of each layer."""
    scores = np.zeros((config.layers, config.experts))
    return place(scores, config, share=share)


def by_name(cost: TokenCost) -> dict[str, ModuleCost]:
    return {module.module: module for module in cost.modules}


def test_a_tiny_model_by_hand() -> None:
    """Cycles of a matrix of one row are 4 (tiles - 1) + 8; idle cells are what its products leave of 16 a cycle."""
    cost = token_cost(TINY, MACHINE, digital(TINY, 0.5), load=ONE)
    modules = by_name(cost)
    assert list(modules) == ["embedding", "attention", "router", "digital experts", "analog experts", "head"]

    attention = modules["attention"]
    # Four projections of 4 tiles, 20 cycles each; for each head, 3 keys of 4 and 4 sums of 3 values: 2 tiles each.
    assert attention.macs == 4 * 64 + 2 * 2 * 12
    assert attention.latency_ns == 2 * (4 * 20 + 2 * 12)
    assert attention.compute_nj == pytest.approx(1e-6 * (100 * 304 + 10 * (16 * 104 - 304)))
    assert (attention.weight_bytes, attention.fetched_bytes) == (256, 256 + 2 * 2 * 4 * (3 + 1))

    router = modules["router"]
    assert (router.macs, router.latency_ns) == (32, 24)
    assert router.compute_nj == pytest.approx(1e-6 * (100 * 32 + 10 * (16 * 12 - 32)))

    # Two experts, each used by every other token: three matrices of 48 products and 20 cycles.
    experts = modules["digital experts"]
    assert (experts.macs, experts.latency_ns) == (144, 120)
    assert experts.compute_nj == pytest.approx(1e-6 * (100 * 144 + 10 * (16 * 60 - 144)))
    assert (experts.weight_bytes, experts.fetched_bytes, experts.tiles_mm2) == (288, 144, 0)

    experts = modules["analog experts"]
    assert (experts.macs, experts.latency_ns) == (144, 200)
    assert experts.compute_nj == pytest.approx(2 * 12 / 2)
    assert (experts.weight_bytes, experts.fetched_bytes) == (0, 0)
    assert experts.tiles_mm2 == pytest.approx(2 * 12 * 0.5)

    assert (modules["head"].macs, modules["head"].latency_ns) == (80, 2 * 28)
    assert cost.latency_ns == 208 + 24 + 200 + 56
    assert cost.fetched_bytes == 8 + 320 + 32 + 144 + 80
    assert cost.memory_nj == pytest.approx(0.584)
    assert cost.busy_ns == pytest.approx({"arrays": 208 + 24 + 120 + 56, "tiles": 50, "memory": 292})
    assert cost.bottleneck == "arrays"
    assert cost.tokens_per_s == pytest.approx(1e9 / 408)
    assert cost.leakage_nj == pytest.approx(1e-9 * 500 * 408)
    assert cost.energy_nj == pytest.approx(cost.compute_nj + 0.584 + cost.leakage_nj)
    assert cost.tokens_per_j == pytest.approx(1e9 / cost.energy_nj)
    assert cost.area_mm2 == pytest.approx(1 + 12)


def test_a_batch_waits_for_the_most_used_expert() -> None:
    use = np.array([[0.9, 0.6, 0.4, 0.1]])
    placement = Placement.of_mask(np.array([[True, False, False, True]]))
    cost = token_cost(TINY, MACHINE, placement, load=Load(batch=10, keys=0), use=use)
    assert by_name(cost)["analog experts"].latency_ns == pytest.approx(200 + (10 * 0.6 - 1) * 100)
    assert cost.busy_ns["tiles"] == pytest.approx(60)
    assert by_name(cost)["analog experts"].compute_nj == pytest.approx(12 * (0.6 + 0.4))
    # Weights are fetched once for a batch, if any of its tokens needs them.
    fetched = by_name(cost)["digital experts"].fetched_bytes
    assert fetched == pytest.approx(144 * (2 - 0.1**10 - 0.9**10) / 10)


def test_experts_with_arrays_of_their_own_work_beside_the_others() -> None:
    apart = replace(MACHINE, expert_arrays=pool(product_fj=50.0, period_ns=1.0))
    cost = token_cost(DEEPSEEK, apart, digital(DEEPSEEK, 1.0), load=ONE)
    modules = by_name(cost)
    assert cost.busy_ns["arrays of experts"] == modules["digital experts"].latency_ns == 2 * 2 * 60
    assert modules["digital experts"].compute_nj == pytest.approx(2 * 1e-6 * (50 * 288 + 10 * (16 * 120 - 288)))
    before = sum(modules[name].latency_ns for name in ("attention", "router", "dense", "head"))
    # Shared experts are what takes longer: 2 x 12 x 8 and 8 x 12.
    assert modules["shared_expert"].latency_ns == 2 * 2 * 3 * (5 * 4 + 8)
    assert cost.latency_ns == before + modules["shared_expert"].latency_ns
    assert cost.arrays_mm2 == 2
    # Without digital experts their arrays are not built.
    none = token_cost(DEEPSEEK, apart, digital(DEEPSEEK, 0.0), load=ONE)
    assert (none.arrays_mm2, none.leakage_nw) == (1, 500)
    together = token_cost(DEEPSEEK, MACHINE, digital(DEEPSEEK, 1.0), load=ONE)
    assert "arrays of experts" not in together.busy_ns
    slower = 2 * modules["digital experts"].latency_ns
    assert together.latency_ns == pytest.approx(cost.latency_ns + slower)


def test_dense_modules_on_tiles_by_hand() -> None:
    everything = replace(MACHINE, analog_modules=frozenset({"attention", "router", "head"}))
    cost = token_cost(TINY, everything, digital(TINY, 0.0), load=Load(batch=3, keys=0))
    modules = by_name(cost)
    # q, k and v hear the same rows; o waits for them; the second and third token wait for tiles.
    assert modules["attention"].latency_ns == 100 + 100 + 2 * 100
    assert modules["attention"].compute_nj == pytest.approx(16)
    assert modules["attention"].tiles_mm2 == pytest.approx(16 * 0.5)
    assert modules["router"].latency_ns == 100 + 2 * 100
    assert cost.busy_ns["arrays"] == 0
    assert (cost.bottleneck, cost.weight_bytes) == ("tiles", 80)


def test_a_published_model_has_its_sizes() -> None:
    """OLMoE 7B: 6.9e9 weights, 5 to 6 % of them outside of experts and embedding (arXiv 2603.02633)."""
    machine = replace(MACHINE, tiles=TileSpec(rows=256, columns=256), tile_costs=TileCosts())
    cost = token_cost(OLMOE, machine, digital(OLMOE, 1.0), load=Load(keys=0))
    assert cost.weight_bytes == sum(np.prod(shape) for shape in tensor_shapes(OLMOE).values() if len(shape) == 2)
    dense = cost.weight_bytes - by_name(cost)["digital experts"].weight_bytes - 50304 * 2048
    assert 0.05 < dense / (cost.weight_bytes - 50304 * 2048) < 0.06
    assert cost.macs == 16 * (4 * 2048**2 + 64 * 2048 + 8 * 3 * 2048 * 1024) + 50304 * 2048
    analog = by_name(token_cost(OLMOE, machine, digital(OLMOE, 0.0)))["analog experts"]
    # 96 cores an expert, 8 of 64 experts a token, 16 layers.
    assert analog.tiles_mm2 == pytest.approx(16 * 64 * 96 * 0.634)
    assert analog.compute_nj == pytest.approx(16 * 8 * 1200, rel=2e-3)


def test_memory_sets_the_published_ratio_of_throughputs() -> None:
    """All experts digital against 25 % of them: 4,220 and 14,513 tokens/s (arXiv 2603.02633), a ratio of 3.44.

    It is that of the weights to fetch, within 1 %, in batches so large that every expert is needed.
    """
    machine = replace(MACHINE, arrays=pool(count=1000), memory=dram())
    load = Load(batch=256, keys=0)
    some, every = (token_cost(OLMOE, machine, digital(OLMOE, share), load=load) for share in (0.25, 1.0))
    assert some.bottleneck == every.bottleneck == "memory"
    assert some.tokens_per_s / every.tokens_per_s == pytest.approx(14513 / 4220, rel=0.01)


@pytest.mark.parametrize("config", [TINY, DEEPSEEK, QWEN], ids=["olmoe", "deepseek", "qwen2_moe"])
@pytest.mark.parametrize("batch", [1, 16])
def test_every_digital_expert_adds_what_it_is_said_to_add(config: ModelConfig, batch: int) -> None:
    rng = np.random.default_rng(1)
    use = expected_use(config)
    for layer in config.expert_layers:
        use[layer] = rng.permutation([0.9, 0.6, 0.4, 0.1])
    load = Load(batch=batch, keys=5)
    costs = expert_costs(config, MACHINE, load=load, use=use)
    sites = [
        ExpertSite(*site) for site in rng.permutation([(site.layer, site.expert) for site in expert_sites(config)])
    ]
    costs_of = [
        token_cost(config, MACHINE, Placement(digital=frozenset(sites[:number])), load=load, use=use)
        for number in range(len(sites) + 1)
    ]
    for site, before, after in zip(sites, costs_of, costs_of[1:]):
        place = site.layer, site.expert
        extra = after.compute_nj + after.memory_nj - before.compute_nj - before.memory_nj
        assert extra == pytest.approx(costs.extra_nj[place], abs=1e-9)
        assert after.macs == pytest.approx(before.macs)
        assert after.busy_ns["arrays"] - before.busy_ns["arrays"] == pytest.approx(costs.array_ns[place])
        assert after.busy_ns["memory"] > before.busy_ns["memory"]
        assert after.busy_ns.get("tiles", 0) <= before.busy_ns["tiles"]
        assert after.area_mm2 == pytest.approx(before.area_mm2 - costs.tiles_mm2)


def test_cheaper_products_make_digital_experts_cheaper_and_nothing_else() -> None:
    exact, approximate = (
        token_cost(TINY, replace(MACHINE, expert_arrays=pool(product_fj=figure)), digital(TINY, 0.5))
        for figure in (100.0, 60.0)
    )
    assert exact.energy_nj - approximate.energy_nj == pytest.approx(1e-6 * 40 * 144)
    for before, after in zip(exact.modules, approximate.modules):
        assert (after.compute_nj < before.compute_nj) == (before.module == "digital experts")


def test_batches_share_what_they_fetch() -> None:
    costs = [token_cost(TINY, MACHINE, digital(TINY, 1.0), load=Load(batch=batch, keys=0)) for batch in (1, 4, 64)]
    assert costs[0].fetched_bytes > costs[1].fetched_bytes > costs[2].fetched_bytes
    assert costs[2].fetched_bytes == pytest.approx((256 + 32 + 80 + 4 * 144) / 64 + 8 + 16, rel=1e-6)


def test_memories_are_the_published_ones() -> None:
    assert dram().pj_per_byte == pytest.approx(46.27, rel=1e-3)
    assert dram(4).gb_per_s == pytest.approx(4 * 5.332)
    assert (SRAM.pj_per_byte, SRAM.gb_per_s, FREE.pj_per_byte) == (12.5, None, 0)
    free = token_cost(TINY, replace(MACHINE, memory=FREE), digital(TINY, 1.0))
    assert (free.memory_nj, "memory" in free.busy_ns) == (0, False)


def test_keys_are_the_mean_over_a_text_by_default() -> None:
    assert Load().keys_of(TINY) == 21
    assert Load(keys=7).keys_of(TINY) == 7
    assert by_name(token_cost(TINY, MACHINE, digital(TINY, 0)))["attention"].macs == 256 + 2 * 21 * 8


def test_a_tied_head_is_fetched_and_not_held_twice() -> None:
    tied = replace(TINY, tied_embeddings=True)
    cost = token_cost(tied, MACHINE, digital(tied, 1.0), load=ONE)
    shapes = {name: shape for name, shape in tensor_shapes(tied).items() if len(shape) == 2}
    assert EMBEDDING in shapes
    assert cost.weight_bytes == sum(np.prod(shape) for shape in shapes.values())


def test_a_row_names_its_figures() -> None:
    cost = token_cost(TINY, MACHINE, digital(TINY, 0.5), load=ONE)
    row = cost.row()
    assert row["tokens_per_s"] == pytest.approx(1e9 / 408)
    assert row["energy_nj"] == pytest.approx(row["compute_nj"] + row["memory_nj"] + row["leakage_nj"])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(
        AxhwError, match="Expected experts 0 to 3 of the layers 1 to 2, found expert 1 of layer 0 in the"
    ):
        token_cost(DEEPSEEK, MACHINE, Placement(digital=frozenset({ExpertSite(0, 1)})))
    for use, message in (
        (np.ones(4), "Expected the use of experts as an array of 1 layers x 4 experts, found shape"),
        (np.array([[2.0, 0, 0, 0]]), "Expected from 0 to 1 rows of a token in an expert, found 0 to 2."),
        (np.array([[0.5, 0.5, 0, 0]]), "Expected uses that add up to 2 experts of a token in layer 0, found 1."),
    ):
        with pytest.raises(AxhwError, match=message):
            token_cost(TINY, MACHINE, digital(TINY, 0), use=use)
    with pytest.raises(AxhwError, match="Expected at least 1 channel of DRAM, found 0."):
        dram(0)
    with pytest.raises(AxhwError, match="Expected an energy of at least 0 pJ for a byte of memory, found -1"):
        MemoryCosts(name="x", pj_per_byte=-1)
    with pytest.raises(AxhwError, match="Expected a rate of memory above 0 GB/s, found 0"):
        MemoryCosts(name="x", pj_per_byte=1, gb_per_s=0)
    with pytest.raises(AxhwError, match="Expected at least 0 keys to attend to, found -1"):
        Load(keys=-1)
    with pytest.raises(AxhwError, match="Expected a batch of at least 1 token, found 0."):
        Load(batch=0)

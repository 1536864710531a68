from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import VerificationError
from axhw.hdl.registry import DesignSpec, create_element, parse
from axhw.proof import Proof, prove
from axhw.sim.metrics import exact_metrics
from axhw.sim.worst_case import WorstCase
from axhw.store import Store
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil

LIBRARY = load_library(DEFAULT)
ENGINE = find_engine()


@pytest.fixture
def synthesise(store: Store) -> Callable[[DesignSpec], Synthesis]:
    """A design on the embedded library."""

    def run(spec: DesignSpec) -> Synthesis:
        rtlil = to_rtlil(spec.component(), name=spec.name)
        return store.synthesise(SynthesisJob(name=spec.name, rtlil=rtlil, liberty=LIBRARY.text, engine=ENGINE))

    return run


Synthesise = Callable[[DesignSpec], Synthesis]


def proof_of(
    spec: DesignSpec,
    synthesis: Synthesis,
    *,
    time_limit_s: float = 60.0,
    all_pairs: bool = False,
    wce_time_limit_s: float = 0.0,
) -> Proof:
    graph = levelize(synthesis.netlist, LIBRARY.cells)
    return prove(
        spec,
        synthesis,
        graph,
        library=LIBRARY.cells,
        engine=ENGINE,
        seed=1,
        time_limit_s=time_limit_s,
        all_pairs=all_pairs,
        wce_time_limit_s=wce_time_limit_s,
    )


def with_cells_swapped(synthesis: Synthesis, cells: dict[str, str], *, which: int) -> Synthesis:
    """The synthesis with one cell replaced; a key and its value have the same pins."""
    document = json.loads(synthesis.netlist_json)
    instances = document["modules"][synthesis.name]["cells"]
    chosen = [cell for cell in instances.values() if cell["type"] in cells][which]
    chosen["type"] = cells[chosen["type"]]
    return dataclasses.replace(synthesis, netlist_json=json.dumps(document))


NAND_FOR_NOR = {"sg13g2_nand2_1": "sg13g2_nor2_1", "sg13g2_nor2_1": "sg13g2_nand2_1"}


def test_a_multiplier_is_proved_over_all_pairs(synthesise: Synthesise) -> None:
    spec = parse("drum:width=6,k=3")
    synthesis = synthesise(spec)
    proof = proof_of(spec, synthesis)
    assert proof.table is not None
    assert proof.metrics == exact_metrics(proof.table)
    assert proof.verification.method == "exhaustive"
    assert proof.verification.pairs == 4096
    assert proof.verification.netlist_sha256 == synthesis.netlist.sha256
    assert proof.verification.table_sha256 == proof.table.sha256
    assert proof.rank == np.linalg.matrix_rank(proof.table.values.astype(float))


@pytest.mark.parametrize("which", [0, 7, -1])
def test_a_swapped_gate_is_found(synthesise: Synthesise, which: int) -> None:
    spec = parse("exact:width=4")
    broken = with_cells_swapped(synthesise(spec), NAND_FOR_NOR, which=which)
    with pytest.raises(
        VerificationError,
        match=r"^Expected exact4s to equal its golden model, found \d+ of 256 pairs that differ, the first being "
        r"a = -?\d, b = -?\d: the netlist gives -?\d+, the golden model -?\d+\.$",
    ):
        proof_of(spec, broken)


@pytest.mark.parametrize(("element", "parameters"), [("registered", {}), ("mac", {"terms": 4})])
def test_a_swapped_gate_in_an_element_is_found(
    synthesise: Synthesise, element: str, parameters: dict[str, object]
) -> None:
    spec = create_element(element, parse("exact:width=4"), parameters)
    broken = with_cells_swapped(synthesise(spec), NAND_FOR_NOR, which=3)
    with pytest.raises(
        VerificationError, match=rf"^Expected {spec.name} to follow its cycle model, found \d+ wrong values of"
    ):
        proof_of(spec, broken)


def test_elements_up_to_10_bits_are_proved_over_all_pairs(synthesise: Synthesise) -> None:
    spec = create_element("mac", parse("exact:width=4"), {"terms": 4, "overflow": "saturate"})
    proof = proof_of(spec, synthesise(spec))
    # 512 random cycles and 12 into overflow, in 64 streams.
    assert proof.verification.method == (
        "exhaustive through the registers, and 33536 cycles with stalls, resets and overflow"
    )
    assert proof.verification.pairs == 256
    assert (proof.metrics.wce, proof.rank) == (0, 1)
    registered = create_element("registered", parse("exact:width=4"), {})
    assert proof_of(registered, synthesise(registered)).verification.method == (
        "exhaustive through the registers, and 32768 cycles with stalls and resets"
    )


def test_wide_elements_see_a_million_pairs(synthesise: Synthesise) -> None:
    spec = create_element("registered", parse("bam:width=12,ha=9,hb=9"), {})
    proof = proof_of(spec, synthesise(spec))
    assert proof.verification.method == ("random pairs through the registers, and 32768 cycles with stalls and resets")
    assert proof.verification.pairs == 1 << 20
    assert proof.verification.table_sha256 is None
    assert proof.table is None
    assert proof.rank == 1
    assert proof.metrics.sampled
    assert proof.metrics.pairs == 1 << 20


def test_wide_elements_that_multiply_wrongly_now_and_then(
    synthesise: Synthesise, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = create_element("registered", parse("bam:width=12,ha=9,hb=9"), {})
    synthesis = synthesise(spec)

    def one_wrong(*arguments: object) -> np.ndarray:
        products = np.asarray(spec.multiplier.reference(*arguments[-2:]))
        products[777] += 1
        return products

    monkeypatch.setattr("axhw.proof.element_products", one_wrong)
    with pytest.raises(
        VerificationError,
        match=r"^Expected bam12s_ha9_hb9_v0_reg to multiply as its golden model, found 1 of 1048576 pairs that differ, "
        r"the first being a = -?\d+, b = -?\d+: the netlist gives -?\d+, the golden model -?\d+\.$",
    ):
        proof_of(spec, synthesis)


def test_a_wide_multiplier_needs_its_proof_in_time(synthesise: Synthesise) -> None:
    spec = parse("exact:width=12")
    with pytest.raises(VerificationError, match=r"^Expected a proof within 0.01 s that the netlist of exact12s"):
        proof_of(spec, synthesise(spec), time_limit_s=0.01)


def test_errors_of_twelve_bits_are_those_of_all_pairs_and_of_thirteen_on_demand(
    synthesise: Synthesise, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = parse("bam:width=12,v=4")
    metrics = proof_of(spec, synthesise(spec)).metrics
    # Every cell of column c < v is there c + 1 times, and set for a quarter of the pairs; cells only lower the product.
    assert (metrics.sampled, metrics.pairs, metrics.wce) == (False, 1 << 24, 1 + 4 + 12 + 32)
    assert metrics.mae == -metrics.bias == (1 + 4 + 12 + 32) / 4
    wide = parse("bam:width=13,v=4")
    assert proof_of(wide, synthesise(wide)).metrics.sampled
    monkeypatch.setattr("axhw.proof.ENUMERATED_WIDTH", 11)
    assert proof_of(spec, synthesise(spec)).metrics.sampled
    assert proof_of(spec, synthesise(spec), all_pairs=True).metrics == metrics


def test_bounds_of_the_worst_case_stand_beside_the_sample(
    synthesise: Synthesise, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = parse("bam:width=13,v=4")
    synthesis = synthesise(spec)
    unproved = proof_of(spec, synthesis, wce_time_limit_s=1e-9).metrics
    assert unproved.sampled
    assert unproved.wce <= 49
    assert unproved.wce_upper == (1 << 27) - 1
    found = WorstCase(lower=49, upper=49, a=15, b=15, seconds=1.0)
    monkeypatch.setattr("axhw.proof.worst_case_error", lambda circuit, signed, time_limit_s: found)
    proved = proof_of(spec, synthesis, wce_time_limit_s=60.0).metrics
    assert (proved.wce, proved.wce_upper, proved.wce_exceeded_pct) == (49, 49, 0.0)
    assert proved.wce_pct == 49 * 100 / 4**13


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("exact:width=12", 1),
        ("bam:width=12,ha=11,hb=11", 1),
        ("bam:width=12,v=23", 0),
        ("bam:width=12,v=9", 10),
        ("mitchell:width=12", None),
    ],
)
def test_ranks_without_tables(synthesise: Synthesise, text: str, rank: int | None) -> None:
    spec = parse(text)
    assert proof_of(spec, synthesise(spec)).rank == rank

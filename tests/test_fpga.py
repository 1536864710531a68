from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from axhw.cli.main import main
from axhw.errors import AxhwError, VerificationError
from axhw.fpga import TARGETS, FpgaUsage, OperatorSpec, Target, fpga_usage
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.registry import create_element, parse
from axhw.hdl.spec import IntegerArray
from axhw.record import DesignRecord
from axhw.synth.engines import ENGINES, Engine, available_engines, find_engine

ENGINE = find_engine()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    for found in available_engines():
        if found.name == request.param:
            return found
    return pytest.skip(f"{request.param} is not installed")


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_maps_a_multiplier_and_proves_it(target: Target) -> None:
    usage = fpga_usage(parse("roup:p=1,r=3,width=6"), target=target, engine=ENGINE)
    assert (usage.name, usage.target, usage.engine) == ("roup6s_p1_r3", target, str(ENGINE))
    assert usage.luts > 8
    assert (usage.carries, usage.flip_flops, usage.dsps) == (0, 0, 0)
    assert (usage.verification, usage.pairs) == ("exhaustive", 4096)
    # Nothing but LUTs, multiplexers and constants.
    assert sum(n for cell, n in usage.cells.items() if cell not in ("GND", "VCC")) == usage.luts + usage.muxes


def test_both_engines(engine: Engine) -> None:
    usage = fpga_usage(parse("exact:width=4"), target="ice40", engine=engine)
    assert usage.cells == {"SB_LUT4": usage.luts}
    assert 16 < usage.luts < 40
    assert usage.pairs == 256


def test_a_mac_has_registers_and_carries() -> None:
    mac = create_element("mac", parse("exact:width=4"), {"terms": 4})
    usage = fpga_usage(mac, target="ecp5", engine=ENGINE)
    # Operands, sum and two control bits: 4 + 4 + 10 and what the pipeline needs.
    assert usage.flip_flops >= 18
    assert usage.carries > 0
    assert usage.dsps == 0
    assert "through the registers" in usage.verification


@pytest.mark.parametrize("signed", [True, False])
def test_the_operator_takes_carries(signed: bool) -> None:
    usage = fpga_usage(OperatorSpec(width=4, signed=signed), target="ice40", engine=ENGINE)
    assert usage.carries > 0
    assert usage.pairs == 256


def test_blocks_without_a_model_are_refused() -> None:
    with pytest.raises(
        AxhwError, match="to hold operator8s on ecp5 against its golden model, found MULT18X18D: map multiplications"
    ):
        fpga_usage(OperatorSpec(width=8), target="ecp5", engine=ENGINE)


def test_wide_operands_are_sampled() -> None:
    usage = fpga_usage(parse("roup:width=11,p=4,r=6"), target="ice40", engine=ENGINE)
    assert usage.verification == "corner and random pairs"
    assert usage.pairs > 1 << 20


def test_a_mapping_that_computes_something_else_is_found() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wrong(RoupSpec):
        """A golden model that its circuit does not follow."""

        def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
            product: IntegerArray = np.where((np.asarray(a) == 3) & (np.asarray(b) == 3), 8, super().reference(a, b))
            return product

    with pytest.raises(VerificationError, match="Expected roup4s_p0_r0 to equal its golden model"):
        fpga_usage(Wrong(width=4), target="ice40", engine=ENGINE)


def test_unknown_target() -> None:
    with pytest.raises(AxhwError, match="^Expected a target out of ice40, ecp5, xilinx, gowin, found 'asic'.$"):
        fpga_usage(parse("exact"), target="asic", engine=ENGINE)  # type: ignore[arg-type]


def test_command(capsys: pytest.CaptureFixture[str], characterized: Callable[..., DesignRecord]) -> None:
    stored = characterized("exact:width=4")
    assert main(["fpga", stored.name, "roup:width=4,p=1", "--target", "ice40", "--json"]) == 0
    designs = json.loads(capsys.readouterr().out)["designs"]
    assert [usage["name"] for usage in designs] == ["exact4s", "roup4s_p1_r0"]
    assert all(set(usage) == set(FpgaUsage.__dataclass_fields__) for usage in designs)


def test_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fpga", "roup:width=4,p=1", "--target", "ice40", "--operator"]) == 0
    table = capsys.readouterr().out
    for word in ("roup4s_p1_r0", "operator4s", "256 pairs", "the operator without DSP blocks"):
        assert word in table


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("fpga", "Missing argument 'DESIGNS...'"),
        ("fpga exact --target asic", "Invalid value for '--target': 'asic' is not one of"),
        ("fpga nothing", "Expected a multiplier family out of exact, roup"),
        ("fpga exact --terms 4", "Expected --element"),
        ("fpga exact4s_reg --element mac", "Expected a multiplier to put into the element mac, found exact4s_reg"),
    ],
)  # fmt: skip
def test_command_errors(
    capsys: pytest.CaptureFixture[str], characterized: Callable[..., DesignRecord], arguments: str, sentence: str
) -> None:
    characterized("exact:width=4", "registered")
    assert main(arguments.split()) == 2
    assert f"axhw: {sentence}" in capsys.readouterr().err

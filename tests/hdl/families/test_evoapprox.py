"""The thirteen published circuits: cuts, figures, bias and error variance, hardware, names."""

from __future__ import annotations

import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.evoapprox import CIRCUITS, EvoApproxSpec

# name: ((hA, hB, v), power mW, area um2, delay ns, bias, error variance)
PUBLISHED = {
    "mul8s_1KV6": ((0, 0, 0), 0.425, 729.8, 1.48, 0, 0),
    "mul8s_1KV8": ((0, 0, 2), 0.422, 711.0, 1.48, -1.25, 2.1875),
    "mul8s_1KV9": ((0, 0, 3), 0.410, 685.2, 1.47, -4.25, 16.1875),
    "mul8s_1KVA": ((0, 0, 4), 0.391, 641.1, 1.51, -12.25, 98.1875),
    "mul8s_1KVM": ((1, 0, 0), 0.369, 652.8, 1.37, 0.25, 2730.6875),
    "mul8s_1KVP": ((1, 0, 3), 0.363, 635.0, 1.37, -2.25, 2741.1875),
    "mul8s_1KVQ": ((1, 0, 4), 0.351, 599.8, 1.36, -8.25, 2804.1875),
    "mul8s_1L2J": ((1, 1, 0), 0.301, 558.9, 1.36, 0.75, 5461.1875),
    "mul8s_1KX5": ((2, 0, 5), 0.289, 543.0, 1.33, -16.25, 19426.1875),
    "mul8s_1KXF": ((3, 0, 0), 0.237, 482.4, 1.19, 1.75, 95573.1875),
    "mul8s_1L2L": ((2, 2, 0), 0.200, 411.6, 1.14, 3.75, 38222.1875),
    "mul8s_1L2N": ((3, 3, 0), 0.126, 284.9, 0.94, 15.75, 190990.1875),
    "mul8s_1L12": ((6, 0, 0), 0.052, 172.2, 0.89, 15.75, 7282662.1875),
}


@pytest.mark.parametrize("circuit", PUBLISHED)
def test_oracle(circuit, error_metrics):
    cuts, power_mw, area_um2, delay_ns, bias, variance = PUBLISHED[circuit]
    spec = EvoApproxSpec(circuit=circuit)
    figures = spec.published
    assert (figures.ha, figures.hb, figures.v) == cuts
    assert (figures.power_mw, figures.area_um2, figures.delay_ns) == (power_mw, area_um2, delay_ns)
    found = error_metrics(spec)
    assert found["bias"] == bias
    assert found["variance"] == variance
    assert spec.mean_error() == bias


def test_every_circuit_is_here():
    assert set(CIRCUITS) == set(PUBLISHED)


def test_negative_times_negative_of_an_asymmetric_circuit():
    product = int(EvoApproxSpec(circuit="mul8s_1L2J").reference(-128, -127))
    # -127 is 1000_0001: row 0 of the weights is gone, and with it -128 * 1.
    assert product == 16256 + 128


def test_hardware(check_hardware):
    check_hardware([EvoApproxSpec(circuit=circuit) for circuit in CIRCUITS])
    check_hardware([EvoApproxSpec(circuit="mul8s_1L2J", tree="wallace", adder="ripple")])


def test_names_carry_the_release():
    assert EvoApproxSpec(circuit="mul8s_1L2L").name == "evoapprox_v2022_mul8s_1L2L"
    assert (
        EvoApproxSpec(circuit="mul8s_1L2L", tree="array", adder="ripple").name
        == "evoapprox_v2022_mul8s_1L2L_array_ripple"
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"circuit": "mul8s_1XYZ"},
            f"Expected a circuit of EvoApproxLib v2022 ({', '.join(PUBLISHED)}), found 'mul8s_1XYZ'.",
        ),
        (
            {"circuit": "mul8s_1L2L", "width": 12},
            "Expected signed 8-bit operands for mul8s_1L2L, found width 12 and signed: "
            "use the family bam for other operands.",
        ),
        (
            {"signed": False},
            "Expected signed 8-bit operands for mul8s_1KV6, found width 8 and unsigned: "
            "use the family bam for other operands.",
        ),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        EvoApproxSpec(**parameters)
    assert str(caught.value) == message

"""The examples of docs/import.md run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from axhw.cli.main import main
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.registry import parse
from axhw.store import ENVIRONMENT
from axhw.synth.liberty.reader import embedded_library
from axhw.synth.liberty.writer import write_liberty

GUIDE = Path(__file__).parents[2] / "docs" / "import.md"
BLIF = ".model m\n.inputs {inputs}\n.outputs {outputs}\n.names x[3] y[3] p[6]\n11 1\n{zeros}.end\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Path) -> Path:
    """A folder with the files that the guide names, and a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "store"))
    circuit = "module {}(input {}[{}:0] A, input {}[{}:0] B, output {}[{}:0] O); assign O = A * B; endmodule\n"
    Path("mul8u.v").write_text(circuit.format("mul8u", "", 7, "", 7, "", 15))
    Path("top.v").write_text(
        '`include "sizes.vh"\nmodule top #(parameter N = 4) (input [N-1:0] a, b, output [2*N-1:0] p);\n'
        "  wire [2*N-1:0] x = a * b;\n  adder #(.N(2*N)) sum(.x(x), .y(`NOTHING), .s(p));\nendmodule\n"
    )
    Path("adder.v").write_text(
        "module adder #(parameter N = 4) (input [N-1:0] x, y, output [N-1:0] s); assign s = x + y; endmodule\n"
    )
    Path("sizes.vh").write_text("`define NOTHING 0\n")
    Path("mul4u.v").write_text(circuit.format("mul4u", "", 3, "", 3, "", 7))
    Path("mapped.v").write_text(circuit.format("mapped", "signed ", 3, "signed ", 3, "signed ", 7))
    low = "sg13g2_and2_1 g(.A(A[0]), .B(B[0]), .X(l), .VDD(VDD), .VSS(VSS)); filler f(.VDD(VDD), .VSS(VSS));"
    Path("routed.v").write_text(
        "module routed(input [3:0] A, B, output [7:0] O, inout VDD, VSS); wire l; "
        f"{low} wire [7:0] x = A * B; assign O = {{x[7:1], l}}; endmodule\n"
    )
    Path("my.lib").write_text(write_liberty(embedded_library(), attribution="test"))
    inputs = " ".join(f"{port}[{bit}]" for port in "xy" for bit in range(4))
    outputs = " ".join(f"p[{bit}]" for bit in range(8))
    zeros = "".join(f".names p[{bit}]\n" for bit in range(8) if bit != 6)
    Path("netlist.blif").write_text(BLIF.format(inputs=inputs, outputs=outputs, zeros=zeros))
    Path("mul8.chr").write_text((files / "mul4u_old.chr").read_text())
    Path("mul8s.gates").write_text(exact_multiplier(4, signed=True).text())
    spec = parse("roup:p=1,r=4")
    codes = spec.operand_codes()
    np.save("table.npy", np.roll(spec.reference(codes[:, None], codes), 128, axis=(0, 1)))
    np.save("mul8u.npy", np.arange(256)[:, None] * np.arange(256))
    return tmp_path


def test_commands_run(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 14
    assert main(["gen", "-m", "roup:p=1,r=4"]) == 0
    for line in lines:
        program, *arguments = shlex.split(line, comments=True)
        assert program == "axhw"
        # Figures of networks over a few images and operands say as much here.
        few = {"eval": ["--images", "20"], "workload": ["--images", "2", "--pairs", "64"]}.get(arguments[0], [])
        assert main([*arguments, *few]) == 0, (line, capsys.readouterr().err)


def test_python_runs(work: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(GUIDE), "exec"), {})

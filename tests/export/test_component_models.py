"""Components for architecture tools: hwcomponents models and Accelergy tables."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from axhw.export import export_designs
from axhw.export.components import components
from axhw.record import DesignRecord

Characterized = Callable[..., DesignRecord]


@pytest.fixture(scope="module")
def records(characterized: Characterized) -> list[DesignRecord]:
    return [
        characterized("exact:width=4"),
        characterized("exact:width=4", "registered"),
        characterized("exact:width=4", "mac"),
    ]


def stand_in() -> types.ModuleType:
    """The documented interface of hwcomponents 1.0, which needs a newer Python than axhw."""

    class ActionCost:
        def __init__(self, energy: float, latency: float, throughput: float) -> None:
            self.energy, self.latency, self.throughput = energy, latency, throughput

    class ComponentModel:
        component_name: Any = None
        priority = 0.5

        def __init__(self, leak_power: float | None = None, area: float | None = None) -> None:
            assert leak_power is not None
            assert area is not None
            self.leak_power, self.area = leak_power, area

        @classmethod
        def get_action_names(cls) -> list[str]:
            return sorted(name for name in dir(cls) if hasattr(getattr(cls, name), "is_action"))

    def action(method: Callable[..., ActionCost]) -> Callable[..., ActionCost]:
        @functools.wraps(method)
        def wrapper(*arguments: Any) -> ActionCost:
            return method(*arguments)

        wrapper.is_action = True  # type: ignore[attr-defined]
        return wrapper

    module = types.ModuleType("hwcomponents")
    vars(module).update(ActionCost=ActionCost, ComponentModel=ComponentModel, action=action)
    return module


@pytest.fixture
def models(records: list[DesignRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The exported classes by component name, of the real package where it is installed."""
    if importlib.util.find_spec("hwcomponents") is None:
        monkeypatch.setitem(sys.modules, "hwcomponents", stand_in())
    (path,) = export_designs(records, tmp_path, format="hwcomponents")
    assert path == tmp_path / "axhw_components.py"
    spec = importlib.util.spec_from_file_location("axhw_components", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    public: list[Any] = [
        value for name, value in vars(module).items() if isinstance(value, type) and not name.startswith("_")
    ]
    return {each.component_name: each for each in public if each.__module__ == "axhw_components"}


def test_hwcomponents_models_in_si_units(records: list[DesignRecord], models: dict[str, Any]) -> None:
    assert set(models) == {"exact4s", "exact4s_reg", "exact4s_mac64"}
    for record in records:
        model = models[record.name]()
        cost = record.cost
        assert model.area == pytest.approx(cost.area_um2 * 1e-12, rel=1e-9)
        assert model.leak_power == pytest.approx(cost.leakage_nw * 1e-9, rel=1e-9)
        assert model.priority == 0.9
        own = "mac" if record.name.endswith("mac64") else "multiply"
        assert model.get_action_names() == ["compute", own]
        for name in ("compute", own):
            action = getattr(model, name)()
            assert action.energy == pytest.approx(cost.energy_fj * 1e-15, rel=1e-9)
            assert action.throughput == pytest.approx(1e9 / cost.delay_ns, rel=1e-9)
        cycles = 1 if record.name == "exact4s" else 2
        assert model.compute().latency == pytest.approx(cycles * cost.delay_ns * 1e-9, rel=1e-9)
        for word in (cost.stream, cost.library, cost.corner, cost.engine):
            assert word in models[record.name].__doc__


def test_class_names(models: dict[str, Any]) -> None:
    assert [model.__name__ for model in models.values()] == ["Axhw_exact4s", "Axhw_exact4s_reg", "Axhw_exact4s_mac64"]


def test_designs_of_one_name_are_told_apart(records: list[DesignRecord], tmp_path: Path) -> None:
    first = records[0]
    (path,) = export_designs([first, first], tmp_path, format="hwcomponents")
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    assert names[-2:] == [f"Axhw_exact4s_{first.key[:8]}"] * 2
    assert [component.name for component in components([first, records[1]])] == ["exact4s", "exact4s_reg"]


def test_idle_energy_is_that_of_the_clock(records: list[DesignRecord]) -> None:
    plain, registered, _ = components(records)
    assert plain.idle_energy_j == 0.0
    assert registered.idle_energy_j == pytest.approx(records[1].cost.clock_fj * 1e-15)
    assert 0 < registered.idle_energy_j < registered.energy_j
    assert plain.cycle_s == pytest.approx(10e-9)


def plain_yaml(text: str) -> Any:
    """The value of a YAML document of nested mappings, lists and scalars."""
    return pytest.importorskip("yaml").safe_load(text)


def test_accelergy_files(records: list[DesignRecord], tmp_path: Path) -> None:
    written = export_designs(records, tmp_path, format="accelergy")
    names = [record.name for record in records]
    assert written == [
        tmp_path / "ERT.yaml",
        tmp_path / "ART.yaml",
        tmp_path / "axhw.lib.yaml",
        *(tmp_path / "library" / f"{name}.csv" for name in names),
    ]


def test_energy_table_line_by_line(records: list[DesignRecord], tmp_path: Path) -> None:
    energies, areas, classes, *_ = export_designs(records[1:2], tmp_path, format="accelergy")
    cost = records[1].cost
    lines = [re.sub(r"\s+#.*|^#.*", "", line) for line in energies.read_text().splitlines()]
    assert lines[1:5] == ["ERT:", "  version: 0.4", "  tables:", "  - name: exact4s_reg"]
    assert lines[5] == "    actions:"
    found = {}
    for name, arguments, energy in zip(lines[6::3], lines[7::3], lines[8::3]):
        assert arguments == "      arguments: null"
        found[name.removeprefix("    - name: ")] = float(energy.removeprefix("      energy: "))
        assert re.fullmatch(r"      energy: \d+\.\d+", energy), "1e-05 is text in YAML 1.1"
    assert found == pytest.approx(
        {
            "multiply": cost.energy_fj * 1e-3,
            "compute": cost.energy_fj * 1e-3,
            "read": cost.energy_fj * 1e-3,
            "write": 0.0,
            "update": 0.0,
            "idle": cost.clock_fj * 1e-3,
            # nW times 10 ns is 1e-5 pJ.
            "leak": cost.leakage_nw * 1e-5,
        },
        rel=1e-9,
    )
    assert areas.read_text().splitlines()[1:4] == ["ART:", "  version: 0.4", "  tables:"]
    assert float(areas.read_text().split("area: ")[1]) == pytest.approx(cost.area_um2)
    assert re.findall(r"- name: (\w+)", classes.read_text()) == ["exact4s_reg", *found]


def test_tables_are_yaml(records: list[DesignRecord], tmp_path: Path) -> None:
    energies, areas, classes, *_ = export_designs(records, tmp_path, format="accelergy")
    tables = plain_yaml(energies.read_text())["ERT"]["tables"]
    assert [table["name"] for table in tables] == [record.name for record in records]
    for table, record in zip(tables, records):
        figures = {action["name"]: action["energy"] for action in table["actions"]}
        assert figures["compute"] == pytest.approx(record.cost.energy_fj * 1e-3)
        assert all(isinstance(figure, float) for figure in figures.values())
    assert [table["area"] for table in plain_yaml(areas.read_text())["ART"]["tables"]] == pytest.approx(
        [record.cost.area_um2 for record in records]
    )
    for each in plain_yaml(classes.read_text())["classes"]:
        assert each["attributes"]["global_cycle_seconds"] == pytest.approx(1e-8)


def test_entries_of_the_library_plug_in(records: list[DesignRecord], tmp_path: Path) -> None:
    """Read as the plug-in's documentation says: comments after #, then a header, then a row per action."""
    *_, path = export_designs(records, tmp_path, format="accelergy")
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    header, *rows = (line.split(",") for line in lines if line)
    assert header == ["global_cycle_seconds", "energy", "area", "action"]
    entries = {row[3]: row for row in rows}
    assert set(entries) == {"mac", "compute", "read", "write", "update", "idle", "leak"}
    cost = records[2].cost
    for action, (cycle, energy, area, _) in entries.items():
        assert float(area) == pytest.approx(cost.area_um2)
        assert cycle == ("0.00000001" if action == "leak" else "*")
        assert float(energy) >= 0
    assert float(entries["mac"][1]) == pytest.approx(cost.energy_fj * 1e-3)

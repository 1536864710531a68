"""`CellLibrary` to compact Liberty text, in axhw's units (ns, fF, fJ, nW, um2)."""

from __future__ import annotations

from collections.abc import Iterator

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, FloatArray, Pin, Table, TimingArc
from axhw.synth.liberty.wire_load import WireLoads

_EXACT_DIGITS = 9


def write_liberty(library: CellLibrary, *, attribution: str, table_digits: int = 4) -> str:
    """Liberty text that `read_library`, Yosys, ABC and OpenSTA read.

    Parameters
    ----------
    library : CellLibrary
    attribution : str
        Comment at the head of the file: where the figures come from and under which licence.
    table_digits : int
        Of table values; everything else is written with nine.

    Raises
    ------
    AxhwError
        If `attribution` would end the comment, or a cell is a latch, which `CellLibrary` describes
        too little to write.
    """
    if "*/" in attribution:
        raise AxhwError("Expected an attribution that can stand in a comment, found one with '*/'.")
    return _Writer(library, table_digits).text(attribution)


class _Writer:
    """Writes the cells first, which collects the table templates that they use."""

    def __init__(self, library: CellLibrary, table_digits: int) -> None:
        self._library = library
        self._table_digits = table_digits
        self._templates: dict[tuple[str, ...], str] = {}

    def text(self, attribution: str) -> str:
        cells = [line for cell in self._library.cells.values() for line in self._cell(cell)]
        comment = "".join(f" * {line}".rstrip() + "\n" for line in attribution.splitlines())
        lines = [f"/*\n{comment} */", f"library({_name(self._library.name)}) {{", *self._header()]
        lines += [_template(name, key) for key, name in self._templates.items()]
        return "\n".join([*lines, *cells, "}\n"])

    def _header(self) -> Iterator[str]:
        library, limits = self._library, self._library.thresholds
        yield "delay_model : table_lookup;"
        yield 'time_unit : "1ns";\nvoltage_unit : "1V";\ncurrent_unit : "1mA";\npulling_resistance_unit : "1kohm";'
        yield 'leakage_power_unit : "1nW";\ncapacitive_load_unit(1, ff);'
        corner = {"process": library.process, "voltage": library.voltage_v, "temperature": library.temperature_c}
        yield from (f"nom_{name} : {_exact(value)};" for name, value in corner.items())
        # OpenSTA takes the supply for switching power from the operating conditions alone.
        yield f"operating_conditions(corner) {{ {' '.join(f'{k} : {_exact(v)};' for k, v in corner.items())} }}"
        yield "default_operating_conditions : corner;"
        for edge in ("rise", "fall"):
            for name in ("input", "output", "slew_lower", "slew_upper"):
                yield f"{name}_threshold_pct_{edge} : {_exact(getattr(limits, f'{name}_{edge}'))};"
        yield f"slew_derate_from_library : {_exact(limits.slew_derate)};"
        if library.max_transition_ns is not None:
            yield f"default_max_transition : {_exact(library.max_transition_ns)};"
        yield from _wire_loads(library.wire_loads)

    def _cell(self, cell: Cell) -> Iterator[str]:
        if cell.is_latch:
            raise AxhwError(f"Expected gates and flip-flops to write, found the latch {cell.name}.")
        yield f"cell({_name(cell.name)}) {{"
        yield f"area : {_exact(cell.area_um2)};"
        yield f"cell_leakage_power : {_exact(cell.leakage_nw)};"
        if cell.dont_use:
            yield "dont_use : true;"
        for when, leakage in cell.leakage_states:
            yield f'leakage_power() {{ when : "{when}"; value : {_exact(leakage)}; }}'
        if cell.flip_flop is not None:
            yield from _flip_flop(cell.flip_flop)
        for pin in cell.pins.values():
            yield from self._pin(pin)
        yield "}"

    def _pin(self, pin: Pin) -> Iterator[str]:
        yield f"pin({_name(pin.name)}) {{"
        yield f"direction : {pin.direction};"
        numbers = {
            "capacitance": pin.capacitance_ff or None if pin.direction == "output" else pin.capacitance_ff,
            "rise_capacitance": pin.rise_capacitance_ff,
            "fall_capacitance": pin.fall_capacitance_ff,
            "max_capacitance": pin.max_capacitance_ff,
        }
        yield from (f"{name} : {_exact(value)};" for name, value in numbers.items() if value is not None)
        if pin.clock:
            yield "clock : true;"
        if pin.function is not None:
            yield f'function : "{pin.function}";'
        if pin.three_state is not None:
            yield f'three_state : "{pin.three_state}";'
        for arc in pin.timing:
            yield from self._timing(arc)
        for power in pin.power:
            yield "internal_power() {"
            if power.related_pin is not None:
                yield f'related_pin : "{power.related_pin}";'
            if power.when is not None:
                yield f'when : "{power.when}";'
            if power.supply is not None:
                yield f'related_pg_pin : "{power.supply}";'
            yield from self._table("rise_power", power.rise)
            yield from self._table("fall_power", power.fall)
            yield "}"
        yield "}"

    def _timing(self, arc: TimingArc) -> Iterator[str]:
        yield "timing() {"
        yield f'related_pin : "{arc.related_pin}";'
        if arc.kind != "combinational":
            yield f"timing_type : {arc.kind};"
        if not arc.is_constraint:
            yield f"timing_sense : {arc.sense};"
        if arc.when is not None:
            yield f'when : "{arc.when}";'
        if arc.sdf_cond is not None:
            yield f'sdf_cond : "{arc.sdf_cond}";'
        for edge, table in (("rise", arc.rise), ("fall", arc.fall)):
            yield from self._table(f"{edge}_constraint" if arc.is_constraint else f"cell_{edge}", table)
        yield from self._table("rise_transition", arc.rise_transition)
        yield from self._table("fall_transition", arc.fall_transition)
        yield "}"

    def _table(self, name: str, table: Table | None) -> Iterator[str]:
        if table is None:
            return
        kind = name.rpartition("_")[2]
        slew, load = _VARIABLES.get(kind, _VARIABLES["delay"])
        axes = [(variable, axis) for variable, axis in ((slew, table.slew_ns), (load, table.load_ff)) if axis.size > 1]
        template = "scalar"
        if axes:
            group = "power_lut_template" if kind == "power" else "lu_table_template"
            key = (group, *(word for variable, axis in axes for word in (variable, _row(axis, _EXACT_DIGITS))))
            template = self._templates.setdefault(key, f"t{len(self._templates) + 1}")
        rows = table.values if len(axes) == 2 else table.values.reshape(1, -1)
        values = ", ".join(f'"{_row(row, self._table_digits)}"' for row in rows)
        yield f"{name}({template}) {{ values({values}); }}"


def _wire_loads(wires: WireLoads) -> Iterator[str]:
    for name, model in wires.models.items():
        # A unit of length is what has 1 fF.
        lengths = " ".join(f"fanout_length({fanout}, {_exact(length)});" for fanout, length in model.capacitance_ff)
        yield f'wire_load("{name}") {{ capacitance : 1; slope : {_exact(model.slope_ff)}; {lengths} }}'
    for name, ranges in wires.selections.items():
        rows = " ".join(
            f'wire_load_from_area({_exact(r.least_um2)}, {_exact(r.most_um2)}, "{r.model}");' for r in ranges
        )
        yield f'wire_load_selection("{name}") {{ {rows} }}'
    if wires.default is not None:
        yield f'default_wire_load : "{wires.default}";'
    if wires.default_selection is not None:
        yield f'default_wire_load_selection : "{wires.default_selection}";'


_VARIABLES = {
    "delay": ("input_net_transition", "total_output_net_capacitance"),
    "power": ("input_transition_time", "total_output_net_capacitance"),
    "constraint": ("related_pin_transition", "constrained_pin_transition"),
}


def _template(name: str, key: tuple[str, ...]) -> str:
    variables = " ".join(f"variable_{k} : {variable};" for k, variable in enumerate(key[1::2], 1))
    indices = " ".join(f'index_{k}("{index}");' for k, index in enumerate(key[2::2], 1))
    return f"{key[0]}({name}) {{ {variables} {indices} }}"


def _flip_flop(flip_flop: FlipFlop) -> Iterator[str]:
    yield f"ff({flip_flop.state}, {flip_flop.inverted}) {{"
    for attribute in ("clocked_on", "next_state", "clear", "preset"):
        value = getattr(flip_flop, attribute)
        if value is not None:
            yield f'{attribute} : "{value}";'
    for k, value in enumerate(flip_flop.clear_preset or (), 1):
        yield f"clear_preset_var{k} : {value};"
    yield "}"


def _name(text: str) -> str:
    return text if text.isidentifier() else f'"{text}"'


def _exact(value: float) -> str:
    return f"{value:.{_EXACT_DIGITS}g}"


def _row(values: FloatArray, digits: int) -> str:
    return ", ".join(f"{value:.{digits}g}" for value in values)

"""From a circuit to gates and their cost: Yosys, cell libraries, mapped netlists, timing and power."""

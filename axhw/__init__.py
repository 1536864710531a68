"""Approximate multipliers: generated, synthesised, proved, costed, and run inside neural networks.

>>> from axhw.characterize import characterize
>>> from axhw.hdl.registry import parse
>>> record = characterize(parse("roup:p=2,r=3"))
>>> record.metrics.mae, record.cost.energy_fj, record.table.values.shape
"""

__version__ = "0.1.0"

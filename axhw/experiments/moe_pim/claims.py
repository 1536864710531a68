"""The claims of arXiv 2602.10254 and our targets beside what was measured; whether they are met follows from the rows.

Claims that no rows are there for are left out, and told as missing.
"""

from __future__ import annotations

from axhw.experiments.claims import Claim, computed
from axhw.experiments.moe_pim.hardware_claims import AREAS, GATES
from axhw.experiments.moe_pim.measured import Measured
from axhw.experiments.moe_pim.schedule_claims import SCHEDULES
from axhw.experiments.moe_pim.simulator_claims import SIMULATOR
from axhw.experiments.moe_pim.value_claims import VALUES


def claims(measured: Measured) -> tuple[list[Claim], list[dict[str, str]]]:
    """All claims, and those that could not be computed with what they lack."""
    return computed({**SIMULATOR, **SCHEDULES, **AREAS, **GATES, **VALUES}, measured)

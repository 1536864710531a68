"""Many designs in one library on all processors, from the user's store or a scratch one."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from axhw.hdl.spec import MultiplierSpec
from axhw.measure import Conditions
from axhw.store import ENVIRONMENT, Store
from axhw.sweep.local import processors, run_local
from axhw.sweep.task import Setup

SHORT_NAMES = {
    "sg13g2_stdcell_typ_1p20V_25C": "SG13G2",
    "sg13g2_stdcell_typ_1p20V_25C_fit": "SG13G2 fitted",
    "sky130_fd_sc_hd__tt_025C_1v80": "SKY130",
}
"""What figures call the libraries at hand."""


@contextmanager
def scratch_store() -> Iterator[Store]:
    """The store that ``AXHW_STORE`` names, for those who want to keep the designs; else one that vanishes."""
    if os.environ.get(ENVIRONMENT):
        yield Store.default()
        return
    with tempfile.TemporaryDirectory(prefix="axhw-benchmark-") as folder:
        yield Store(Path(folder))


def summaries(specs: Sequence[MultiplierSpec], library: str, store: Store) -> pd.DataFrame:
    """`DesignRecord.summary` of each design, in the order of the specs.

    Parameters
    ----------
    library : str
        Embedded name or Liberty file.

    Raises
    ------
    RuntimeError
        If a design failed.
    """
    setup = Setup.of(library=library, engine=None, store=store, conditions=Conditions(), threads=1)
    rows: list[dict[str, object]] = [{} for _ in specs]
    with contextlib.closing(run_local(specs, setup, jobs=processors())) as finished:
        for done, (place, outcome) in enumerate(finished, 1):
            if outcome.summary is None:
                raise RuntimeError(f"{outcome.name}: {outcome.error}")
            rows[place] = outcome.summary
            print(f"\r{done} of {len(specs)} designs in {outcome.summary['library']}", end="", file=sys.stderr)
    print(file=sys.stderr)
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame

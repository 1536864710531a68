"""Workers of a dask scheduler, on any number of machines that share the store's folder."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Sequence
from typing import Any

from axhw.errors import AxhwError
from axhw.hdl.registry import DesignSpec
from axhw.sweep.task import Outcome, Setup, make

_PATIENCE_S = 10


def run_cluster(
    specs: Sequence[DesignSpec], setup: Setup, *, scheduler: str
) -> Generator[tuple[int, Outcome], None, None]:
    """Make designs on a cluster; place and outcome of each as it is finished.

    Designs whose worker dies go to another one, and are found in the store where they had been finished.

    Parameters
    ----------
    scheduler : str
        Address such as ``tcp://host:8786``.

    Raises
    ------
    AxhwError
        If dask.distributed is not installed, or the scheduler cannot be reached or has no workers.
    """
    distributed = _distributed()
    with _connect(distributed, scheduler) as client:
        futures = {
            # Designs are stored, so two sweeps may run the same one: each asks under a name of its own.
            client.submit(make, spec, setup, pure=False): place
            for place, spec in enumerate(specs)
        }
        try:
            for future in distributed.as_completed(list(futures)):
                place = futures.pop(future)
                error = future.exception()
                if error is None:
                    yield place, future.result()
                else:
                    sentence = f"Expected a worker to finish {specs[place].name}, found {type(error).__name__}: {error}"
                    yield place, Outcome(name=specs[place].name, state="failed", error=sentence)
        finally:
            # Nobody waits for the others any more.
            client.cancel(list(futures))


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise AxhwError(
            "Expected dask.distributed for --scheduler, found it missing: run `pip install 'axhw[cluster]'`."
        ) from error


def _connect(distributed: Any, scheduler: str) -> Any:
    try:
        client = distributed.Client(scheduler, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise AxhwError(
            f"Expected a dask scheduler at {scheduler} (such as tcp://host:8786), found none: start `dask scheduler` "
            "there and `dask worker` on each machine."
        ) from error
    if not client.scheduler_info()["workers"]:
        client.close()
        raise AxhwError(f"Expected workers at the dask scheduler {scheduler}, found none: start `dask worker`.")
    return client

"""A network evaluated with stored designs: accuracy with their tables, energy with their costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.nn import digits
from axhw.nn.calibrate import quantize_network
from axhw.nn.dataset import Splits
from axhw.nn.evaluate import EvaluationResult, evaluate
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.zoo import load_network
from axhw.record import DesignRecord

DATASETS: Mapping[str, Callable[[], Splits]] = {"digits": digits.load}
EVALUATION_CSV = "evaluation.csv"


def load_dataset(name: str) -> Splits:
    """A data set by name.

    Raises
    ------
    AxhwError
        For an unknown name.
    """
    if name not in DATASETS:
        raise AxhwError(f"Expected a data set out of {', '.join(DATASETS)}, found {name!r}.")
    return DATASETS[name]()


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A float network with its data: quantised on demand, calibrated on the train split, run on the test split."""

    network: Network
    data: Splits

    @classmethod
    def load(cls, *, model: str, data: str) -> Bench:
        """A shipped network and a data set by name."""
        return cls(network=load_network(model), data=load_dataset(data))

    @cached_property
    def signed_network(self) -> QuantizedNetwork:
        return quantize_network(self.network, self.data.train.images, signed=True)

    @cached_property
    def unsigned_network(self) -> QuantizedNetwork:
        return quantize_network(self.network, self.data.train.images, signed=False)

    def evaluate(self, record: DesignRecord, *, progress: Callable[[int, int], None] | None = None) -> EvaluationResult:
        """Accuracy and energy with one design in every product layer.

        Raises
        ------
        AxhwError
            If the design is not an 8-bit multiplier with a table.
        """
        if record.table is None or record.multiplier.width != 8:
            raise AxhwError(
                f"Expected a design with 8-bit operands to run a network with, found {record.name} with "
                f"{record.multiplier.width} bits."
            )
        network = self.signed_network if record.multiplier.signed else self.unsigned_network
        return evaluate(network, self.data.test, record.table, energy_fj=record.cost.energy_fj, progress=progress)


def evaluation_row(record: DesignRecord, result: EvaluationResult) -> dict[str, object]:
    """One evaluation, flat: what ``axhw eval --json`` and evaluation.csv hold."""
    return {
        "name": record.name,
        "network": result.network,
        "dataset": result.dataset,
        "split": result.split,
        "split_seed": result.seed,
        "images": result.images,
        "float_accuracy": result.float_accuracy,
        "int8_accuracy": result.exact_accuracy,
        "accuracy": result.approximate_accuracy,
        "agreement": result.agreement,
        "multiplications": result.multiplications,
        "energy_fj": record.cost.energy_fj,
        "energy_nj_per_inference": result.energy_nj,
        "library": record.cost.library,
        "lut_sha256": record.verification.table_sha256,
    }


def write_evaluations(rows: Sequence[Mapping[str, object]], folder: Path) -> Path:
    """Write evaluation.csv into an existing folder."""
    # As in axhw.export: most commands do without pandas.
    import pandas as pd

    path = folder / EVALUATION_CSV
    with replacing(path) as draft:
        pd.DataFrame(list(rows)).to_csv(draft, index=False)
    return path

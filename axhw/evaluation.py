"""A network evaluated with stored designs: accuracy with their tables, energy with their costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.data.dataset import Splits
from axhw.data.names import load_dataset
from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.nn.assignment import Tables, approximated_layers
from axhw.nn.calibrate import Calibration
from axhw.nn.compensation import Compensation, compensated
from axhw.nn.evaluate import EvaluationResult, Progress, Reference, evaluate, reference
from axhw.nn.graph import Graph
from axhw.nn.layers.base import Shape
from axhw.nn.network import Network
from axhw.nn.operand_statistics import OperandStatistics, operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.nn.weight_tuning import Tuning, tuned_tables
from axhw.nn.weights_file import load_shipped, read_weights
from axhw.record import DesignRecord
from axhw.sim.product_table import ProductTable

EVALUATION_CSV = "evaluation.csv"
SENSITIVITY_CSV = "sensitivity.csv"


CALIBRATION_IMAGES = 1024
COMPENSATION_IMAGES = 128
STATISTICS_IMAGES = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A network with its data: quantised on demand, calibrated on the train split, run on the test split.

    Attributes
    ----------
    network : Network or QuantizedNetwork
        A float network is quantised for signed or unsigned multipliers as they come; an integer one is only moved
        from codes of one kind to the other.
    data : Splits
    weights : str
        Where the weights come from, for reports.
    calibration : Calibration
        How ranges of activations are taken from `CALIBRATION_IMAGES` images of the train split, drawn with seed 0.
    """

    network: Network | QuantizedNetwork
    data: Splits
    weights: str
    calibration: Calibration = field(default_factory=Calibration)

    @classmethod
    def load(
        cls,
        *,
        model: str,
        data: str,
        root: Path | None = None,
        images: int | None = None,
        calibration: Calibration | None = None,
    ) -> Bench:
        """A network by its name in the zoo or its file, and a data set by its name or path.

        Parameters
        ----------
        model : str
            Name of a network that comes with weights for the data set, or a .safetensors or .onnx file.
        data : str
        root : Path, optional
            Folder to look for a named data set in first.
        images : int, optional
            Evaluate on so many test images, drawn with seed 0, instead of all.
        calibration : Calibration, optional

        Raises
        ------
        AxhwError
            For unknown names, weights that aren't there, damaged files, or images that the network can't take.
        """
        splits = load_dataset(data, root=root)
        if images is not None:
            splits = replace(splits, test=splits.test.limited(images))
        network, weights = load_model(model, data, image_shape=splits.test.image_shape)
        if network.graph.input_shape != splits.test.image_shape:
            raise AxhwError(
                f"Expected images of shape {network.graph.input_shape} for {model}, found {splits.test.image_shape} "
                f"in {splits.test.name}."
            )
        chosen = calibration if calibration is not None else Calibration()
        return cls(network=network, data=splits, weights=weights, calibration=chosen)

    @property
    def graph(self) -> Graph:
        """Of the network; without batch norms only once it is quantised."""
        return self.network.graph

    def quantized(self, *, signed: bool) -> QuantizedNetwork:
        """The integer network for signed or unsigned multipliers."""
        return self._signed if signed else self._unsigned

    def reference(self, *, signed: bool) -> Reference:
        """What it says to the test images with exact products, and the float network does."""
        return self._signed_reference if signed else self._unsigned_reference

    @cached_property
    def calibration_images(self) -> npt.NDArray[np.float32]:
        """Normalised images of the train split."""
        return self.data.train.limited(CALIBRATION_IMAGES).images

    @cached_property
    def _signed(self) -> QuantizedNetwork:
        return self._quantize(signed=True)

    @cached_property
    def _unsigned(self) -> QuantizedNetwork:
        return self._quantize(signed=False)

    @cached_property
    def _signed_reference(self) -> Reference:
        return reference(self._signed, self.data.test)

    @cached_property
    def _unsigned_reference(self) -> Reference:
        return reference(self._unsigned, self.data.test)

    def _quantize(self, *, signed: bool) -> QuantizedNetwork:
        if isinstance(self.network, QuantizedNetwork):
            return self.network.with_signedness(signed)
        return quantize_network(self.network, self.calibration_images, signed=signed, calibration=self.calibration)

    def evaluate(
        self,
        record: DesignRecord,
        *,
        layers: Sequence[str] | None = None,
        exact_energy_fj: float | None = None,
        tune: Tuning | None = None,
        compensate: Compensation | None = None,
        progress: Progress | None = None,
    ) -> EvaluationResult:
        """Accuracy and energy with one design in every product layer but those of gates, or in some; a table has no
        energy.

        Parameters
        ----------
        record : DesignRecord
        layers : sequence of str, optional
            Product layers that use the design; the others multiply exactly.
        exact_energy_fj : float, optional
            Energy of one exact multiplication, for the other layers: without it there is none where there are some.
        tune : {"plain", "histogram"}, optional
            Give the design other weights, for which it errs less: see `axhw.nn.weight_tuning`.
        compensate : {"bias", "affine"}, optional
            Make up for the errors of the design, as found on some calibration images: see `axhw.nn.compensation`.
        progress : callable, optional
            Called with the images done and their total.

        Raises
        ------
        AxhwError
            If the design is not an 8-bit multiplier with a table, or a layer is not one of the network.
        """
        signed = record.multiplier.signed
        table = eight_bit_table(record)
        network = self.quantized(signed=signed)
        names = [node.name for node in network.graph.product_nodes]
        chosen = approximated_layers(network.graph, attention=True) if layers is None else layers
        own_fj = None if record.cost is None else record.cost.energy_fj
        energy_fj: float | dict[str, float] | None = own_fj
        if set(chosen) != set(names):
            energy_fj = None
            if exact_energy_fj is not None and own_fj is not None:
                energy_fj = {name: own_fj if name in chosen else exact_energy_fj for name in names}
        return self.evaluate_tables(
            dict.fromkeys(chosen, table),
            signed=signed,
            energy_fj=energy_fj,
            tune=tune,
            compensate=compensate,
            progress=progress,
        )

    def evaluate_tables(
        self,
        tables: Tables,
        *,
        signed: bool,
        energy_fj: float | Mapping[str, float] | None = None,
        tune: Tuning | None = None,
        compensate: Compensation | None = None,
        progress: Progress | None = None,
    ) -> EvaluationResult:
        """Accuracy and energy with tables by layer, filter or kernel.

        Parameters
        ----------
        tables : ProductTable, or mapping of layer name to ProductTable or LayerTables
        signed : bool
            Of the tables' operands.
        energy_fj : float, or mapping of layer name to float, optional
            Mean energy of one multiplication, for all layers or for each product layer.
        tune, compensate, progress
            As for `evaluate`.

        Raises
        ------
        AxhwError
            For tables that don't fit the network.
        """
        network = self.quantized(signed=signed)
        if tune is not None:
            statistics = self.operand_statistics(signed=signed) if tune == "histogram" else {}
            tables = tuned_tables(network.graph, statistics, tables, method=tune, signed=signed)
        if compensate is not None:
            network = compensated(network, self.calibration_images[:COMPENSATION_IMAGES], tables, method=compensate)
        return evaluate(
            network,
            self.data.test,
            tables,
            energy_fj=energy_fj,
            compared_with=self.reference(signed=signed),
            progress=progress,
        )

    def operand_statistics(self, *, signed: bool) -> Mapping[str, OperandStatistics]:
        """What the layers multiply with exact products, on `STATISTICS_IMAGES` images of the train split."""
        return self._signed_statistics if signed else self._unsigned_statistics

    @cached_property
    def _signed_statistics(self) -> Mapping[str, OperandStatistics]:
        return operand_statistics(self._signed, self.calibration_images[:STATISTICS_IMAGES])

    @cached_property
    def _unsigned_statistics(self) -> Mapping[str, OperandStatistics]:
        return operand_statistics(self._unsigned, self.calibration_images[:STATISTICS_IMAGES])


def eight_bit_table(record: DesignRecord) -> ProductTable:
    """The product table of a design.

    Raises
    ------
    AxhwError
        If it is not an 8-bit multiplier.
    """
    if record.table is None or record.multiplier.width != 8:
        raise AxhwError(
            f"Expected a design with 8-bit operands to run a network with, found {record.name} with "
            f"{record.multiplier.width} bits."
        )
    return record.table


def load_model(model: str, data: str, *, image_shape: Shape | None = None) -> tuple[Network | QuantizedNetwork, str]:
    """A network by its name in the zoo or its file, and where its weights come from.

    Raises
    ------
    AxhwError
        For a name without weights for this data set, and for files that hold no network.
    """
    path = Path(model).expanduser()
    match path.suffix.lower():
        case ".onnx":
            # The onnx package takes a while to import: only those who have such a file pay for it.
            from axhw.nn.onnx_import.read import read_onnx

            return read_onnx(path, image_shape=image_shape), path.name
        case ".safetensors":
            trained = read_weights(path)
            return trained.network, f"{path.name}, trained on {trained.data}"
    trained = load_shipped(model, data)
    return trained.network, f"axhw, trained on {trained.data}"


def select_layers(graph: Graph, text: str) -> tuple[str, ...]:
    """Product layers out of a list of names, numbers from 1 and ranges of numbers: ``conv1,3-7``.

    Raises
    ------
    AxhwError
        For a name or number that no product layer of the graph has.
    """
    names = [node.name for node in graph.product_nodes]
    chosen: set[str] = set()
    for part in filter(None, (item.strip() for item in text.split(","))):
        first, _, last = part.partition("-")
        if part in names:
            chosen.add(part)
        elif first.isdigit() and (last or first).isdigit() and 1 <= int(first) <= int(last or first) <= len(names):
            chosen.update(names[int(first) - 1 : int(last or first)])
        else:
            raise AxhwError(
                f"Expected product layers by name ({', '.join(names)}) or number (1 to {len(names)}), found {part!r}."
            )
    if not chosen:
        raise AxhwError(f"Expected at least one product layer out of {', '.join(names)}, found none.")
    return tuple(name for name in names if name in chosen)


def result_columns(result: EvaluationResult) -> dict[str, object]:
    """What an evaluation found, by column of evaluation.csv; energy depends on what was evaluated."""
    return {
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
    }


def evaluation_row(record: DesignRecord, result: EvaluationResult) -> dict[str, object]:
    """One evaluation, flat: what evaluation.csv holds."""
    return {
        "name": record.name,
        "family": record.multiplier.family,
        **result_columns(result),
        "energy_fj": None if record.cost is None else record.cost.energy_fj,
        "energy_nj_per_inference": result.energy_nj,
        "library": None if record.cost is None else record.cost.library,
        "lut_sha256": record.verification.table_sha256,
    }


def write_rows(rows: Sequence[Mapping[str, object]], path: Path) -> Path:
    """Write rows of equal columns as a CSV file into an existing folder."""
    # As in axhw.export: most commands do without pandas.
    import pandas as pd

    with replacing(path) as draft:
        pd.DataFrame(list(rows)).to_csv(draft, index=False)
    return path

"""The section of the report on single filters and kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from axhw.experiments.max_dnn.fronts import select
from axhw.experiments.max_dnn.site_statistics import ALL_LAYERS, CLEAR_ERRORS
from axhw.report.numbers import MISSING
from axhw.report.sites import draw_filters, draw_kernels, draw_predictions
from axhw.report.study import Block, Picture, Table

Row = Mapping[str, Any]

_QUANTITIES = {"cross_entropy_rise": "rise", "noise": "noise", "predicted_noise": "predicted noise"}
_MEASURED = ("noise", "changed_pct", "loss_pct", "cross_entropy_rise", "cross_entropy_error")


def site_blocks(document: Mapping[str, Any], *, name: str) -> list[Block]:
    """The section; `name` is that of the report."""
    filters, kernels, measured = (document[part] for part in ("filters", "kernels", "measured_kernels"))
    first = filters[0]
    strong = first["class"]
    where = f"{first['network']} on {first['dataset']}, {first['split']}: {first['images']:,} images"
    noise = {layer: row["predicted_noise"] for layer, row in kernels.items()}
    return [
        f"One filter at a time runs a design, and all else multiplies exactly; on {first['images']:,} test images, "
        "without compensation. *Rise* is the mean rise of the cross entropy of the labels in nats, *clear* counts the "
        f"filters whose rise is more than {CLEAR_ERRORS:g} of its standard errors above 0; *changed* are images that "
        "are put into another class. *Noise* is the mean squared change of the logits. *Worst 10 %* is the share of "
        "the most sensitive tenth of the filters in the rise of all, filters whose errors help counted as 0; the Gini "
        "coefficient is 0 where all are alike and 1 where one has everything. The last columns are rank correlations "
        "(Spearman) of the noise with what the error theory predicts (importance of the output times power of the "
        "error) and with the norm of the filter's weights.",
        Picture(
            stem=f"{name}-filters",
            caption="Sensitivity of the filters",
            figure=draw_filters(filters, about=where),
        ),
        _filters(document["filter_summary"]),
        " ".join(_of_filters(document, strong)),
        f"Kernels, {sum(np.size(values) for values in noise.values()):,} of them, are predicted: the noise at the "
        f"logits if one alone runs ROUP_{strong}, its terms taken as independent. {len(measured):,} were drawn at "
        "random, equally many of each layer as far as it has them, and measured in the same way. *Of filters* and *of "
        "channels* is how much of the variance among the kernels of a layer lies between its filters and between its "
        "input channels; the rest belongs to single kernels.",
        Picture(
            stem=f"{name}-kernels",
            caption="Predicted sensitivity of the kernels",
            figure=draw_kernels(noise, about=f"{first['network']}, ROUP_{strong}"),
        ),
        _kernels(document["kernel_summary"]),
        _of_kernels(document["kernel_summary"]),
        Picture(
            stem=f"{name}-predictions",
            caption="Predicted and measured noise of single filters and kernels",
            figure=draw_predictions(select(filters, **{"class": strong}), measured, about=f"{where}, ROUP_{strong}"),
        ),
        "Whether early filters and kernels are the sensitive ones: the rank correlation of layer and sensitivity over "
        "n of them, and the means of the first and the last third of the layers; then the same for a million "
        "multiplications, as a filter or kernel of an early layer does more of them.",
        _depths(document["site_depths"]),
        _of_depths(document["site_depths"]),
    ]


def kernel_rows(document: Mapping[str, Any]) -> list[Row]:
    """A row for each kernel, for a table: what is predicted, and what was measured where it was."""
    seen = {(row["layer"], row["filter"], row["channel"]): row for row in document["measured_kernels"]}
    found: list[Row] = []
    for layer, row in document["kernels"].items():
        for (number, channel), noise in np.ndenumerate(row["predicted_noise"]):
            measured = seen.get((layer, number, channel), {})
            found.append(
                {
                    "number": row["number"],
                    "layer": layer,
                    "filter": number,
                    "channel": channel,
                    "multiplications": row["multiplications"],
                    "weight_norm": row["weight_norm"][number][channel],
                    "predicted_noise": float(noise),
                    **{column: measured.get(column) for column in _MEASURED},
                }
            )
    return found


def _filters(rows: Sequence[Row]) -> Table:
    heads = ("class", "layer", "filters", "loss: mean", "largest", "changed %: mean", "largest", "rise: mean")
    more = ("largest", "clear", "worst 10 %", "Gini", "predicted", "norm")
    lines = [
        (
            row["class"],
            row["layer"],
            row["filters"],
            _number(row["mean_loss_pct"]),
            _number(row["largest_loss_pct"], 1),
            f"{row['mean_changed_pct']:.1f}",
            f"{row['largest_changed_pct']:.1f}",
            _number(row["mean_rise"], 4),
            _number(row["largest_rise"], 4),
            row["clear_rises"],
            _percent(row["worst_tenth_of_rise"]),
            _number(row["gini_of_rise"]),
            _number(row["spearman_predicted_noise"]),
            _number(row["spearman_norm_noise"]),
        )
        for row in rows
    ]
    return Table(heads=(*heads, *more), rows=lines, left=2)


def _of_filters(document: Mapping[str, Any], strong: str) -> Iterator[str]:
    """All layers together, in words."""
    for row in select(document["filter_summary"], layer=ALL_LAYERS):
        yield (
            f"ROUP_{row['class']}, all {row['filters']} filters: the worst 10 % have "
            f"{_percent(row['worst_tenth_of_rise'])} of the rise (Gini {_number(row['gini_of_rise'])}) and "
            f"{_percent(row['worst_tenth_of_noise'])} of the noise (Gini {_number(row['gini_of_noise'])}); the rank "
            f"correlation with the predicted noise is {_number(row['spearman_predicted_noise'])} for the noise and "
            f"{_number(row['spearman_predicted_rise'])} for the rise, with the norm of the weights "
            f"{_number(row['spearman_norm_noise'])} and {_number(row['spearman_norm_rise'])}."
        )
    both = document["class_agreement"]
    classes = " and ".join(f"ROUP_{name}" for name in dict.fromkeys(row["class"] for row in document["filters"]))
    yield (
        f"Between {classes} the rank correlation over the {both['filters']} filters is "
        f"{_number(both['spearman_cross_entropy_rise'])} for the rise and {_number(both['spearman_noise'])} for the "
        "noise: near 1, sensitivity would belong to the filter, near 0 it is made by filter and design together."
    )


def _kernels(rows: Sequence[Row]) -> Table:
    lines = [
        (
            row["layer"],
            f"{row['kernels']:,}",
            f"{row['mean_predicted_noise']:.2g}",
            _percent(row["worst_tenth_of_noise"]),
            _number(row["gini_of_noise"]),
            _percent(row["of_filter"]),
            _percent(row["of_channel"]),
            _number(row["spearman_norm_predicted"]),
            row["measured"],
            f"{row['mean_measured_noise']:.2g}",
            _number(row["spearman_predicted_noise"]),
            f"{row['mean_changed_pct']:.2f}",
        )
        for row in rows
    ]
    heads = ("layer", "kernels", "predicted noise: mean", "worst 10 %", "Gini", "of filters", "of channels", "norm")
    return Table(
        heads=(*heads, "measured", "noise: mean", "predicted ~ measured", "changed %: mean"), rows=lines, left=1
    )


def _of_kernels(rows: Sequence[Row]) -> str:
    (whole,) = select(rows, layer=ALL_LAYERS)
    by_layer = [row for row in rows if row is not whole]
    return (
        f"Predicted and measured noise have a rank correlation of {_number(whole['spearman_predicted_noise'])} over "
        f"the {whole['measured']} kernels measured (n = {whole['measured']}), within a layer "
        f"{_range(by_layer, 'spearman_predicted_noise')}; in the median the prediction is "
        f"{_number(whole['median_predicted_to_measured'])} times what is measured. Where sums become codes, the least "
        "error moves some of them over a step of the rounding: what is measured has a floor that the prediction does "
        f"not know. The worst 10 % of all {whole['kernels']:,} kernels have "
        f"{_percent(whole['worst_tenth_of_noise'])} of the predicted noise (Gini {_number(whole['gini_of_noise'])}); "
        "its rank correlation with the norm of the kernel's weights is, within a layer, "
        f"{_range(by_layer, 'spearman_norm_predicted')}."
    )


def _depths(rows: Sequence[Row]) -> Table:
    lines = [
        (
            f"{row['sites']}, ROUP_{row['class']}",
            _QUANTITIES[row["of"]],
            f"{row['count']:,}",
            _number(row["spearman_depth"]),
            f"{row['first_third']:.2g}",
            f"{row['last_third']:.2g}",
            _number(row["spearman_depth_per_multiplication"]),
            f"{row['first_third_per_million']:.2g}",
            f"{row['last_third_per_million']:.2g}",
        )
        for row in rows
    ]
    heads = ("", "of", "n", "correlation", "first third", "last third", "a million: correlation", "a million: first")
    return Table(heads=(*heads, "a million: last"), rows=lines, left=2)


def _of_depths(rows: Sequence[Row]) -> str:
    """How many times as sensitive early ones are, in words."""
    texts = []
    for row in rows:
        whole, each = (
            row[f"first_third{per}"] / row[f"last_third{per}"] if row[f"last_third{per}"] > 0 else None
            for per in ("", "_per_million")
        )
        of = f"{_QUANTITIES[row['of']]} of a {row['sites'].rstrip('s')} with ROUP_{row['class']}"
        texts.append(f"{of} {_number(whole, 1)} times, for a multiplication {_number(each, 1)} times")
    return f"The first third of the layers against the last: {'; '.join(texts)}."


def _range(rows: Sequence[Row], column: str) -> str:
    known = [row[column] for row in rows if row[column] is not None]
    return f"{_number(min(known))} to {_number(max(known))}" if known else MISSING


def _number(value: float | None, decimals: int = 2) -> str:
    # Adding 0 turns a negative 0 into 0.
    return MISSING if value is None else f"{round(value, decimals) + 0.0:.{decimals}f}"


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.0f} %"

"""How unequal filters and kernels are, what their sensitivity follows, and whether it falls with depth.

Rises of the cross entropy below 0, of filters whose errors happen to help, count as 0 where shares of a total are told.
Rank correlations are Spearman's; where one side does not vary there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from axhw.nn.operand_statistics import FloatArray

Row = Mapping[str, Any]

ALL_LAYERS = "all"
WORST = 0.1
CLEAR_ERRORS = 2.0
"""A rise is clear that is so many standard errors above 0."""

_PER_MILLION = 1e6


def worst_share(values: npt.ArrayLike, share: float = WORST) -> float | None:
    """How much of the total the largest values make up that are this share of all; None without a total.

    A share that is no whole number of values takes a fraction of the next one.

    >>> worst_share([6.0, 2.0, 1.0, 1.0], share=0.25), worst_share([6.0, 2.0, 1.0, 1.0], share=0.375)
    (0.6, 0.7)
    """
    ordered = np.sort(np.maximum(np.asarray(values, np.float64), 0))[::-1]
    if not ordered.any():
        return None
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    return float(np.interp(share * len(ordered), np.arange(len(total)), total) / total[-1])


def gini(values: npt.ArrayLike) -> float | None:
    """0 where all values are equal, towards 1 where one has everything; None without a total.

    >>> gini([1.0, 1.0]), gini([0.0, 0.0, 0.0, 1.0])
    (0.0, 0.75)
    """
    ordered = np.sort(np.maximum(np.asarray(values, np.float64), 0))
    if not ordered.any():
        return None
    count = len(ordered)
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(weights @ ordered / (count * ordered.sum()))


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Spearman's, of at least three values that vary."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return None
    return float(spearmanr(x, y).statistic)


def filter_summary(rows: Sequence[Row]) -> list[Row]:
    """A row for each class and layer, and one for all layers of a class.

    Parameters
    ----------
    rows : sequence of rows of `axhw.experiments.max_dnn.sites.measured_sites`
    """
    found: list[Row] = []
    for name in dict.fromkeys(row["class"] for row in rows):
        own = [row for row in rows if row["class"] == name]
        for layer in [*dict.fromkeys(row["layer"] for row in own), ALL_LAYERS]:
            some = [row for row in own if layer in (row["layer"], ALL_LAYERS)]
            losses, changed, rises, errors, noise, predicted, norms = _columns(
                some,
                "loss_pct",
                "changed_pct",
                "cross_entropy_rise",
                "cross_entropy_error",
                "noise",
                "predicted_noise",
                "weight_norm",
            )
            found.append(
                {
                    "class": name,
                    "name": own[0]["name"],
                    "layer": layer,
                    "filters": len(some),
                    "mean_loss_pct": float(losses.mean()),
                    "largest_loss_pct": float(losses.max()),
                    "mean_changed_pct": float(changed.mean()),
                    "largest_changed_pct": float(changed.max()),
                    "mean_rise": float(rises.mean()),
                    "largest_rise": float(rises.max()),
                    "clear_rises": int(np.count_nonzero(rises > CLEAR_ERRORS * errors)),
                    "worst_tenth_of_rise": worst_share(rises),
                    "gini_of_rise": gini(rises),
                    "worst_tenth_of_noise": worst_share(noise),
                    "gini_of_noise": gini(noise),
                    "spearman_predicted_noise": rank_correlation(predicted, noise),
                    "spearman_predicted_rise": rank_correlation(predicted, rises),
                    "spearman_norm_noise": rank_correlation(norms, noise),
                    "spearman_norm_rise": rank_correlation(norms, rises),
                }
            )
    return found


def kernel_summary(kernels: Mapping[str, Row], measured: Sequence[Row]) -> list[Row]:
    """A row for each layer, and one for all layers.

    Parameters
    ----------
    kernels : mapping of layer to what `axhw.experiments.max_dnn.sites.Sites.kernels` predicts
    measured : sequence of its measured rows
    """
    found: list[Row] = []
    for layer in [*kernels, ALL_LAYERS]:
        some = [row for row in measured if layer in (row["layer"], ALL_LAYERS)]
        arrays = [each for name, each in kernels.items() if layer in (name, ALL_LAYERS)]
        noise = np.concatenate([np.ravel(each["predicted_noise"]) for each in arrays])
        norms = np.concatenate([np.ravel(each["weight_norm"]) for each in arrays])
        seen, expected, changed = _columns(some, "noise", "predicted_noise", "changed_pct")
        of_filter, of_channel = (None, None) if layer == ALL_LAYERS else _explained(arrays[0]["predicted_noise"])
        found.append(
            {
                "layer": layer,
                "kernels": noise.size,
                "mean_predicted_noise": float(noise.mean()),
                "worst_tenth_of_noise": worst_share(noise),
                "gini_of_noise": gini(noise),
                "of_filter": of_filter,
                "of_channel": of_channel,
                "spearman_norm_predicted": rank_correlation(norms, noise),
                "measured": len(some),
                "mean_measured_noise": float(seen.mean()),
                "spearman_predicted_noise": rank_correlation(expected, seen),
                "median_predicted_to_measured": float(np.median(expected[seen > 0] / seen[seen > 0]))
                if seen.any()
                else None,
                "mean_changed_pct": float(changed.mean()),
            }
        )
    return found


def depths(filters: Sequence[Row], kernels: Mapping[str, Row], measured: Sequence[Row]) -> list[Row]:
    """Whether sensitivity falls with depth: by filter for each class, rise and noise, and by kernel, the noise as
    predicted of all and as measured of some.

    A row has the correlation of layer and sensitivity over all sites, and the means of the first and the last third of
    the layers; the same for a million multiplications, as sites of early layers do more of them.
    """
    found: list[Row] = []
    first = filters[0]["class"]
    for name in dict.fromkeys(row["class"] for row in filters):
        own = [row for row in filters if row["class"] == name]
        for column in ("cross_entropy_rise", "noise"):
            numbers, values, counts = _columns(own, "number", column, "multiplications")
            found.append({"class": name, "sites": "filters", "of": column, **_depth(numbers, values, counts)})
    every = [(row["number"], row["multiplications"], np.ravel(row["predicted_noise"])) for row in kernels.values()]
    numbers, counts = (np.concatenate([np.full(each[2].size, each[place]) for each in every]) for place in (0, 1))
    values = np.concatenate([each[2] for each in every])
    found.append({"class": first, "sites": "kernels", "of": "predicted_noise", **_depth(numbers, values, counts)})
    seen = _columns(measured, "number", "noise", "multiplications")
    found.append({"class": first, "sites": "kernels", "of": "noise", **_depth(*seen)})
    return found


def class_agreement(rows: Sequence[Row]) -> Row:
    """Whether filters that are sensitive to one class are so to the other: correlations over all filters."""
    first, second = (
        [row for row in rows if row["class"] == name] for name in dict.fromkeys(row["class"] for row in rows)
    )
    found: dict[str, Any] = {"filters": len(first)}
    for column in ("cross_entropy_rise", "noise"):
        found[f"spearman_{column}"] = rank_correlation(*_columns(first, column), *_columns(second, column))
    return found


def _columns(rows: Sequence[Row], *names: str) -> list[FloatArray]:
    return [np.array([row[name] for row in rows], np.float64) for name in names]


def _explained(noise: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """Share of the variance of an array of kernels that lies between filters, and between channels."""
    values = np.asarray(noise, np.float64)
    total = float(values.var())
    if not total:
        return None, None
    return float(values.mean(axis=1).var()) / total, float(values.mean(axis=0).var()) / total


def _depth(numbers: FloatArray, values: FloatArray, multiplications: FloatArray) -> Row:
    layers = np.unique(numbers)
    third = max(1, round(len(layers) / 3))
    early, late = np.isin(numbers, layers[:third]), np.isin(numbers, layers[-third:])
    each = _PER_MILLION * values / multiplications
    return {
        "count": len(values),
        "spearman_depth": rank_correlation(numbers, values),
        "first_third": float(values[early].mean()),
        "last_third": float(values[late].mean()),
        "spearman_depth_per_multiplication": rank_correlation(numbers, each),
        "first_third_per_million": float(each[early].mean()),
        "last_third_per_million": float(each[late].mean()),
    }

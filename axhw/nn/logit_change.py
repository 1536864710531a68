"""What a change to a network does to its logits on labelled images.

The accuracy on a thousand images is known to about a point, which is more than one filter among hundreds takes from it.
Two other figures say more of small changes, as each image is compared with itself: the rise of the cross entropy, which
sees how sure a network is of each label, and the mean squared change of the logits, which needs no label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.nn.evaluate import Classes
from axhw.nn.operand_statistics import FloatArray


@dataclass(frozen=True, kw_only=True)
class LogitChange:
    """From the logits before to those after, on the same images.

    Attributes
    ----------
    loss_pct : float
        Accuracy lost, in points.
    changed_pct : float
        Images that are put into another class, in % of all.
    cross_entropy_rise : float
        Mean rise of minus the logarithm of the label's softmax, in nats.
    cross_entropy_error : float
        Standard error of that mean.
    noise : float
        Mean squared change of a logit, less what all logits of an image change together, as in `axhw.nn.importance`.
    """

    loss_pct: float
    changed_pct: float
    cross_entropy_rise: float
    cross_entropy_error: float
    noise: float


def logit_change(before: npt.ArrayLike, after: npt.ArrayLike, labels: Classes) -> LogitChange:
    """Compare logits of shape (images, classes).

    Parameters
    ----------
    before, after : array, shape (images, classes)
    labels : int64 array, shape (images,)
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    classes, others = first.argmax(axis=1), second.argmax(axis=1)
    rise = _cross_entropy(second, labels) - _cross_entropy(first, labels)
    change = second - first
    change = change - change.mean(axis=1, keepdims=True)
    lost = np.count_nonzero(classes == labels) - np.count_nonzero(others == labels)
    return LogitChange(
        loss_pct=100 * int(lost) / len(labels),
        changed_pct=100 * int(np.count_nonzero(classes != others)) / len(labels),
        cross_entropy_rise=float(rise.mean()),
        cross_entropy_error=float(rise.std()) / float(np.sqrt(len(labels))),
        noise=float((change**2).mean()),
    )


def _cross_entropy(logits: FloatArray, labels: Classes) -> FloatArray:
    """Of each image."""
    # Less the largest, so that no exponential overflows.
    relative = logits - logits.max(axis=1, keepdims=True)
    found: FloatArray = np.log(np.exp(relative).sum(axis=1)) - relative[np.arange(len(labels)), labels]
    return found

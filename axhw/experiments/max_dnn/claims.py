"""The claims of MAx-DNN and ALWANN beside what was measured; whether they are met follows from the rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from axhw.experiments.claims import Claim
from axhw.experiments.max_dnn.fronts import best, joint, select

Row = Mapping[str, Any]

SAVED_PCT, LOSS_PCT = 54.0, 4.0
FRONT_LOSS_PCT, ALMOST_ALL = 8.0, 0.9
TIMES = 2.0
EARLY_LAYERS, EARLY_LOSS_PCT = 3, 20.0
LATE_LOSS_PCT = (4.0, 12.0)
STABLE_PCT = 8.0
ALWANN_SAVED_PCT, ALWANN_LOSS_PCT = 30.0, 0.6

_WITH = {"none": "without compensation", "affine": "with compensated biases and scales", "bias": "with biases"}


def claims(
    points: Sequence[Row],
    sensitivity: Sequence[Row],
    searches: Sequence[Row] = (),
    *,
    model: str,
    deeper: str | None,
    about: str,
) -> list[Claim]:
    """All claims.

    Parameters
    ----------
    points : sequence of rows of `axhw.experiments.max_dnn.fronts`
    sensitivity : sequence of rows of `axhw.experiments.max_dnn.sensitivity.sensitivities`
    searches : sequence of rows
        Hypervolumes, as `axhw.experiments.max_dnn.fronts` has them.
    model, deeper : str
        The network of the fronts, and the deeper one.
    about : str
        Data and images of the fronts.
    """
    found = []
    main = [row for row in points if row["network"] == model]
    for compensation in dict.fromkeys(row["compensation"] for row in main):
        own = select(main, compensation=compensation)
        how = f"{model} on {about}, {_WITH[compensation]}"
        found += [_saving(own, how), _dominance(own, how), _twice(own, how)]
        found += _searching(select(searches, network=model, compensation=compensation), how)
    first = sensitivity[0]
    alone = f"{model} on {first['dataset']}, {first['images']:,} test images, without compensation"
    found += [*_depth(sensitivity, alone), _slowing(sensitivity, alone)]
    below = [row for row in points if row["network"] == deeper]
    for compensation in dict.fromkeys(row["compensation"] for row in below):
        own = select(below, compensation=compensation)
        how = f"{deeper} on {about}, {_WITH[compensation]}"
        found += [_saving(own, how), _alwann(own, how)]
    return found


def _saving(points: Sequence[Row], how: str) -> Claim:
    """Chosen by validation images: the point of least loss among those that save enough; tested once."""
    roup = select(points, palette="roup")
    enough = [row for row in roup if row["energy_saved_pct"] >= SAVED_PCT]
    at = min(enough, key=lambda row: row["validation_loss_pct"], default=None)
    most = best(roup, LOSS_PCT)
    ours = "no point of the front saves as much" if at is None else f"{_point(at)}"
    if most is not None:
        ours += f"; most saved at a validation loss of at most {LOSS_PCT:g} points: {_point(most)}"
    return Claim(
        claim="Up to 54 % of the energy of multiplications is saved for a loss of at most 4 points, with ROUP.",
        paper=f"{SAVED_PCT:g} % saved at a loss of at most {LOSS_PCT:g} points",
        ours=ours,
        met=at is not None and at["test_loss_pct"] <= LOSS_PCT,
        basis=f"{how}; met if the point of least validation loss among those that save at least {SAVED_PCT:g} % loses "
        f"at most {LOSS_PCT:g} points on test images",
    )


def _dominance(points: Sequence[Row], how: str) -> Claim:
    three = [row for row in select(points, palette="roup") if row["level"] in ("layer", "filter", "kernel")]
    front = joint(three, most_loss_pct=FRONT_LOSS_PCT)
    finer = sum(row["finest"] != "layer" for row in front)
    return Claim(
        claim="The Pareto front at losses up to 8 points is formed almost only by filter and kernel levels.",
        paper="almost all points",
        ours=f"{finer} of {len(front)} points of the joint front",
        met=bool(front) and finer >= ALMOST_ALL * len(front),
        basis=f"{how}; ROUP by layer, filter and kernel, validation losses, a point counted by the finest level it "
        f"really uses; met from {100 * ALMOST_ALL:g} % of the points on",
    )


def _twice(points: Sequence[Row], how: str) -> Claim:
    ours = best([row for row in select(points, palette="roup") if row["level"] != "layer"], LOSS_PCT)
    theirs = best(select(points, palette="published", level="layer"), LOSS_PCT)
    met, text = False, "no point within the loss"
    if ours is not None and theirs is not None:
        ratio = ours["energy_saved_pct"] / theirs["energy_saved_pct"] if theirs["energy_saved_pct"] > 0 else np.inf
        met = bool(ratio >= TIMES and ours["test_accuracy"] >= theirs["test_accuracy"])
        text = f"{ratio:.2f} times: {_point(ours)}, against {_point(theirs)}"
    return Claim(
        claim="Finer levels save twice as much as published circuits by layer at a loss of at most 4 points, at better "
        "accuracy.",
        paper=f"{TIMES:g} times",
        ours=text,
        met=met,
        basis=f"{how}; ROUP by filter, kernel or mixed against EvoApproxLib by layer, most saved at a validation loss "
        f"of at most {LOSS_PCT:g} points; met from {TIMES:g} times on if the test accuracy is at least as high",
    )


def _searching(searches: Sequence[Row], how: str) -> list[Claim]:
    """NSGA-II at each level where other searches had as many evaluations; none where there were none."""
    met, texts = True, []
    for row in select(searches, strategy="nsga2"):
        same = {name: row[name] for name in ("palette", "level", "evaluations")}
        others = {name: select(searches, strategy=name, **same) for name in ("random", "greedy")}
        if not all(others.values()):
            continue
        volumes = {name: found[0]["hypervolume"] for name, found in others.items()}
        met = met and row["hypervolume"] > max(volumes.values())
        beside = ", ".join(f"{name} {volume:.3f}" for name, volume in volumes.items())
        texts.append(f"by {row['level']} {row['hypervolume']:.3f}, {beside}")
    if not texts:
        return []
    return [
        Claim(
            claim="NSGA-II finds a larger hypervolume than random search and greedy hill climbing with as many "
            "evaluations.",
            paper="NSGA-II alone, without another search beside it",
            ours="; ".join(texts),
            met=met,
            basis=f"{how}; ROUP, hypervolumes on validation images; met if NSGA-II is ahead at every level",
        )
    ]


def _depth(sensitivity: Sequence[Row], how: str) -> list[Claim]:
    strong = select(sensitivity, **{"class": "H"})
    losses = [100 * (row["int8_accuracy"] - row["accuracy_alone"]) for row in strong]
    early, late = losses[:EARLY_LAYERS], losses[EARLY_LAYERS:]
    basis = f"{how}, {strong[0]['name']}"
    least, most = LATE_LOSS_PCT
    return [
        Claim(
            claim="Strong ROUP in one of layers 1 to 3 alone loses more than 20 points.",
            paper=f"more than {EARLY_LOSS_PCT:g} points",
            ours=_points(early),
            met=min(early) > EARLY_LOSS_PCT,
            basis=f"{basis}; met if each loses more",
        ),
        Claim(
            claim="Strong ROUP in one of layers 4 to 7 alone loses about 8 points, whichever it is.",
            paper="about 8 points",
            ours=_points(late),
            met=bool(late) and least <= float(np.mean(late)) <= most and float(np.ptp(late)) <= STABLE_PCT,
            basis=f"{basis}; met if they lose {least:g} to {most:g} points on average and differ by at most "
            f"{STABLE_PCT:g}",
        ),
    ]


def _slowing(sensitivity: Sequence[Row], how: str) -> Claim:
    met, texts = True, []
    for name in dict.fromkeys(row["class"] for row in sensitivity):
        own = select(sensitivity, **{"class": name})
        losses = [100 * (row["int8_accuracy"] - row["accuracy_up_to"]) for row in own]
        middle = (len(losses) + 1) // 2
        before, after = losses[middle - 1] / middle, (losses[-1] - losses[middle - 1]) / max(1, len(losses) - middle)
        met = met and after < before
        texts.append(f"ROUP_{name} {before:.1f} a layer up to {middle}, {after:.1f} behind")
    return Claim(
        claim="The loss slows when the approximation is extended past layer 4.",
        paper="slower past layer 4",
        ours="; ".join(texts),
        met=met,
        basis=f"{how}; points of accuracy, the first half of the layers and then all; met if the mean loss a layer is "
        "smaller in the second half for every class",
    )


def _alwann(points: Sequence[Row], how: str) -> Claim:
    own = select(points, palette="published", level="layer")
    at = best(own, ALWANN_LOSS_PCT)
    return Claim(
        claim="ALWANN: 30 % of the energy of multiplications is saved for a loss of 0.6 points, by layer.",
        paper=f"{ALWANN_SAVED_PCT:g} % saved at {ALWANN_LOSS_PCT:g} points (ResNet-50, evolved circuits)",
        ours="no point within the loss" if at is None else _point(at),
        met=at is not None and at["energy_saved_pct"] >= ALWANN_SAVED_PCT and at["test_loss_pct"] <= ALWANN_LOSS_PCT,
        basis=f"{how}; EvoApproxLib by layer, most saved at a validation loss of at most {ALWANN_LOSS_PCT:g} points; "
        "met if the test loss is within it, too",
    )


def _point(row: Row) -> str:
    return (
        f"{row['energy_saved_pct']:.1f} % saved at a test loss of {row['test_loss_pct']:.2f} points (by {row['level']})"
    )


def _points(losses: Sequence[float]) -> str:
    return f"{', '.join(f'{loss:.1f}' for loss in losses) or 'no such layers:'} points"

"""The off-axis control: the largest class selectivity of any linear read-out of a layer, on axis or off.

A penalty may lower the selectivity of units and leave that of other directions in the space of a layer's responses, or
raise it. So for each class the read-out w is sought whose si for that class is largest, among those that are never
negative on any image, as responses are. (Were negative values clipped instead, a read-out that lets one single image
by would have si 1.) That is a ratio of linear functions under linear constraints, which a linear programme solves
exactly: scaled so that w (mu_class + mu_rest) = 1, maximise w (mu_class - mu_rest). Read-outs are found on half of the
images and measured on the other half, clipped at zero there.

Source: after the control of Leavitt and Morcos (2020), who bound off-axis selectivity by an optimised basis; the
programme is ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

Floats = NDArray[np.float64]
_EPS = 1e-7  # as in si


def largest_readout_si(responses: ArrayLike, labels: ArrayLike) -> float:
    """Return the largest si over classes of a linear read-out, measured on images it was not sought on.

    Example:
        >>> labels = np.arange(200) % 2
        >>> shared = np.random.default_rng(0).random(200) + 1  # what two units have in common tells no class
        >>> units = np.stack([shared + 0.5 * labels, shared], axis=1)
        >>> round(largest_readout_si(units, labels), 6)  # their difference is 0 for one class and 0.5 for the other
        1.0

    Args:
        responses: (images, units), at least 0.
        labels: (images,) class indices, two images a class at least.
    """
    units, classes = np.asarray(responses, dtype=np.float64), np.asarray(labels)
    sought = _every_second_of_each_class(classes)
    alive = units[sought].mean(axis=0) > 0
    units = units[:, alive] / units[sought][:, alive].mean(axis=0)  # scales the programme, not its solution
    found = [_best_readout(units[sought], classes[sought], label) for label in np.unique(classes)]
    readouts = np.clip(units[~sought] @ np.stack(found, axis=1), 0, None)
    means = _class_means(readouts, classes[~sought])
    own, rest = means.diagonal(), (means.sum(axis=0) - means.diagonal()) / (len(means) - 1)
    return float(np.max((own - rest) / (own + rest + _EPS)))


def _best_readout(units: Floats, labels: NDArray[np.int_], label: int) -> Floats:
    """Return the read-out (units,) that is never negative and has the largest si for a class."""
    means, own = _class_means(units, labels), np.unique(labels) == label
    mean, rest = means[own][0], means[~own].mean(axis=0)
    never_negative = {"A_ub": -units, "b_ub": np.zeros(len(units))}
    solved = linprog(rest - mean, **never_negative, A_eq=(mean + rest)[None], b_eq=[1.0], bounds=(None, None))
    return np.zeros(len(mean)) if solved.x is None else solved.x


def _class_means(values: Floats, labels: NDArray[np.int_]) -> Floats:
    """Return the mean of each class (classes, columns)."""
    return np.stack([values[labels == label].mean(axis=0) for label in np.unique(labels)])


def _every_second_of_each_class(labels: NDArray[np.int_]) -> NDArray[np.bool_]:
    second = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        second[np.flatnonzero(labels == label)[::2]] = True
    return second

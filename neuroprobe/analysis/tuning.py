"""From responses to stimuli to one row of numbers a unit: pure functions, all units of all layers at once.

Formulas and edge cases are those of the indices, the fit and the null; here they are put together, and it is decided
which units have no numbers at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neuroprobe.analysis import indices
from neuroprobe.analysis.indices import Floats
from neuroprobe.analysis.significance import Pool, false_discovery, permutation_p
from neuroprobe.analysis.von_mises import fit_von_mises, hanning_half_width

_NO_RESPONSE = 1e-12  # response units, summed over a curve
_FAINT = 0.01  # of the median peak of the layer's responding units


@dataclass(frozen=True)
class Rules:
    """What a preset settles."""

    pool: Pool = "mean"  # over phase, or what else a set of stimuli pools
    stimuli: str | None = None  # the preset of the stimuli, where none are given
    unresponsive_is_zero: bool = False  # only units without any response are unresponsive, and count as gosi = osi = 0
    bandwidth: Literal["half height", "1/sqrt 2 after Hanning"] = "half height"


PRESETS: Mapping[str | None, Rules] = {
    None: Rules(),
    "ukita2020": Rules(pool="max", stimuli="ukita2020", unresponsive_is_zero=True),
    "ringach2002": Rules(bandwidth="1/sqrt 2 after Hanning"),
}


@dataclass(frozen=True, eq=False)
class Responses:
    """What units gave to a set of stimuli: those of many layers in one table, so that no step is repeated a layer.

    A *condition* is what a unit can prefer: a frequency of gratings, a width and length of bars. A *repeat* is what a
    curve is pooled over: a phase of gratings, a position and polarity of bars.
    """

    cube: NDArray[np.float32]  # (units, conditions, orientations, repeats)
    blank: NDArray[np.float32]  # (units,)
    conditions: Mapping[str, Floats]  # what each condition is: ``frequency``, ``width``, ...
    orientations: Floats  # degrees
    phases: Floats | None  # degrees, where they are what is pooled over
    layers: tuple[slice, ...]  # which units are a layer's
    one_place: NDArray[np.bool_]  # (units,), read at one place of the map, where phase is not averaged away

    @cached_property
    def largest(self) -> NDArray[np.float32]:
        """The largest response (units, conditions) over orientation and repeats."""
        return self.cube.reshape(*self.cube.shape[:2], -1).max(axis=2)

    @property
    def preferred(self) -> NDArray[np.intp]:
        """The condition (units,) of each unit's largest response, as an index."""
        return self.largest.argmax(axis=1)

    @cached_property
    def at_preferred(self) -> Floats:
        """The responses (units, orientations, repeats) at each unit's preferred condition."""
        return np.take_along_axis(self.cube, self.preferred[:, None, None, None], axis=1)[:, 0].astype(np.float64)

    @property
    def peak(self) -> Floats:
        """The largest response (units,)."""
        return self.largest.max(axis=1).astype(np.float64)


def unit_columns(
    responses: Responses, rules: Rules, *, status: NDArray[np.object_], permutations: int, seed: int
) -> dict[str, Any]:
    """Return the columns of the unit table but ``tuned``: those of ``COLUMNS``, and ``preferred_NAME`` of conditions.

    Args:
        responses: of all units of all layers.
        rules: pooling, dead rule and bandwidth.
        status: (units,) of those that respond: ``"ok"``, ``"rectified"``, or ``"signed"`` for no numbers at all.
        permutations: for the null of gosi; 0 for none.
        seed: of the permutations.
    """
    curves = _pooled(responses.at_preferred, rules.pool)
    numbers = _selectivity(responses, curves, rules)
    numbers["p_value"] = permutation_p(
        responses.at_preferred, responses.orientations, pool=rules.pool, permutations=permutations, seed=seed
    )
    signed = status == "signed"
    unresponsive = _unresponsive(responses, curves, rules) & ~signed
    numbers = {name: np.where(unresponsive | signed, np.nan, values) for name, values in numbers.items()}
    if rules.unresponsive_is_zero:
        numbers |= {name: np.where(unresponsive, 0.0, numbers[name]) for name in ("gosi", "osi")}
    numbers["q_value"] = _by_layer(false_discovery, numbers["p_value"], responses)
    numbers |= {"peak_response": responses.peak, "blank_response": responses.blank.astype(np.float64)}
    return numbers | {"status": np.where(unresponsive, "unresponsive", status)}


def _selectivity(responses: Responses, curves: Floats, rules: Rules) -> dict[str, Floats]:
    orientations = responses.orientations
    fit = fit_von_mises(curves, orientations)
    above_blank = np.clip(curves - responses.blank[:, None], 0, None)
    hanning = rules.bandwidth != "half height"
    return {
        "gosi": indices.gosi(curves, orientations),
        "osi": indices.osi(curves, orientations),
        "opr": indices.orthogonal_ratio(curves, orientations),
        "preferred_orientation": indices.preferred_orientation(curves, orientations),
        "preferred_frequency": np.full(len(curves), np.nan),
        **{f"preferred_{name}": values[responses.preferred] for name, values in responses.conditions.items()},
        "bandwidth": hanning_half_width(curves, orientations) if hanning else fit.bandwidth,
        "fit_r2": fit.r2,
        "orientation_range": indices.orientation_range(_pooled(responses.cube, rules.pool), orientations),
        "f1_f0": _f1_f0(responses, curves),
        "gosi_blank": indices.gosi(above_blank, orientations),
        "fit_trough": fit.trough,
        "fit_amplitude": fit.amplitude,
        "fit_concentration": fit.concentration,
        "fit_preferred": fit.preferred,
    }


def _pooled(responses: NDArray[np.floating[Any]], pool: Pool) -> Floats:
    repeats = np.moveaxis(responses, -1, 0)  # few, so that NumPy is quicker one by one
    pooled = reduce(np.maximum, repeats) if pool == "max" else sum(repeats, start=np.float64(0)) / len(repeats)
    return np.asarray(pooled, dtype=np.float64)


def _f1_f0(responses: Responses, curves: Floats) -> Floats:
    if responses.phases is None:
        return np.full(len(curves), np.nan)
    best = curves.argmax(axis=1)
    over_phase = responses.at_preferred[np.arange(len(best)), best]
    ratio = indices.f1_f0(over_phase, responses.phases, responses.blank)
    return np.where(responses.one_place, ratio, np.nan)


def _unresponsive(responses: Responses, curves: Floats, rules: Rules) -> NDArray[np.bool_]:
    if rules.unresponsive_is_zero:
        return ~np.any(curves, axis=1)
    without_response = np.abs(curves).sum(axis=1) <= _NO_RESPONSE
    peaks = np.where(without_response, np.nan, responses.peak)
    return without_response | (peaks < _FAINT * _by_layer(_median, peaks, responses))


def _median(values: Floats) -> Floats:
    return np.full_like(values, np.nanmedian(values) if np.isfinite(values).any() else np.nan)


def _by_layer(function: Callable[[Floats], Floats], values: Floats, responses: Responses) -> Floats:
    """Apply a function to each layer's part of (units,) values."""
    result = np.empty_like(values)
    for layer in responses.layers:
        result[layer] = function(values[layer])
    return result

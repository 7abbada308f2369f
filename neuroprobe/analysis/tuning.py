"""From responses to gratings to one row of numbers a unit: pure functions, a whole layer at a time.

Formulas and edge cases are those of the indices, the fit and the null; here they are put together, and it is decided
which units have no numbers at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neuroprobe.analysis import indices
from neuroprobe.analysis.indices import Floats
from neuroprobe.analysis.significance import Pool, false_discovery, permutation_p
from neuroprobe.analysis.von_mises import fit_von_mises, hanning_half_width

Column = NDArray[np.float64] | NDArray[np.object_] | NDArray[np.bool_]

_NO_RESPONSE = 1e-12  # response units, summed over a curve
_FAINT = 0.01  # of the median peak of the layer's responding units


@dataclass(frozen=True)
class Rules:
    """What a preset settles."""

    pool: Pool = "mean"  # over phase
    stimuli: str | None = None  # the preset of the stimuli, where none are given
    silent_is_zero: bool = False  # only units without any response are unresponsive, and count as gosi = osi = 0
    bandwidth: Literal["half height", "1/sqrt 2 after Hanning"] = "half height"


PRESETS: Mapping[str | None, Rules] = {
    None: Rules(),
    "ukita2020": Rules(pool="max", stimuli="ukita2020", silent_is_zero=True),
    "ringach2002": Rules(bandwidth="1/sqrt 2 after Hanning"),
}


@dataclass(frozen=True, eq=False)
class Responses:
    """What the units of one layer gave to a set of gratings."""

    cube: Floats  # (units, frequencies, orientations, phases)
    blank: Floats  # (units,)
    frequencies: Floats  # cycles/pixel
    orientations: Floats  # degrees
    phases: Floats  # degrees
    one_place: bool  # read at one place of the map, where phase is not averaged away

    @property
    def preferred(self) -> NDArray[np.intp]:
        """The frequency (units,) of each unit's largest response, as an index."""
        return self.cube.max(axis=(2, 3)).argmax(axis=1)

    def at_preferred(self) -> Floats:
        """Return the responses (units, orientations, phases) at each unit's preferred frequency."""
        return np.take_along_axis(self.cube, self.preferred[:, None, None, None], axis=1)[:, 0]


def unit_columns(responses: Responses, rules: Rules, *, status: str, permutations: int, seed: int) -> dict[str, Column]:
    """Return the columns of the unit table but ``tuned``, for one layer.

    Args:
        responses: of all units of the layer.
        rules: pooling, dead rule and bandwidth.
        status: of the units that respond: ``"ok"``, ``"rectified"``, or ``"signed"`` for no numbers at all.
        permutations: for the null of gosi; 0 for none.
        seed: of the permutations.
    """
    at_preferred = responses.at_preferred()
    curves = _pooled(at_preferred, rules.pool)
    columns = _selectivity(responses, curves, rules)
    columns["p_value"] = permutation_p(
        at_preferred, responses.orientations, pool=rules.pool, permutations=permutations, seed=seed
    )
    silent = _unresponsive(responses, curves, rules)
    without_numbers = silent | (status == "signed")
    for name, values in columns.items():
        columns[name] = np.where(without_numbers, np.nan, values)
    if rules.silent_is_zero and status != "signed":
        columns |= {name: np.where(silent, 0.0, columns[name]) for name in ("gosi", "osi")}
    columns["q_value"] = false_discovery(columns["p_value"])
    columns |= {"peak_response": responses.cube.max(axis=(1, 2, 3)), "blank_response": responses.blank}
    return columns | {"status": np.where(silent, "unresponsive", status).astype(object)}


def _selectivity(responses: Responses, curves: Floats, rules: Rules) -> dict[str, Column]:
    orientations = responses.orientations
    fit = fit_von_mises(curves, orientations)
    above_blank = np.clip(curves - responses.blank[:, None], 0, None)
    hanning = rules.bandwidth != "half height"
    return {
        "gosi": indices.gosi(curves, orientations),
        "osi": indices.osi(curves, orientations),
        "opr": indices.orthogonal_ratio(curves, orientations),
        "preferred_orientation": indices.preferred_orientation(curves, orientations),
        "preferred_frequency": responses.frequencies[responses.preferred],
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


def _pooled(responses: Floats, pool: Pool) -> Floats:
    return responses.mean(axis=-1) if pool == "mean" else responses.max(axis=-1)


def _f1_f0(responses: Responses, curves: Floats) -> Floats:
    if not responses.one_place:
        return np.full(len(curves), np.nan)
    best = curves.argmax(axis=1)
    over_phase = responses.at_preferred()[np.arange(len(best)), best]
    return indices.f1_f0(over_phase, responses.phases, responses.blank)


def _unresponsive(responses: Responses, curves: Floats, rules: Rules) -> NDArray[np.bool_]:
    if rules.silent_is_zero:
        return ~np.any(curves, axis=1)
    silent = np.abs(curves).sum(axis=1) <= _NO_RESPONSE
    if silent.all():
        return silent
    peak = responses.cube.max(axis=(1, 2, 3))
    return silent | (peak < _FAINT * np.median(peak[~silent]))

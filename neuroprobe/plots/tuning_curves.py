"""Units' responses to orientation, with their fits and the blank's level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patheffects import withStroke

from neuroprobe.plots.style import COLOURS, GREY, new_axes, plain_numbers, shorten, styled
from neuroprobe.results import known_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes

    from neuroprobe.results import Result, Tuning

OF_PEAK = "of the unit's peak"  # what responses of units from several layers are scaled by
_EXAMPLES = 4  # curves drawn where none are asked for
_RADII = (22.5, 67.5, 112.5, 157.5)  # degrees where the numbers along a radius may stand, between the names of angles


@styled
def tuning_curves(
    tuning: Tuning,
    layer: str | None = None,
    units: int | Sequence[int] | pd.DataFrame | None = None,
    *,
    polar: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw units' tuning curves at their preferred frequency: data as markers, fits as lines, blanks dashed.

    Units of several layers have no common scale, and those chosen by default are chosen for their shape: both are each
    drawn in units of their own peak.

    Args:
        tuning: The measurement.
        layer: Where the units are; not needed for a slice of the unit table, nor with a single layer.
        units: One unit, several, or a slice of the unit table (``tuning.top("features.3", 3)``); by default
            the few that are most selective and best fitted.
        polar: Draw the angle as an angle; a curve of period 180 degrees goes round twice.
        ax: Where to draw (a polar Axes for ``polar``); a new figure by default.

    Returns:
        The Axes drawn on.
    """
    chosen = choose(tuning, layer, units)
    axes = ax or (new_axes(4.6, 2.8, projection="polar") if polar else new_axes(4.6, 2.4))
    if polar != (axes.name == "polar"):
        raise ValueError(f"polar={polar} needs {'a' if polar else 'no'} polar Axes; projection {axes.name!r} came")
    one_layer = len({layer for layer, _ in chosen}) == 1
    as_is = one_layer and units is not None
    for (place, unit), colour in zip(chosen, _colours(len(chosen)), strict=True):
        name = f"unit {unit}" if one_layer else f"{shorten(place)}, unit {unit}"
        scale = 1.0 if as_is else peak(tuning.curve(place).sel(unit=unit))
        label = f"{name}, {_said(tuning, place, unit)}"
        draw_unit(axes, tuning, place, unit, colour=colour, label=label, scale=scale)
    _finish(axes, shorten(chosen[0][0], 30) if one_layer else "", "a.u." if as_is else OF_PEAK)
    return axes


def _said(tuning: Tuning, layer: str, unit: int) -> str:
    """Say how selective a unit is, or why that is not known."""
    gosi, status = value(tuning, layer, unit, "gosi"), tuning.units["status"].loc[(layer, unit)]
    if np.isfinite(gosi):
        return f"gOSI {gosi:.2f}"
    return "no response" if status in ("dead", "unresponsive") else "no gOSI"


def peak(responses: xr.DataArray | pd.Series[float]) -> float:
    """Return the largest response, or 1 where there is none to scale by."""
    largest = float(responses.max())
    return largest if largest > 0 else 1.0


def choose(
    tuning: Tuning, layer: str | None, units: int | Sequence[int] | pd.DataFrame | None
) -> list[tuple[str, int]]:
    """Settle which units are meant, as (layer, unit) pairs."""
    return examples(tuning, layer, _EXAMPLES) if units is None else asked_for(tuning, layer, units)


def asked_for(result: Result, layer: str | None, units: int | Sequence[int] | pd.DataFrame) -> list[tuple[str, int]]:
    """Return the units asked for as (layer, unit) pairs, or say that the table has them not."""
    if isinstance(units, pd.DataFrame):
        return [(place, unit) for place, unit in units.index]
    if layer is None and len(result.layer_names) > 1:
        raise ValueError(f"say which of the {len(result.layer_names)} layers units {units} belong to: layer=...")
    layer = known_layer(result.layer_names[0] if layer is None else layer, result.layer_names)
    asked = [int(unit) for unit in np.atleast_1d(units)]
    n_units = len(result.units.loc[layer])
    for unit in asked:
        if (layer, unit) not in result.units.index:
            raise IndexError(f"layer {layer!r} has {n_units} units (0 to {n_units - 1}); unit {unit} was asked for")
    return [(layer, unit) for unit in asked]


def examples(tuning: Tuning, layer: str | None, count: int) -> list[tuple[str, int]]:
    """Pick the units, of a layer or of all, that are most selective and best fitted: largest gosi x fit_r2."""
    rows = tuning.units if layer is None else tuning.units.loc[[known_layer(layer, tuning.layer_names)]]
    merit = (rows["gosi"] * rows["fit_r2"].clip(lower=0)).dropna()
    best = merit.sort_values(ascending=False, kind="stable").head(count)
    if best.empty:
        raise ValueError(f"{layer or 'the network'} has no unit with a fitted tuning curve; name units to draw them")
    return list(best.index)


def draw_unit(
    axes: Axes, tuning: Tuning, layer: str, unit: int, *, colour: str, label: str | None = None, scale: float = 1.0
) -> None:
    """Draw one unit in units of ``scale``: markers where it was measured, its fit, and its response to the blank."""
    curve, fit = (responses.sel(unit=unit) / scale for responses in (tuning.curve(layer), tuning.fit(layer)))
    fitted = bool(fit.notnull().all())
    axes.plot(
        *_round(axes, curve), "o" if fitted else "o:", color=colour, ms=2.8, lw=0.8, mew=0, clip_on=False, label=label
    )
    if fitted:
        axes.plot(*_round(axes, fit), "-", color=colour)
    blank = value(tuning, layer, unit, "blank_response") / scale
    ends = np.linspace(0, 2 * np.pi, 181) if axes.name == "polar" else np.array([0.0, 180.0])
    axes.plot(ends, np.full(len(ends), blank), "--", color=colour, lw=0.7)


def value(result: Result, layer: str, unit: int, column: str) -> float:
    """Look up one number of the unit table."""
    return float(result.units[column].loc[(layer, unit)])


def _round(axes: Axes, curve: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Close a curve of period 180 degrees; on polar axes it goes round twice, in radians."""
    degrees, values = curve["orientation"].to_numpy().astype(float), curve.to_numpy()
    inside = degrees < 180  # a fine grid may hold both ends
    degrees, values = degrees[inside], values[inside]
    if axes.name != "polar":
        return np.append(degrees, degrees[0] + 180), np.append(values, values[0])
    twice = np.concatenate([degrees, degrees + 180, degrees[:1]])
    return np.radians(twice), np.concatenate([values, values, values[:1]])


def _colours(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _finish(axes: Axes, title: str, response: str) -> None:
    """Set ticks, labels and legend; ``response`` is what responses are given in."""
    axes.plot([], [], "--", color=GREY, lw=0.7, label="Blank")
    if axes.name == "polar":
        _finish_polar(axes)
        axes.set_xlabel(f"Radius: response ({response})")
        axes.legend(loc="center left", bbox_to_anchor=(1.15, 0.5))
    else:
        finish_line(axes)
        axes.set(xlabel="Orientation (deg)", ylabel=f"Response ({response})")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_title(title)


def finish_line(axes: Axes) -> None:
    """Show the half-circle from 0 to 180 degrees and the zero of the response."""
    axes.set_xticks([0, 45, 90, 135, 180])
    axes.set_xlim(-4, 184)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    plain_numbers(axes.yaxis, 4)


def _finish_polar(axes: Any) -> None:
    """Label the angles with the orientation they stand for."""
    axes.set_xticks(np.radians(range(0, 360, 45)), [f"{angle % 180}°" for angle in range(0, 360, 45)])
    radii = np.concatenate([line.get_ydata() for line in axes.get_lines()])
    axes.set_ylim(min(0, radii.min()), 1.12 * radii.max())
    plain_numbers(axes.yaxis)
    low, high = axes.get_ylim()
    margin = 0.1 * (high - low)  # no number in the middle, where all curves meet, nor on the rim
    axes.set_yticks([tick for tick in axes.get_yticks() if low + margin < tick < high - margin])
    axes.set_rlabel_position(_clear_angle(axes))
    for text in axes.get_yticklabels():
        text.set_path_effects([withStroke(linewidth=1.8, foreground="white")])
    axes.grid(lw=0.4, alpha=0.6)


def _clear_angle(axes: Any) -> float:
    """Choose the angle, degrees, at which the curves reach least far out, so that the numbers stand beside them."""
    lines = [np.array(line.get_data(), dtype=float) for line in axes.get_lines() if len(line.get_xdata())]
    around = np.radians([np.linspace(angle - 15, angle + 15, 7) for angle in _RADII])
    reach = [np.interp(around, line[0], line[1], period=2 * np.pi).max(axis=1) for line in lines]
    return _RADII[int(np.argmin(np.sum(reach, axis=0)))]

"""Which orientations units prefer: layer by layer, or as a rose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.plots.layer_axes import layer_notes, layer_ticks
from neuroprobe.plots.style import BLUE, INK, LABELS, SEQUENTIAL, in_place_of_data, new_axes, plain_numbers, styled
from neuroprobe.results import SELECTIVE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from neuroprobe.results import Tuning

_BINS = 12  # of 15 degrees, centred on 0, 15, ...
_FEWEST = 2 * _BINS  # units a layer: fewer are drawn one by one, since each would change a percentage too much


@styled
def preferred_orientations(tuning: Tuning, ax: Axes | None = None) -> Axes:
    """Draw the orientations that tuned units prefer, layer by layer: in each bin its percentage of the layer's units.

    The numbers above count those units. In a layer with fewer than 24 of them each is a dot. The line on the colour bar
    is what a uniform distribution gives. Where no unit has a verdict, those with gosi above 0.33 are drawn.

    Example:
        >>> import neuroprobe
        >>> tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu5", "relu6"])
        >>> neuroprobe.plots.preferred_orientations(tuning).get_ylabel()
        'Preferred orientation (deg)'

    Args:
        tuning: The measurement.
        ax: Where to draw; a new figure by default.
    """
    chosen, what = selective(tuning)
    layers = tuning.layer_names
    axes = ax or new_axes(max(3.35, min(7, 1.5 + 0.33 * len(layers))), 2.6)
    angles = [chosen[chosen.index.get_level_values("layer") == layer].to_numpy(float) for layer in layers]
    many = [len(of_layer) >= _FEWEST for of_layer in angles]
    if any(many):
        _draw_shares(axes, np.array([many[i] * rose_shares(of_layer) for i, of_layer in enumerate(angles)]).T)
    for place, of_layer in enumerate(angles):
        if not many[place]:
            axes.plot(np.full(len(of_layer), place), of_layer, "o", color=BLUE, ms=2, mew=0, alpha=0.7, clip_on=False)
    axes.set(ylim=(0, 180), ylabel=LABELS["preferred_orientation"])
    axes.set_yticks([0, 45, 90, 135, 180])
    layer_ticks(axes, layers)
    layer_notes(axes, [f"{len(of_layer):,}" for of_layer in angles], what)
    if chosen.empty:
        in_place_of_data(axes, f"No {what[0].lower()}{what[1:]}")
    return axes


def _draw_shares(axes: Axes, shares: NDArray[np.float64]) -> None:
    """Draw the shares (bins, layers); the bin at 0 is also that at 180, half of it at each end."""
    step, whole = 180 / _BINS, np.vstack([shares, shares[:1]])
    extent = (-0.5, shares.shape[1] - 0.5, -step / 2, 180 + step / 2)
    most = max(whole.max(), 2 * 100 / _BINS)
    image = axes.imshow(whole, SEQUENTIAL, vmin=0, vmax=most, origin="lower", aspect="auto", extent=extent)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, aspect=30, label="Share within the layer (%)")
    plain_numbers(bar.ax.yaxis, 5)
    bar.ax.axhline(100 / _BINS, color=INK, lw=0.8)


def selective(tuning: Tuning) -> tuple[pd.Series[float], str]:
    """Return the preferred orientations of tuned units, and what they are; without any verdict, of those above 0.33."""
    tuned = tuning.units["tuned"].astype("boolean")
    if tuned.notna().any():
        return tuning.units.loc[tuned.fillna(False), "preferred_orientation"].dropna(), "Tuned units"
    selective = tuning.units["gosi"] > SELECTIVE
    return tuning.units.loc[selective, "preferred_orientation"].dropna(), f"Units, gOSI > {SELECTIVE}"


def draw_roses(panels: list[Any], parts: dict[str, list[str]], tuning: Tuning) -> None:
    """Draw the preferred orientations of some layers on each polar Axes, on one scale."""
    chosen, what = selective(tuning)
    angles = {part: chosen[chosen.index.isin(layers, level="layer")].to_numpy(float) for part, layers in parts.items()}
    shares = {part: rose_shares(of_part) for part, of_part in angles.items()}
    rim = max(2 * 100 / _BINS, *(1.05 * share.max() for share in shares.values()))
    for axes, (part, share) in zip(panels, shares.items(), strict=True):
        _draw_rose(axes, share, rim)
        axes.set_title(f"{part}\n{len(angles[part]):,} {what[0].lower()}{what[1:]}", fontsize=6.5)
    panels[-1].set_xlabel(f"Preferred orientation\n(rim {rim:.0f}%; dashed: uniform)", fontsize=6.5)


def rose_shares(angles: NDArray[Any]) -> NDArray[np.float64]:
    """Count orientations (degrees) in bins centred on 0, 15, ...; percent of all, 0 where there are none."""
    bins = np.round(angles * _BINS / 180).astype(int) % _BINS
    return 100 * np.bincount(bins, minlength=_BINS) / max(len(angles), 1)


def _draw_rose(axes: Any, shares: NDArray[np.float64], rim: float) -> None:
    """Draw a half-rose; the bin at 0 is also that at 180, half of it at each end."""
    centres = np.linspace(0, np.pi, _BINS + 1)
    axes.bar(centres, np.append(shares, shares[0]), width=np.pi / _BINS, color=BLUE, ec="white", lw=0.4)
    axes.plot(np.linspace(0, np.pi, 91), np.full(91, 100 / _BINS), "--", color=INK, lw=0.7)
    axes.set_thetalim(0, np.pi)
    axes.set_xticks(np.radians([0, 45, 90, 135, 180]), ["0°", "45°", "90°", "135°", "180°"])
    axes.set_ylim(0, rim)
    axes.set_yticks([])
    axes.tick_params(axis="x", pad=0)
    axes.grid(False)

"""The result of an orientation measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe.curves import von_mises
from neuroprobe.results.base import SELECTIVE, Result, by_layer, known_layer, named

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure


class Tuning(Result):
    """What :func:`neuroprobe.orientation` found: how each unit responds to orientation.

    ``curves[layer]`` has dims (unit, and those of the stimuli), in degrees, cycles/pixel and pixels: for gratings
    (unit, frequency, orientation, phase), for bars (unit, orientation, width, length, position, polarity).
    Orientation is that of the long axis of stripes or bars, counter-clockwise from horizontal, in [0, 180).
    """

    kind = "orientation"
    headline = "gosi"

    def curve(self, layer: str) -> xr.DataArray:
        """Give each unit's response (unit, orientation) at its preferred frequency, pooled over phase.

        The preferred frequency, that of the unit's largest response, comes along as a coordinate. Of bars it is the
        preferred width and length, and the curve is pooled over position and polarity.
        """
        cube = self.curves[layer]
        drift = ["orientation", *self._repeats(cube)]
        settings = [dim for dim in cube.dims if dim not in ("unit", *drift)]
        # fillna: a unit may be all NaN
        best = cube.fillna(float("-inf")).max(drift).argmax(settings) if settings else {}
        return self._pooled(cube.isel(best))

    def plane(self, layer: str) -> xr.DataArray:
        """Give each unit's response to every setting and orientation (unit, frequency, orientation), pooled over phase.

        The row at a unit's preferred frequency is its :meth:`curve`. Without frequencies the first other parameter of
        the stimuli takes their place; of any beyond, each unit's best is given.
        """
        cube = self._pooled(self.curves[layer]).transpose("unit", ..., "orientation")
        settings = cube.dims[1:-1]
        best = cube.fillna(float("-inf")).max("orientation").argmax(settings) if len(settings) > 1 else {}
        return cube.isel({name: best[name] for name in settings[1:]})

    def _pooled(self, responses: xr.DataArray) -> xr.DataArray:
        """Take the phases (of bars positions and polarities) together as the result was made; NaN stays NaN."""
        pooling = named("pooling", self.meta.get("pooling", "mean"), ("mean", "max"))
        repeats = self._repeats(responses)
        return responses.max(repeats) if pooling == "max" else responses.mean(repeats)

    def _repeats(self, responses: xr.DataArray) -> list[str]:
        """Return the dims that the stimuli have a curve pooled over."""
        pooled = self.meta.get("stimuli", {}).get("pooled", ["phase"])
        return [dim for dim in pooled if dim in responses.dims]

    def fit(self, layer: str) -> xr.DataArray:
        """Draw out each unit's fitted von Mises curve (unit, orientation), every degree from 0 to 180."""
        import numpy as np
        import xarray as xr

        rows = self.units.loc[known_layer(layer, self.layer_names)]
        parameters = (rows[f"fit_{name}"] for name in ("trough", "amplitude", "concentration", "preferred"))
        orientations = np.arange(181.0)
        coords = {"unit": rows.index.to_numpy(), "orientation": orientations}
        return xr.DataArray(von_mises(orientations, *parameters), coords, dims=("unit", "orientation"))

    def verdicts(self) -> pd.DataFrame:
        """Give each layer's shares of units: tuned, not tuned, without a verdict, unresponsive; they sum to 1."""
        import pandas as pd

        unresponsive = self.units["status"].isin(["unresponsive", "dead"])
        tuned = self.units["tuned"].astype("boolean")
        verdicts = {"tuned": tuned.fillna(False), "not_tuned": ~tuned.fillna(True), "no_verdict": tuned.isna()}
        shares = {name: by_layer((flag & ~unresponsive).astype(float)).mean() for name, flag in verdicts.items()}
        return pd.DataFrame({**shares, "unresponsive": by_layer(unresponsive).mean()})

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: status counts, gosi, the shares of selective and of tuned units, bandwidth.

        ``share_selective`` is the share with gosi above 0.33, of units that have one; ``share_tuned`` that of
        tuned units, of those with a verdict. Medians leave NaN out.
        """
        table = super().summary()
        if "unresponsive" not in table:  # always shown: none is news too
            table.insert(1, "unresponsive", 0)
        gosi, tuned = self.units["gosi"], self.units["tuned"].astype("boolean").astype(float)
        table["median_gosi_blank"] = by_layer(self.units["gosi_blank"]).median()
        table["share_selective"] = by_layer((gosi > SELECTIVE).astype(float).where(gosi.notna())).mean()
        table["share_tuned"] = by_layer(tuned).mean()
        table["median_bandwidth"] = by_layer(self.units["bandwidth"]).median()
        if self.control is not None:
            table["median_gosi_control"] = by_layer(self.control["gosi"]).median()
        return table

    def plot(self) -> Figure:
        """Draw the overview: selectivity by layer, verdicts, preferred orientations, example curves."""
        from neuroprobe import plots

        return plots.overview(self)

    def _picture(self) -> str:
        from neuroprobe.plots import overview
        from neuroprobe.plots.style import as_img

        return as_img(overview(self, compact=True))

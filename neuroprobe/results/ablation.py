"""The result of ablating sets of units, or of adding noise to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from neuroprobe.results.base import named
from neuroprobe.results.saved import Saved

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from neuroprobe.packing import Contents

_SAME_LEVEL = 1e-9  # 0.1 + 0.2 is meant to be 0.3


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(Saved):
    """What :func:`neuroprobe.ablation` and :func:`neuroprobe.noise_curves` found: loss and accuracy as units go.

    ``curves[layer]``, or ``curves["all"]`` where layers were pooled, has ``loss`` (nats) and ``accuracy`` (order,
    repeat, fraction), ``class_accuracy`` (and class), and as means over sets ``delta_loss`` and ``delta_accuracy``
    (order, fraction), ablated minus intact, with ``_low`` and ``_high`` ends of their 95% interval. Noise curves have
    ``scale`` in place of ``fraction``. Along either, 0 is the intact network; the coordinate ``units`` counts those
    held. An order of which there is one set has it at repeat 0, and NaN at the others. Which units were held says
    :meth:`held`.

    Attributes:
        table: One row a layer and order: ``auc``, the area under accuracy (0 to 1), with its interval ``ci_low`` to
            ``ci_high``; its ``percentile`` and ``p_value`` among random sets (0: none of them does as much harm);
            the impact at ``fraction``, the one nearest a half (of noise, at the ``scale`` nearest 1).
        curves: Layer -> dataset.
        meta: What the numbers were made from.
    """

    kind: ClassVar[str] = "ablation"

    table: pd.DataFrame
    curves: Mapping[str, xr.Dataset]
    meta: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Check what can be checked."""
        if list(self.table.index.names) != ["layer", "order"]:
            raise ValueError(f"table must be indexed by layer and order; {list(self.table.index.names)} came")
        super().__post_init__()

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The table."""
        return {"table": self.table}

    @property
    def layer_names(self) -> list[str]:
        """The layers in order of execution, or ``all``."""
        return list(self.curves)

    @property
    def orders(self) -> list[str]:
        """In which orders units were ablated; ``noise`` for noise curves."""
        return list(self.table.index.unique("order"))

    @property
    def axis(self) -> str:
        """What grows along the curves: ``fraction`` of units, or ``scale`` of noise."""
        return "fraction" if "fraction" in self.table else "scale"

    def curve(self, layer: str | None = None) -> xr.Dataset:
        """Return a layer's curves; no name is needed where there is only one."""
        if layer is None and len(self.curves) > 1:
            raise ValueError(
                f"say which of the {len(self.curves)} layers is meant: layer=..., one of {self.layer_names}"
            )
        return self.curves[layer or self.layer_names[0]]

    def held(
        self, order: str = "top", fraction: float = 0.5, layer: str | None = None, repeat: int = 0
    ) -> dict[str, list[int]]:
        """Return the units of one set, layer -> numbers, as :func:`neuroprobe.ablate` takes them.

        So what else becomes of the network can be measured: ``with neuroprobe.ablate(model, result.held("top", 0.5,
        "relu2")): shift = neuroprobe.shift_invariance(model, images)``.
        """
        curves = self.curve(layer)
        if "ranking" not in curves.coords:
            raise ValueError("noise is on every unit: there are no sets to name")
        named("order", order, self.orders)
        levels = curves["fraction"].to_numpy()
        level = int(np.abs(levels - fraction).argmin())
        if not abs(levels[level] - fraction) < _SAME_LEVEL:
            raise ValueError(f"fraction must be one of {levels.tolist()}; {fraction} came")
        ranked = curves["ranking"].sel(order=order).to_numpy()
        sets = int((ranked[:, 0] >= 0).sum())
        if not 0 <= repeat < sets:
            raise ValueError(f"there are {sets} sets in order {order!r}: repeat must be 0 to {sets - 1}; {repeat} came")
        chosen = sorted(ranked[repeat, : int(curves["units"][level])])
        units: dict[str, list[int]] = {}
        for place in chosen:
            units.setdefault(str(curves["ranked_layer"].values[place]), []).append(int(curves["ranked_unit"][place]))
        return units

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: its units, and for each order the area under accuracy and the impact on loss."""
        import pandas as pd

        columns = {
            f"{name}_{order}": self.table[name].xs(order, level="order")
            for name in ("auc", "delta_loss")
            for order in self.orders
        }
        units = self.table["units"].groupby(level="layer").first()
        return pd.DataFrame({"units": units, **columns}).reindex(self.layer_names)

    def plot(self) -> Figure:
        """Draw the impact layer by layer; the curves where there is one layer, or layers were pooled."""
        from neuroprobe import plots

        draw = plots.ablation_curves if len(self.curves) == 1 else plots.impact_by_layer
        return cast("Figure", draw(self).figure)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        return cls(contents.tables["table"], cast("Mapping[str, xr.Dataset]", contents.curves), contents.meta)

    def __repr__(self) -> str:
        parts = [", ".join(self.orders), f"{len(self.curves)} layers" if len(self.curves) > 1 else self.layer_names[0]]
        if "model" in self.meta:
            parts.insert(0, " ".join(str(self.meta["model"]).split()))
        return f"{type(self).__name__}({'; '.join(parts)})"

    def _picture(self) -> str:
        from neuroprobe.plots.style import as_img

        return as_img(self.plot())

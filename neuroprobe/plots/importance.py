"""How important units are by attribution, and how far that agrees with ablating them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.analysis.rank_agreement import POOLED
from neuroprobe.plots.index_by_layer import index_by_layer
from neuroprobe.plots.layer_axes import layer_ticks
from neuroprobe.plots.overview import title
from neuroprobe.plots.style import COLOURS, GREY, INK, LABELS, new_axes, new_figure, styled
from neuroprobe.results import by_layer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.results import Importance, Result

_UNITS = {"logit": "logits", "log_probability": "nats"}
_CHANCE = 1.96  # standard deviations of Spearman's rho that 95% of unrelated rankings stay within


@styled
def importance_overview(result: Importance) -> Figure:
    """Draw every unit's importance layer by layer, a panel a method.

    Returns:
        The figure, 0.7 inches and 1.7 a method high.
    """
    figure = new_figure(max(3.5, min(7, 0.3 * len(result.layer_names))), 0.7 + 1.7 * len(result.methods))
    panels = list(figure.subplots(len(result.methods), sharex=True, squeeze=False).flat)
    for axes, method in zip(panels, result.methods, strict=True):
        importance_by_layer(result, method, ax=axes)
    for axes in panels[:-1]:
        axes.tick_params(axis="x", labelbottom=False)
        axes.set_xlabel("")
    figure.suptitle(f"{title(result)} · {result.meta.get('images', 0):,} images", fontsize=8)
    return figure


@styled
def importance_by_layer(result: Importance, method: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw every unit's importance by one method, with median and quartiles, layer by layer.

    Args:
        result: what ``neuroprobe.importance`` found.
        method: the first of the result's by default.
        ax: where to draw; a new figure by default.
    """
    method = method or result.headline
    axes = index_by_layer(result, method, ax=ax)
    unit = _UNITS[result.meta["of"]] + ("/response" if method == "internal_influence" else "")
    axes.set_ylabel(f"{LABELS.get(method, method)} ({unit})")
    axes.axhline(0, color=INK, lw=0.6, zorder=1)
    return axes


@styled
def importance_agreement(result: Importance, impact: pd.DataFrame | Result, ax: Axes | None = None) -> Axes:
    """Draw how far each method ranks units as exact ablation does, layer by layer and, on the right, pooled.

    Grey bars hold 95% of unrelated rankings of as many units. For the units themselves:
    ``plots.selectivity_against_impact(impact, result.units.conductance)``.

    Args:
        result: what ``neuroprobe.importance`` found.
        impact: what ``neuroprobe.unit_impact`` found, or any unit table with a column ``delta_loss``.
        ax: where to draw; a new figure by default.
    """
    agreement = result.agreement(impact)
    layers, units = agreement.index.unique("layer"), by_layer(agreement["units"]).min()
    places, last = np.arange(len(layers)), len(layers) - 1
    axes = ax or new_axes(max(4.2, min(7, 1.4 + 0.3 * len(layers))), 2.4)
    chance = _CHANCE / np.sqrt(units.clip(lower=2) - 1)
    axes.bar(places, 2 * chance, 0.8, -chance, color=GREY, alpha=0.3, lw=0, label="Chance (95%)", zorder=1)
    axes.axhline(0, color=INK, lw=0.6, zorder=2)
    axes.axvline(last - 0.5, color=INK, lw=0.6, ls=":", zorder=2)
    for method, colour in zip(result.methods, COLOURS, strict=False):
        rho = agreement["spearman"].xs(method, level="method").to_numpy()
        axes.plot(places[:-1], rho[:-1], "o-", color=colour, lw=0.8, label=LABELS.get(method, method), zorder=3)
        axes.plot(last, rho[-1], "D", color=colour, ms=4, zorder=3)
    layer_ticks(axes, [layer if layer != POOLED else "all units" for layer in layers])
    axes.set(ylim=(-1, 1), ylabel="Spearman's $\\rho$ with\nthe effect on loss")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return axes

"""Do the units that score high matter? Loss and accuracy as more and more units are ablated, in several orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, cast
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from neuroprobe.analysis.indices import Floats
from neuroprobe.analysis.scores import scored_units
from neuroprobe.analysis.sweeps import FRACTION, Ranking, Sweep
from neuroprobe.analysis.trial_runs import as_trial, found_layers, measured
from neuroprobe.analysis.unit_sets import (
    CHANCE,
    ORDERS,
    Order,
    Places,
    activity_strata,
    checked_fractions,
    rankings,
    set_sizes,
)
from neuroprobe.data import Data, Images
from neuroprobe.distributed import together
from neuroprobe.holding import Holding
from neuroprobe.observing import Summed, observe
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.readout import Readout, Tokens, one_of, whole_number
from neuroprobe.reducers import Moments
from neuroprobe.results import Ablation
from neuroprobe.trials import Trial

if TYPE_CHECKING:
    import pandas as pd


@together
def ablation(
    model: nn.Module,
    data: Data,
    scores: pd.Series[Any],
    layers: str | Sequence[str] | None = None,
    *,
    fractions: int | Sequence[float] = 11,
    orders: Order | Sequence[Order] = ("top", "bottom", "random"),
    repeats: int = 20,
    value: str | float | Tensor = "zero",
    site: Literal["address", "post_norm"] = "address",
    per_position: bool = False,
    scale: float = 1.0,
    per_layer: bool = True,
    seed: int = 0,
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
    memory: int | None = None,
) -> Ablation:
    """Ablate growing sets of units in the order of a score, and measure loss and accuracy.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7")
        >>> tuning = neuroprobe.orientation(model, ["relu1", "relu2"], permutations=0)
        >>> images, labels = torch.rand(8, 3, 32, 32), torch.arange(8)
        >>> halves = neuroprobe.ablation(model, (images, labels), tuning.units.gosi, fractions=[0.5], repeats=3)
        >>> halves.table.loc["relu1"].index.tolist(), halves.curves["relu2"].loss.sizes["repeat"]
        (['top', 'bottom', 'random'], 3)

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        data: images in [0, 1] with labels: tensors, a Dataset, a DataLoader or a folder.
        scores: a column of a unit table, a pandas Series indexed by layer and unit (``tuning.units.gosi``). Units
            without a score (NaN) are in no set.
        layers: names or globs; None for all that have scores.
        fractions: of the scored units: a count, spread evenly over 0 to 1, or a sequence; ``[0.5]`` compares halves.
        orders: ``"top"`` by falling score, ``"bottom"`` by rising, ``"random"``, and ``"matched"``: as ``"top"``, each
            unit replaced by one of the about five of its layer that stand next to it in mean activity over the data.
        repeats: how many random and matched orders are drawn; from 199 random ones up there is a ``p_value``.
        value: what ablated units are held at: ``"zero"``, ``"mean"`` or ``"resample"`` (of the data), ``"noise"``, a
            number, a tensor.
        site: ``"address"`` holds a layer's output, ``"post_norm"`` that of the normalisation which follows it.
        per_position: the mean of each place of the map, where ``value="mean"``.
        scale: of the noise, in standard deviations of the unit.
        per_layer: a layer at a time; False ranks the units of all layers together.
        seed: of ties, random orders, draws and the bootstrap.
        input_size: side, (H, W) or (C, H, W) in pixels, that a folder's photographs are scaled and cut to; None for
            the network's own where that is known, else they stay as they are.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: None for one that suits the image size and ``memory``.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read for mean activity: ``"patch"``, ``"cls"``, ``"all"``.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.
        memory: bytes that a batch may keep; None for 1 GiB. Trials are cut to it whatever ``batch_size`` is.

    Returns:
        An ``Ablation``: ``.curves[layer]`` (or ``"all"``) with loss (nats), accuracy and accuracy by class at each
        fraction; ``.table`` with the area under accuracy and the impact of each order, with intervals. Intervals are
        a paired bootstrap over images: they speak of this network, not of others trained like it.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit, or scores of layers on which the output
            does not depend; RuntimeError: if the forward pass raises.

    Source: cumulative ablation as in Morcos et al. (2018), halves as in Ukita (2020).
    """
    wanted, levels = _checked_orders(orders), checked_fractions(fractions)
    whole_number("repeats", repeats, least=1)
    whole_number("seed", seed)
    holding = Holding(value=value, site=site, per_position=per_position, scale=scale, seed=seed)
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    images = prepared.open(data, batch_size=batch_size, memory=memory, input_size=input_size).shared()
    found = found_layers(prepared, images, unit_axis)
    scored = scored_units(scores, found, layers)
    how: dict[str, Any] = {"unit_axis": unit_axis, "progress": progress}
    strata = np.zeros(len(scored), dtype=np.intp)
    if "matched" in wanted:
        readout = Readout("mean", tokens)
        strata = _strata(prepared, images, scored.index, readout, **how)
    plan = _Plan(levels, wanted, repeats, seed)
    for name, places in _pools(scored.index, per_layer=per_layer).items():
        plan.add(name, scored.iloc[places], strata[places])
    about = {
        "scores": None if scores.name is None else str(scores.name),
        "value": value if isinstance(value, str | int | float) else f"tensor {tuple(value.shape)}",
        "site": site,
        "per_position": per_position,
        "scale": scale,
        "per_layer": per_layer,
        "repeats": repeats,
    }
    used = [layer for layer in found if layer.name in scored.index.unique("layer")]
    passes = [(holding, plan.trials)]
    how |= {"memory": memory, "by_name": True}
    return measured(prepared, images, used, plan.sweeps, passes, about, seed=seed, **how)


def _checked_orders(orders: str | Sequence[str]) -> tuple[Order, ...]:
    wanted = (orders,) if isinstance(orders, str) else tuple(orders)
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(f"orders must be one or more of {', '.join(ORDERS)}, each once; {orders!r} came")
    for order in wanted:
        one_of("each of orders", order, ORDERS)
    return cast("tuple[Order, ...]", wanted)


def _strata(prepared: Preparation, images: Images, units: pd.Index[Any], readout: Readout, **how: Any) -> Places:
    """Record each unit's mean response over the data, and number the strata of like ones, (units,)."""
    layers, moments = units.get_level_values("layer"), Summed({"moments": Moments.of})
    observe(prepared, images, list(layers.unique()), [moments], readout, total=images.count, maps=False, **how)
    states = images.pooled(moments.states)["moments"]
    means = {name: state.mean.cpu().numpy() for name, state in states.items()}
    return activity_strata([means[layer][unit] for layer, unit in units], layers)


def _pools(units: pd.Index[Any], *, per_layer: bool) -> dict[str, Places]:
    """Return the places of the units that are ranked together."""
    if not per_layer:
        return {"all": np.arange(len(units))}
    of_layer = units.get_level_values("layer")
    return {name: np.flatnonzero(of_layer == name) for name in of_layer.unique()}


@dataclass
class _Plan:
    """The trials of all sweeps, each distinct set once."""

    levels: Floats
    orders: tuple[Order, ...]
    repeats: int
    seed: int
    sweeps: list[Sweep] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    def add(self, name: str, scores: pd.Series[float], strata: Places) -> None:
        """Add the sweep of one layer, or of a pool of several, from the scores of its units."""
        sizes = set_sizes(self.levels, len(scores))
        rows = np.full((len(self.orders), self._sets, len(sizes)), -1)
        ranking = np.full((len(self.orders), self._sets, len(scores)), -1)
        known = {b"": 0}  # no unit at all: the intact network
        for number, order in enumerate(self.orders):
            # by the name, so that a layer's sets do not hang on which others are ablated
            seed = (self.seed, crc32(name.encode()))
            ranked = rankings(order, scores, repeats=self.repeats, seed=seed, strata=strata)
            ranking[number, : len(ranked)] = ranked
            for repeat, level in product(range(len(ranked)), range(len(sizes))):
                places = np.sort(ranked[repeat, : sizes[level]])
                rows[number, repeat, level] = self._row(known, places, scores.index)
        layers, units = (scores.index.get_level_values(level).to_numpy() for level in ("layer", "unit"))
        ranked_units = Ranking(layers, units, ranking)
        self.sweeps.append(Sweep(name, len(scores), FRACTION, self.levels, sizes, self.orders, rows, ranked_units))

    @property
    def _sets(self) -> int:
        return self.repeats if set(self.orders) & set(CHANCE) else 1

    def _row(self, known: dict[bytes, int], places: Places, units: pd.Index[Any]) -> int:
        """Return the row of a set in the outcomes, after adding its trial where it is new."""
        key = places.tobytes()
        if key not in known:
            self.trials.append(as_trial(units[places]))
            known[key] = len(self.trials)
        return known[key]

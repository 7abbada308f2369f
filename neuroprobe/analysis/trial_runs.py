"""From a plan of trials to a result: one pass over the data, its outcomes, curves and table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.analysis.bootstrap import Bootstrap
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.analysis.sweeps import Curves, Sweep, all_curves
from neuroprobe.data import Batch, Images
from neuroprobe.holding import Holding
from neuroprobe.preparation import Preparation
from neuroprobe.provenance import made_from
from neuroprobe.results import Ablation
from neuroprobe.trials import Trial, run_trials

if TYPE_CHECKING:
    import pandas as pd


_DEFINITIONS = {
    "delta": "ablated minus intact, mean over the sets of an order",
    "loss": "mean cross-entropy, nats",
    "auc": "area under accuracy (noise: over the logarithm of its scale), divided by the length of the axis",
    "interval": "95%, paired bootstrap over images: of this network, not of others trained like it",
    "percentile": "of a set's area among those of random (or matched) sets of the same sizes; equal ones count half",
    "p_value": "two-sided, from 199 such sets up",
    "matched": "the units of each stratum, about five of a layer next to one another in mean response, dealt anew",
}


def found_layers(prepared: Preparation, images: Images, unit_axis: Mapping[str, int] | None) -> list[Layer]:
    """Find the network's layers by a dry pass over the first image."""
    with prepared.at_rest():  # the data too: shuffling draws random numbers
        return prepared.layers(next(iter(images)).images[:1], unit_axis)


def as_trial(units: pd.Index[Any]) -> Trial:
    """Return units, layer by layer, as a trial.

    Example:
        >>> import pandas as pd
        >>> as_trial(pd.MultiIndex.from_tuples([("relu1", 3), ("relu1", 5), ("relu2", 0)]))
        {'relu1': [3, 5], 'relu2': [0]}
    """
    trial: dict[str, list[int]] = {}
    for layer, unit in units:
        trial.setdefault(layer, []).append(int(unit))
    return trial


def measured(
    prepared: Preparation,
    images: Images,
    layers: Sequence[Layer],
    sweeps: Sequence[Sweep],
    passes: Sequence[tuple[Holding, Sequence[Trial]]],
    about: Mapping[str, Any],
    *,
    seed: int,
    **how: Any,
) -> Ablation:
    """Run the trials of some sweeps and put the result together.

    Args:
        prepared: the network.
        images: the data.
        layers: those in which units are held.
        sweeps: whose rows count the trials from 1 on, from pass to pass.
        passes: over the data, each with its own holding.
        about: what the result's meta is to say beside what it always says.
        seed: of the bootstrap.
        how: goes to the engine.
    """
    bootstrap = Bootstrap([group for sweep in sweeps for group in sweep.groups()], seed=seed)
    outcomes, first = Outcomes(sum(len(trials) for _, trials in passes), bootstrap), 0
    for holding, trials in passes:
        run_trials(prepared, images, trials, _Later(outcomes, first) if first else outcomes, holding=holding, **how)
        first += len(trials)
    outcomes, bootstrap = images.pooled((outcomes, bootstrap))
    meta = made_from(prepared.model, layers) | {
        "data": images.source,
        "classes": images.classes,
        "images": int(outcomes.images.sum()),
        "seed": seed,
        **about,
        "definitions": _DEFINITIONS,
    }
    return _result(all_curves(sweeps, outcomes, bootstrap), images.classes, meta)


class _Later:
    """Shows outcomes a later pass over images that they have seen, with other trials."""

    def __init__(self, outcomes: Outcomes, first: int) -> None:
        self._outcomes, self._first = outcomes, first

    def intact(self, batch: Batch, logits: Tensor) -> None:
        self._outcomes.again(batch, logits)

    def held(self, numbers: Sequence[int], logits: Tensor) -> None:
        self._outcomes.held([self._first + number for number in numbers], logits)


def _result(curves: Sequence[Curves], classes: Sequence[str] | None, meta: Mapping[str, Any]) -> Ablation:
    """Put curves and table together."""
    import pandas as pd

    outputs = curves[0].class_accuracy.shape[-1]
    names = classes if classes is not None and len(classes) == outputs else range(outputs)
    table = pd.DataFrame([row for each in curves for row in each.table_rows()]).set_index(["layer", "order"])
    return Ablation(table, {each.sweep.name: each.dataset(names) for each in curves}, meta)

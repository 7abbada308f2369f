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
from neuroprobe.results import Ablation
from neuroprobe.trials import Trial, run_trials

if TYPE_CHECKING:
    import pandas as pd


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
    sweeps: Sequence[Sweep],
    passes: Sequence[tuple[Holding, Sequence[Trial]]],
    *,
    seed: int,
    **how: Any,
) -> list[Curves]:
    """Run the trials of some sweeps, counted on from pass to pass over the images; ``how`` goes to the engine."""
    bootstrap = Bootstrap([group for sweep in sweeps for group in sweep.groups()], seed=seed)
    outcomes, first = Outcomes(sum(len(trials) for _, trials in passes), bootstrap), 0
    for holding, trials in passes:
        run_trials(prepared, images, trials, _Later(outcomes, first) if first else outcomes, holding=holding, **how)
        first += len(trials)
    return all_curves(sweeps, outcomes, bootstrap)


class _Later:
    """Shows outcomes a later pass over images that they have seen, with other trials."""

    def __init__(self, outcomes: Outcomes, first: int) -> None:
        self._outcomes, self._first = outcomes, first

    def intact(self, batch: Batch, logits: Tensor) -> None:
        self._outcomes.again(batch, logits)

    def held(self, numbers: Sequence[int], logits: Tensor) -> None:
        self._outcomes.held([self._first + number for number in numbers], logits)


def result_of(curves: Sequence[Curves], classes: Sequence[str] | None, meta: Mapping[str, Any]) -> Ablation:
    """Put curves and table together."""
    import pandas as pd

    outputs = curves[0].class_accuracy.shape[-1]
    names = classes if classes is not None and len(classes) == outputs else range(outputs)
    table = pd.DataFrame([row for each in curves for row in each.table_rows()]).set_index(["layer", "order"])
    return Ablation(table, {each.sweep.name: each.dataset(names) for each in curves}, meta)

"""From class moments and responses to the columns of the unit table: all layers one after the other.

The indices are in class_indices and class_evidence; here they are put together, and it is decided which units have no
numbers at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuroprobe.addresses import Layer
from neuroprobe.analysis import class_evidence, class_indices
from neuroprobe.analysis.class_halves import Halves
from neuroprobe.analysis.indices import Floats
from neuroprobe.analysis.significance import false_discovery
from neuroprobe.distributed import exchange
from neuroprobe.results import unit_index

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

COLUMNS = (
    "si", "si_cv", "si_null", "preferred_class", "margin", "d_prime", "eta_squared", "auroc", "mutual_information",
    "sparseness", "p_value", "q_value", "status",
)  # fmt: skip
_FROM_RESPONSES = ("auroc", "mutual_information", "si_null", "p_value", "q_value")  # the last from the one before
_NO_RESPONSE = 1e-12  # response units
_FEWEST_IMAGES, _FEWEST_CLASSES = 10, 2

Columns = Mapping[str, NDArray[Any]]  # each (units,)
Blocks = Iterable[tuple[slice, NDArray[np.float32]]]  # which units, and their responses (units, images)


@dataclass(frozen=True)
class Rules:
    """What a preset settles."""

    eps: float = class_indices.EPSILON
    dead_is_zero: bool = False  # dead units have si = 0, and count in means

    def definitions(self) -> dict[str, str]:
        """Say in words how the columns are made."""
        dead = "si = 0, counted in" if self.dead_is_zero else "no indices"
        return {
            "si": f"(mu_max - mu_rest) / (mu_max + mu_rest + {self.eps:g}), mu_rest the mean of the other class means",
            "si_cv": "preferred class from the even-numbered images of each class, si from the odd; averaged both ways",
            "d_prime": "(mu_max - mu_rest) / sqrt((var_max + var_rest) / 2), variances with n - 1, var_rest their mean "
            "over the other classes",
            "si_null": "mean si over permutations of the labels, the preferred class chosen anew in each",
            "p_value": "share of those permutations with si at least as large, (b + 1) / (n + 1)",
            "q_value": "Benjamini-Hochberg within a layer over units with a p",
            "mutual_information": f"bits, {class_evidence.BINS} bins of equally many responses, equal ones together",
            "dead": f"no class mean above {_NO_RESPONSE:g}: {dead}",
            "too_few": f"fewer than {_FEWEST_CLASSES} classes with {_FEWEST_IMAGES} images each: no indices",
            "small_samples": "few images a class raise si: compare it only at equal numbers of images a class",
        }


PRESETS: Mapping[str | None, Rules] = {
    None: Rules(),
    "morcos2018": Rules(eps=0.0, dead_is_zero=True),
    "leavitt2020": Rules(dead_is_zero=True),
    "ranadive2023": Rules(eps=1e-6),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """What the pass gave, and how it becomes columns."""

    layers: Sequence[Layer]
    halves: Halves
    signed_layers: Sequence[str]
    rules: Rules
    clip: bool  # negative values were clipped

    @cached_property
    def status(self) -> NDArray[np.object_]:
        """How each unit (units,) is to be read."""
        signed = np.repeat([layer.name in self.signed_layers for layer in self.layers], self._widths)
        status = np.where(signed, "rectified", "ok").astype(object)
        status[(self.halves.means <= _NO_RESPONSE).all(axis=0)] = "dead"
        if np.sum(self.halves.images >= _FEWEST_IMAGES) < _FEWEST_CLASSES:
            status[:] = "too_few"
        if not self.clip:
            status[signed] = "signed"
        return status

    @property
    def has_numbers(self) -> NDArray[np.bool_]:
        """Whether a unit (units,) has indices."""
        return np.isin(self.status, ("ok", "rectified"))

    def from_moments(self) -> dict[str, NDArray[Any]]:
        """Return all columns; those that take every response are NaN."""
        blank = dict.fromkeys(COLUMNS, np.full(len(self.status), np.nan)) | {"status": self.status}
        if not self.has_numbers.any():  # there may not even be two classes
            return blank | self._zeros(blank["si"])
        indices = {name: np.where(self.has_numbers, values, np.nan) for name, values in self._indices().items()}
        return blank | indices | self._zeros(indices["si"])

    def _zeros(self, si: Floats) -> dict[str, Floats]:
        dead = (self.status == "dead") & self.rules.dead_is_zero
        return {"si": np.where(dead, 0.0, si)}

    def _indices(self) -> dict[str, NDArray[Any]]:
        halves, eps = self.halves, self.rules.eps
        spread = (halves.count, halves.means, halves.sum_sq_dev)
        return {
            "si": class_indices.selectivity(halves.means, eps),
            "si_cv": class_indices.cross_validated(*halves.apart(), eps),
            "preferred_class": halves.present[class_indices.preferred_class(halves.means)],
            "margin": class_indices.margin(halves.means, eps),
            "d_prime": class_indices.d_prime(halves.means, halves.variances),
            "eta_squared": class_indices.eta_squared(*spread),
            "sparseness": class_indices.sparseness(*spread),
        }

    def from_responses(
        self, blocks: Blocks, labels: NDArray[np.int64], columns: Columns, *, permutations: int, seed: int
    ) -> dict[str, Floats]:
        """Return the columns that take every response, worked out some units at a time."""
        labels = np.searchsorted(self.halves.present, labels)
        own = []  # of this process's share of the units
        for block, responses in blocks if self.has_numbers.any() else ():
            units = np.arange(len(self.status))[block]
            able = self.has_numbers[units]
            units, responses = units[able], responses[able]
            ranked = class_evidence.ranks(responses)
            preferred = np.searchsorted(self.halves.present, columns["preferred_class"][units])
            auroc = class_evidence.auroc(ranked, labels, preferred)
            information = class_evidence.mutual_information(ranked, labels)
            del ranked  # as large as the responses, twice over
            null, p = class_evidence.label_null(
                responses, labels, columns["si"][units], permutations=permutations, seed=seed, eps=self.rules.eps
            )
            own.append((units, (auroc, information, null, p)))
        return self._laid_out(chain.from_iterable(exchange(own)))

    def _laid_out(self, pieces: Iterable[tuple[NDArray[np.intp], Sequence[Floats]]]) -> dict[str, Floats]:
        """Return columns of all units from those of some at a time."""
        made = {name: np.full(len(self.status), np.nan) for name in _FROM_RESPONSES}
        for units, values in pieces:
            for name, of_units in zip(_FROM_RESPONSES, values, strict=False):
                made[name][units] = of_units
        for place in self._places:
            made["q_value"][place] = false_discovery(made["p_value"][place])
        return made

    def table(self, columns: Columns) -> pd.DataFrame:
        """Return the unit table."""
        import pandas as pd

        table = pd.DataFrame(dict(columns), index=unit_index({layer.name: layer.units for layer in self.layers}))
        return table.astype({"preferred_class": "Int64"})[list(COLUMNS)]

    def curves(self, classes: Sequence[int] | Sequence[str]) -> dict[str, xr.DataArray]:
        """Return each layer's class means (unit, class), NaN for classes without an image."""
        import xarray as xr

        means = np.full((len(self.status), len(classes)), np.nan)
        means[:, self.halves.present] = self.halves.means.T
        coordinates = {"class": np.array(classes)}
        return {
            layer.name: xr.DataArray(
                means[place], {"unit": np.arange(layer.units), **coordinates}, ("unit", "class"), name=layer.name
            )
            for layer, place in zip(self.layers, self._places, strict=True)
        }

    @property
    def _widths(self) -> list[int]:
        return [layer.units for layer in self.layers]

    @property
    def _places(self) -> list[slice]:
        """Which of all units are each layer's."""
        ends = np.cumsum(self._widths)
        return [slice(end - width, end) for end, width in zip(ends, self._widths, strict=True)]

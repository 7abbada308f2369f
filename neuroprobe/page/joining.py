"""Results of one network, side by side: one list of layers, one row a unit, whatever each of them measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroprobe.models import unwrap
from neuroprobe.networks.expected import network_name
from neuroprobe.page import catalogue
from neuroprobe.provenance import weights_digest
from neuroprobe.results import Result, Saved, load, unit_index

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

Results = Saved | str | Path | Iterable[Saved | str | Path]


@dataclass(frozen=True, eq=False)
class Joined:
    """Results that share a network."""

    results: Sequence[Result]
    layers: Mapping[str, int]  # layer -> units, in order of execution

    @classmethod
    def of(cls, results: Results) -> Joined:
        """Join results, or the places where they are saved.

        Raises:
            TypeError: if one has no units; ValueError: if there is none, if they are of different networks, or if two
            measured the same of the same layer.
        """
        found = [_opened(result) for result in _listed(results)]
        if not found:
            raise ValueError("an atlas shows results: give at least one")
        _refuse_different_networks(found)
        _refuse_doubles(found)
        by_kind = sorted(found, key=lambda result: catalogue.place(result.kind))
        return cls(by_kind, {layer: _units(found, layer) for layer in _merged(found)})

    def ordered(self, names: Sequence[str]) -> Joined:
        """Return the same with the layers in the order of names; those not named come last."""
        place_of = {name: place for place, name in enumerate(names)}
        order = sorted(self.layers, key=lambda name: place_of.get(name, len(place_of)))
        return replace(self, layers={layer: self.layers[layer] for layer in order})

    def refuse_another(self, model: nn.Module) -> None:
        """Raise where a network is not the one that the results are of."""
        model = unwrap(model)
        digest = weights_digest(model)
        if digest != self.meta["weights"]:
            raise ValueError(
                f"the results are of {self.meta['model']} with weights {self.meta['weights']}, and model is "
                f"{network_name(model)} with weights {digest}: give the network that was measured"
            )

    @property
    def index(self) -> pd.MultiIndex:
        """The units of all layers, (``layer``, ``unit``)."""
        return unit_index(self.layers)

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the first result says of the network, which all of them say."""
        return self.results[0].meta

    @property
    def kinds(self) -> dict[str, list[Result]]:
        """The results, kind by kind."""
        kinds: dict[str, list[Result]] = {}
        for result in self.results:
            kinds.setdefault(result.kind, []).append(result)
        return kinds

    def shape(self, layer: str) -> list[int]:
        """Return the shape of a layer's output for one image, (1, ...)."""
        return next(result.meta["layers"][layer]["shape"] for result in self.results if layer in result.meta["layers"])


def grid_of(result: Result, layer: str) -> tuple[int, ...]:
    """Return the lengths of the axes of places of a layer's map: (height, width), (tokens,) or ()."""
    shape = result.meta["layers"][layer]["shape"]
    unit_axis = shape.index(len(result.units.loc[layer]), 1)
    return tuple(length for axis, length in enumerate(shape) if axis not in (0, unit_axis))


def _listed(results: Results) -> list[Saved | str | Path]:
    return [results] if isinstance(results, Saved | str | Path) else list(results)


def _opened(result: Saved | str | Path) -> Result:
    opened = load(result) if isinstance(result, str | Path) else result
    if not isinstance(opened, Result):
        raise TypeError(
            f"an atlas shows results that have a row a unit; {type(opened).__name__} came: give the results of "
            "orientation, class_selectivity, unit_impact, shift_invariance, importance or record"
        )
    if "weights" not in opened.meta:
        raise ValueError(f"{opened!r} does not say which weights it was made from, so it cannot be told what it joins")
    return opened


def _refuse_different_networks(results: Sequence[Result]) -> None:
    networks = {result.meta["weights"]: f"{result.meta['model']} ({result.kind})" for result in reversed(results)}
    if len(networks) > 1:
        listed = "; ".join(f"{name} has weights {digest}" for digest, name in reversed(networks.items()))
        raise ValueError(f"an atlas is of one network, and these results are of {len(networks)}: {listed}")


def _refuse_doubles(results: Sequence[Result]) -> None:
    for one, other in combinations(results, 2):
        layers = [layer for layer in one.layer_names if layer in other.layer_names]
        columns = [str(column) for column in one.units if column in other.units and column != "status"]
        if one.kind == other.kind and layers and columns:
            raise ValueError(
                f"two {one.kind} results both have {', '.join(columns[:3])} of layer {layers[0]!r}: an atlas shows one "
                "number a unit, so give one of them, or make two atlases"
            )


def _units(results: Sequence[Result], layer: str) -> int:
    counts = {len(result.units.loc[[layer]]): result.kind for result in results if layer in result.layer_names}
    if len(counts) > 1:
        listed = ", ".join(f"{count} ({kind})" for count, kind in counts.items())
        raise ValueError(f"the results do not agree on how many units layer {layer!r} has: {listed}")
    return next(iter(counts))


def _merged(results: Sequence[Result]) -> list[str]:
    """Return all layers, each ahead of those it runs before in any result."""
    merged: list[str] = []
    for result in results:
        names = result.layer_names
        for place, name in enumerate(names):
            if name not in merged:
                after = next((merged.index(later) for later in names[place + 1 :] if later in merged), len(merged))
                merged.insert(after, name)
    return merged

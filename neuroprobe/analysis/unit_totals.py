"""What each unit was attributed over all images, and whether it responded to any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroprobe.adding import with_added
from neuroprobe.addresses import Layer
from neuroprobe.analysis.attribution import refuse_skipped
from neuroprobe.answers import logits_of
from neuroprobe.models import reading
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping
from neuroprobe.results import unit_index

if TYPE_CHECKING:
    import pandas as pd

_NO_RESPONSE = 1e-12  # response units


@dataclass
class UnitTotals:
    """Attributions summed over the images so far, and which units have responded to any."""

    methods: Sequence[str]
    layers: Sequence[Layer]
    images: int = 0
    sums: dict[tuple[str, str], Tensor] = field(default_factory=dict)  # method, layer -> (units,)
    peaks: dict[str, Tensor] = field(default_factory=dict)  # layer -> largest size of a response (units,)

    def respond(self, prepared: Preparation, inputs: Tensor) -> Tensor:
        """Run the network once as it stands; note which units respond, and return the logits."""
        peaks: dict[str, Tensor] = {}

        def note(layer: Layer, output: Tensor) -> None:
            with reading():
                peaks[layer.name] = output.movedim(layer.unit_axis, 0).flatten(1).abs().amax(1)

        with tapping(prepared.model, self.layers, note):
            logits = logits_of(prepared.forward(inputs.clone()), fewest=1)  # a network may write into its input
        refuse_skipped(self.layers, peaks)
        self.peaks = {name: torch.maximum(peak, self.peaks.get(name, peak)) for name, peak in peaks.items()}
        self.images += len(inputs)
        return logits

    def add(self, method: str, attributions: Sequence[Tensor]) -> None:
        """Add one method's attributions (images, units) to each layer, for one batch."""
        for layer, attribution in zip(self.layers, attributions, strict=True):
            total = attribution.sum(0, dtype=torch.float64)
            if not total.isfinite().all():
                raise ValueError(
                    f"{method} of layer {layer.name!r} is NaN or infinite: are the network's weights finite, and is "
                    f"its precision ({attribution.dtype}) wide enough?"
                )
            key = method, layer.name
            self.sums[key] = total + self.sums.get(key, 0)

    def __add__(self, other: UnitTotals) -> UnitTotals:
        """Return the totals over both sets of images."""
        peaks = {name: torch.maximum(peak, other.peaks[name]) for name, peak in self.peaks.items()}
        return replace(with_added(self, other, "images", "sums"), peaks=peaks)

    def table(self) -> pd.DataFrame:
        """Return the unit table."""
        import pandas as pd

        columns = {
            method: torch.cat([self.sums[method, layer.name] for layer in self.layers]).cpu().numpy() / self.images
            for method in self.methods
        }
        index = unit_index({layer.name: layer.units for layer in self.layers})
        dead = torch.cat([self.peaks[layer.name].cpu() <= _NO_RESPONSE for layer in self.layers]).numpy()
        return pd.DataFrame(columns, index).assign(status=pd.Series(dead, index).map({True: "dead", False: "ok"}))

"""Orientation tuning of every unit of a network, from its responses to gratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neuroprobe.addresses import Layer
from neuroprobe.analysis.tuning import PRESETS, Responses, Rules, unit_columns
from neuroprobe.data import Batch, suggested_batch
from neuroprobe.networks.expected import image_shape
from neuroprobe.networks.untrained import calibrate, untrained
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.provenance import made_from
from neuroprobe.readout import Readout, Rectifier, Tokens, one_of, whole_number
from neuroprobe.recording import Kept, observe
from neuroprobe.results import SELECTIVE, Tuning, unit_index
from neuroprobe.stimuli import StimulusSet, gratings

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


GRATING_AXES = ("frequency", "orientation", "phase")
COLUMNS = (
    "gosi", "osi", "opr", "preferred_orientation", "preferred_frequency", "bandwidth", "fit_r2", "orientation_range",
    "f1_f0", "peak_response", "blank_response", "gosi_blank", "p_value", "q_value", "tuned", "fit_trough",
    "fit_amplitude", "fit_concentration", "fit_preferred", "status",
)  # fmt: skip
SIGNIFICANT_Q = 0.05
_CONTROL_PERCENTILE = 95


def orientation(
    model: nn.Module,
    layers: str | Sequence[str] | None = None,
    stimuli: StimulusSet | None = None,
    *,
    preset: str | None = None,
    reduce: Literal["mean", "max", "center"] = "mean",
    signed: Literal["rectify", "nan"] = "rectify",
    control: Literal["untrained", "shuffled"] | nn.Module | None = None,
    input_size: int | tuple[int, ...] | None = None,
    permutations: int = 1000,
    seed: int = 0,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
) -> Tuning:
    """Measure the orientation tuning of every unit with gratings: indices, a fit, and what chance would give.

    Example:
        >>> import neuroprobe
        >>> tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu1", "relu2"])
        >>> round(float(tuning.units.loc["relu1"].gosi.median()), 2)
        0.23
        >>> list(tuning.summary().index)
        ['relu1', 'relu2']

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        layers: names, globs, or None for the outputs of all non-linearities.
        stimuli: from ``neuroprobe.stimuli``; None for the default gratings, or the preset's.
        preset: ``"ukita2020"`` or ``"ringach2002"``: pooling, dead rule, bandwidth and stimuli of that paper.
        reduce: how a map becomes one response: its ``"mean"``, ``"max"`` or ``"center"``.
        signed: what becomes of layers with values below 0: ``"rectify"`` clips them, ``"nan"`` gives no indices.
        control: a network to compare with: ``"untrained"`` (this one, initialised anew, its batch normalisation
            calibrated on the stimuli) or one of the user's own set the threshold of ``tuned``; ``"shuffled"`` permutes
            the images once (it tests any structure).
        input_size: side, (H, W) or (C, H, W) in pixels; None where the network's own is known.
        permutations: for ``p_value``; 0 for none.
        seed: of the permutations and of the untrained control.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images in [0, 1].
        batch_size: None for one that suits the image size.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.

    Returns:
        A ``Tuning``: ``.units`` with ``gosi``, ``osi`` (0 to 1), ``preferred_orientation``, ``bandwidth`` (degrees),
        ``preferred_frequency`` (cycles/pixel), ``tuned``, ``status`` and more; ``.curves[layer]`` (unit, frequency,
        orientation, phase); ``.summary()``, ``.top(layer)``, ``.plot()``, ``.save(path)``.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit; RuntimeError: if the forward pass raises.

    Source: indices as in Ringach et al. (2002), Mazurek et al. (2014) and Ukita (2020).
    """
    _check(preset, reduce, signed, control, permutations, seed)
    rules = PRESETS[preset]
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    if stimuli is not None and input_size is not None:
        raise ValueError(f"stimuli bring their own size: leave out input_size ({input_size!r} came), or the stimuli")
    if stimuli is None:
        stimuli = gratings(image_shape(input_size, prepared.expected, prepared.model), preset=rules.stimuli)
    _check_stimuli(stimuli)
    experiment = _Experiment(
        stimuli=stimuli,
        readout=Readout(reduce, tokens),
        rules=rules,
        clip=signed == "rectify",
        batch_size=suggested_batch(*stimuli.size[1:]) if batch_size is None else batch_size,
        unit_axis=unit_axis,
        progress=progress,
    )
    run = experiment.run(prepared, layers)
    units = experiment.table(run, permutations=permutations, seed=seed)
    if isinstance(control, nn.Module):
        other = prepare(control, preprocess=preprocess, device=device, dtype=dtype)
        compared: _Run | None = experiment.run(other, run.names)
    else:
        compared = experiment.own_control(prepared, run, control, seed)
    controls = experiment.control_table(run, compared)
    thresholds = _thresholds(run.names, None if control == "shuffled" else controls)
    units["tuned"] = _verdicts(units, thresholds)
    meta = made_from(prepared.model, run.layers) | {
        "stimuli": stimuli.describe(),
        "preset": preset,
        "pooling": rules.pool,
        "reduce": reduce,
        "tokens": tokens,
        "signed": signed,
        "signed_layers": [name for name in run.names if run.signed[name]],
        "control": type(control).__name__ if isinstance(control, nn.Module) else control,
        "permutations": permutations,
        "seed": seed,
        "definitions": _definitions(rules, thresholds),
    }
    return Tuning(units[list(COLUMNS)], experiment.curves(run), meta, controls)


@dataclass(frozen=True, eq=False)
class _Run:
    """What one network gave to the stimuli."""

    layers: list[Layer]
    responses: Responses
    signed: Mapping[str, bool]

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.layers]

    def cubes(self) -> Iterator[tuple[Layer, NDArray[np.float32]]]:
        """Yield each layer with its responses (units, frequencies, orientations, phases)."""
        for layer, units in zip(self.layers, self.responses.layers, strict=True):
            yield layer, self.responses.cube[units]

    def shuffled(self, seed: int) -> _Run:
        """Return the same with all images permuted once; the blank stays."""
        cube = self.responses.cube
        flat = cube.reshape(len(cube), -1)
        order = np.random.default_rng(seed).permutation(flat.shape[1])
        return replace(self, responses=replace(self.responses, cube=flat[:, order].reshape(cube.shape)))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Experiment:
    """Stimuli, and how responses to them are read: the same for a network and its control."""

    stimuli: StimulusSet
    readout: Readout
    rules: Rules
    clip: bool  # clip negative values, else give their layers no indices
    batch_size: int
    unit_axis: Mapping[str, int] | None
    progress: bool

    def run(self, prepared: Preparation, layers: str | Sequence[str] | None) -> _Run:
        """Show all stimuli and the blank, and record."""
        rectifier, total = Rectifier(clip=self.clip), len(self.stimuli) + 1
        kept = Kept(total)
        found = observe(
            prepared,
            self.batches(prepared.device),
            layers,
            [kept],
            self.readout,
            unit_axis=self.unit_axis,
            rectifier=rectifier,
            total=total,
            progress=self.progress,
        )
        return _Run(found, self._responses(found, kept), {layer.name: rectifier.is_signed(layer) for layer in found})

    def own_control(self, prepared: Preparation, run: _Run, control: str | None, seed: int) -> _Run | None:
        """Run the control that is made from the network itself."""
        if control == "shuffled":
            return run.shuffled(seed)
        if control is None:
            return None
        fresh = replace(prepared, model=untrained(prepared.model, seed).eval())
        several = replace(self, batch_size=max(self.batch_size, 2))  # a single image has no variance
        with fresh.precision():
            calibrate(fresh.model, (fresh.prepared(batch.images) for batch in several.batches(prepared.device)))
        return self.run(fresh, run.names)

    def table(self, run: _Run, *, permutations: int, seed: int) -> pd.DataFrame:
        """Return the unit table, all but the verdict."""
        import pandas as pd

        signed = "rectified" if self.clip else "signed"
        status = np.repeat(
            np.array([signed if run.signed[layer.name] else "ok" for layer in run.layers], dtype=object),
            [layer.units for layer in run.layers],
        )
        columns = unit_columns(run.responses, self.rules, status=status, permutations=permutations, seed=seed)
        return pd.DataFrame(columns, index=unit_index({layer.name: layer.units for layer in run.layers}))

    def control_table(self, run: _Run, compared: _Run | None) -> pd.DataFrame | None:
        """Return the control's unit table, with no test and no verdict of its own."""
        import pandas as pd

        if compared is None:
            return None
        for one, other in zip(run.layers, compared.layers, strict=True):
            if one.units != other.units:
                raise ValueError(
                    f"a control needs the same layers: {one.name!r} has {one.units} units, the control's {other.units}"
                )
        table = self.table(compared, permutations=0, seed=0)
        table["tuned"] = pd.array([None] * len(table), dtype="boolean")
        return table[list(COLUMNS)]

    def curves(self, run: _Run) -> dict[str, xr.DataArray]:
        """Return the labelled responses, layer by layer: (unit, frequency, orientation, phase)."""
        import xarray as xr

        axes = self.stimuli.axes

        @cache  # to index the same coordinates for each layer anew would take longer than a small network's pass
        def template(units: int) -> xr.DataArray:
            values = np.empty((units, *self.stimuli.shape), np.float32)
            return xr.DataArray(values, dims=("unit", *axes), coords={"unit": np.arange(units), **axes})

        return {
            layer.name: template(layer.units).copy(deep=False, data=cube).rename(layer.name)
            for layer, cube in run.cubes()
        }

    def batches(self, device: torch.device) -> Iterator[Batch]:
        """Return the images and, at the end of the last batch, the blank."""
        images = self.stimuli.batches(self.batch_size, device)
        blank, last = self.stimuli.blank[None].to(device), (len(self.stimuli) - 1) // self.batch_size

        def batch(drawn: Tensor, number: int) -> Batch:
            drawn = torch.cat([drawn, blank]) if number == last else drawn
            return Batch(drawn, None, torch.arange(len(drawn)))

        return map(batch, images, count())  # where a loop would hold on to each batch while the network runs

    def _responses(self, found: Sequence[Layer], kept: Kept) -> Responses:
        units = [layer.units for layer in found]
        ends = np.cumsum(units)
        flat = np.empty((ends[-1], len(self.stimuli) + 1), np.float32)
        layers = tuple(slice(end - count, end) for end, count in zip(ends, units, strict=True))
        for layer, place in zip(found, layers, strict=True):
            flat[place] = kept.responses(layer).T
        one_place = [prod(self.readout.grid(layer)) == 1 for layer in found]
        return Responses(
            cube=np.ascontiguousarray(flat[:, :-1]).reshape(-1, *self.stimuli.shape),
            blank=flat[:, -1],
            frequencies=self.stimuli.axes["frequency"],
            orientations=self.stimuli.axes["orientation"],
            phases=self.stimuli.axes["phase"],
            layers=layers,
            one_place=np.repeat(one_place, units),
        )


def _thresholds(names: Sequence[str], controls: pd.DataFrame | None) -> dict[str, float]:
    """Return the gosi above which a layer's significant units are tuned: the control's 95th percentile, or 0.33."""
    if controls is None:
        return dict.fromkeys(names, SELECTIVE)
    percentiles = controls.gosi.groupby(level="layer").quantile(_CONTROL_PERCENTILE / 100)
    return {name: float(percentiles.fillna(SELECTIVE)[name]) for name in names}


def _verdicts(units: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.arrays.BooleanArray:
    """Say which units are tuned: q < 0.05 and gosi above the layer's threshold; missing where q is."""
    import pandas as pd

    levels = units.index.get_level_values("layer").map(thresholds).to_numpy(dtype=float)
    q = units.q_value.to_numpy()
    return pd.arrays.BooleanArray((q < SIGNIFICANT_Q) & (units.gosi.to_numpy() > levels), np.isnan(q))


def _definitions(rules: Rules, thresholds: Mapping[str, float]) -> dict[str, Any]:
    return {
        "orientation": "long axis of the stripes, degrees counter-clockwise from horizontal",
        "curve": f"{rules.pool} over phase, at the frequency of the largest response",
        "unresponsive": "no response at all; gosi = osi = 0"
        if rules.unresponsive_is_zero
        else "no response, or a peak below 1% of the layer's median peak; no indices",
        "bandwidth": f"half width at {rules.bandwidth}, degrees",
        "f1_f0": "center read-outs, linear layers and 1x1 maps only: a mean over places averages phase away",
        "p_value": "orientations permuted within each phase; says that their order matters, not that a unit is tuned",
        "tuned": f"q_value < {SIGNIFICANT_Q} and gosi above the layer's threshold",
        "tuned_thresholds": dict(thresholds),
    }


def _check(preset: str | None, reduce: str, signed: str, control: Any, permutations: int, seed: int) -> None:
    one_of("preset", preset, tuple(PRESETS))
    one_of("reduce", reduce, ("mean", "max", "center"))
    one_of("signed", signed, ("rectify", "nan"))
    if not isinstance(control, nn.Module):
        one_of("control, if it is no network,", control, (None, "untrained", "shuffled"))
    whole_number("permutations", permutations)
    whole_number("seed", seed)


def _check_stimuli(stimuli: Any) -> None:
    if not isinstance(stimuli, StimulusSet):
        raise TypeError(
            f"stimuli must be a set from neuroprobe.stimuli (gratings(size)); {type(stimuli).__name__} came"
        )
    if tuple(stimuli.axes) != GRATING_AXES:
        raise ValueError(f"stimuli must vary in {', '.join(GRATING_AXES)}; these vary in {', '.join(stimuli.axes)}")
    orientations = np.asarray(stimuli.axes["orientation"])
    if len(orientations) < 3 or not np.allclose(
        np.diff(orientations, append=orientations[0] + 180), 180 / len(orientations)
    ):
        raise ValueError(
            "orientations must be at least 3, evenly spaced over 180 degrees, so that a flat curve has gosi 0; "
            f"{orientations.tolist()} came"
        )

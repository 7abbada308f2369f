"""Orientation tuning of every unit of a network, from its responses to gratings, bars or any others that turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from neuroprobe.analysis.presentation import Presentation, Run
from neuroprobe.analysis.tuning import PRESETS, Rules, unit_columns
from neuroprobe.data import suggested_batch
from neuroprobe.distributed import together
from neuroprobe.models import random_state_kept, unwrap
from neuroprobe.networks.expected import expected_input, image_shape
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.provenance import made_from
from neuroprobe.readout import Readout, Tokens, one_of, whole_number
from neuroprobe.results import SELECTIVE, Tuning, unit_index
from neuroprobe.stimuli import StimulusSet, gratings

if TYPE_CHECKING:
    import pandas as pd

Stimuli = StimulusSet | Callable[[tuple[int, int, int]], StimulusSet]

COLUMNS = (
    "gosi", "osi", "opr", "preferred_orientation", "preferred_frequency", "bandwidth", "fit_r2", "orientation_range",
    "f1_f0", "peak_response", "blank_response", "gosi_blank", "p_value", "q_value", "tuned", "fit_trough",
    "fit_amplitude", "fit_concentration", "fit_preferred", "status",
)  # fmt: skip
_PREFERENCES = COLUMNS.index("preferred_frequency")
SIGNIFICANT_Q = 0.05
_CONTROL_PERCENTILE = 95


@together
def orientation(
    model: nn.Module,
    layers: str | Sequence[str] | None = None,
    stimuli: Stimuli | None = None,
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
    """Measure the orientation tuning of every unit: indices, a fit, and what chance would give.

    A curve is taken at the condition (of gratings and Gabor patches the frequency and position, of bars the width and
    length) of the unit's largest response, and pooled over repeats (of gratings and Gabor patches the phases, of bars
    the positions and polarities).

    Example:
        >>> import neuroprobe
        >>> tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu1", "relu2"])
        >>> round(float(tuning.units.loc["relu1"].gosi.median()), 2)
        0.2
        >>> list(tuning.summary().index)
        ['relu1', 'relu2']
        >>> bars = neuroprobe.stimuli.bars(32, widths=[2, 4])
        >>> neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu1"], bars).curves["relu1"].dims
        ('unit', 'orientation', 'width', 'length', 'position', 'polarity')

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        layers: names, globs, or None for the outputs of all non-linearities.
        stimuli: a set from ``neuroprobe.stimuli`` that varies in orientation; or a function that makes one of a size
            (C, H, W), as ``neuroprobe.stimuli.bars`` does; None for the default gratings, or the preset's.
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
        ``preferred_frequency`` (cycles/pixel; NaN without frequencies), for bars ``preferred_width`` and
        ``preferred_length`` (pixels), for patches in several places ``preferred_x`` and ``preferred_y`` (pixels),
        ``tuned``, ``status`` and more; ``.curves[layer]`` (unit, and the axes of the stimuli: frequency, orientation,
        phase); ``.summary()``, ``.top(layer)``, ``.plot()``, ``.save(path)``.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit; RuntimeError: if the forward pass raises.

    Source: indices as in Ringach et al. (2002), Mazurek et al. (2014) and Ukita (2020).
    """
    _check(preset, reduce, signed, control, permutations, seed)
    rules = PRESETS[preset]
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    stimuli = partial(gratings, preset=rules.stimuli) if stimuli is None else stimuli
    shown = stimuli_for(prepared, stimuli, input_size)
    presentation = Presentation(
        stimuli=shown,
        readout=Readout(reduce, tokens),
        clip=signed == "rectify",
        batch_size=suggested_batch(*shown.size[1:]) if batch_size is None else batch_size,
        unit_axis=unit_axis,
        progress=progress,
    )
    run = presentation.run(prepared, layers)
    units = _table(run, rules, signed, permutations=permutations, seed=seed)
    if isinstance(control, nn.Module):
        unknown = preprocess == "auto" and expected_input(unwrap(control)) is None  # then it sees what the network sees
        other = prepare(control, preprocess=prepared.preprocess if unknown else preprocess, device=device, dtype=dtype)
        compared: Run | None = presentation.run(other, run.names)
    elif control == "untrained":
        compared = presentation.untrained(prepared, run.names, seed)
    else:
        compared = run.shuffled(seed) if control == "shuffled" else None
    controls = None if compared is None else _control_table(run, compared, rules, signed)
    thresholds = _thresholds(run.names, None if control == "shuffled" else controls)
    units["tuned"] = _verdicts(units, thresholds)
    with random_state_kept(prepared.device):  # a user's own are drawn again for it, and may draw random numbers
        description = shown.describe()
    meta = made_from(prepared.model, run.layers) | {
        "stimuli": description,
        "preset": preset,
        "pooling": rules.pool,
        "reduce": reduce,
        "tokens": tokens,
        "signed": signed,
        "signed_layers": [name for name in run.names if run.signed[name]],
        "control": type(control).__name__ if isinstance(control, nn.Module) else control,
        "permutations": permutations,
        "seed": seed,
        "definitions": _definitions(rules, shown) | {"tuned_thresholds": thresholds},
    }
    return Tuning(units, run.curves(), meta, controls)


def _table(run: Run, rules: Rules, signed: str, *, permutations: int, seed: int) -> pd.DataFrame:
    """Return the unit table, with no verdicts yet."""
    import pandas as pd

    if_signed = "rectified" if signed == "rectify" else "signed"
    status = np.repeat(
        np.array([if_signed if run.signed[layer.name] else "ok" for layer in run.layers], dtype=object),
        [layer.units for layer in run.layers],
    )
    found = unit_columns(run.responses(), rules, status=status, permutations=permutations, seed=seed)
    found["tuned"] = pd.array([None] * len(status), dtype="boolean")
    first, last = COLUMNS[: _PREFERENCES + 1], COLUMNS[_PREFERENCES + 1 :]
    further = [name for name in found if name not in COLUMNS]  # what else a unit can prefer stands by the frequency
    index = unit_index({layer.name: layer.units for layer in run.layers})
    return pd.DataFrame({name: found[name] for name in (*first, *further, *last)}, index=index)


def _control_table(run: Run, compared: Run, rules: Rules, signed: str) -> pd.DataFrame:
    """Return the control's unit table, with no test and no verdict of its own."""
    for one, other in zip(run.layers, compared.layers, strict=True):
        if one.units != other.units:
            raise ValueError(
                f"a control needs the same layers: {one.name!r} has {one.units} units, the control's {other.units}"
            )
    return _table(compared, rules, signed, permutations=0, seed=0)


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


def _definitions(rules: Rules, stimuli: StimulusSet) -> dict[str, Any]:
    pooled, searched = (" and ".join(names) for names in (stimuli.pooled, stimuli.searched))
    return {
        "orientation": "long axis of stripes or bars, degrees counter-clockwise from horizontal",
        "curve": (f"{rules.pool} over {pooled}" if pooled else "responses as they are")
        + (f", at the {searched} of the largest response" if searched else ""),
        "gosi": "|sum r e^(2 i theta)| / sum |r|, which is 1 minus the circular variance",
        "unresponsive": "no response at all; gosi = osi = 0"
        if rules.unresponsive_is_zero
        else "no response, or a peak below 1% of the layer's median peak; no indices",
        "bandwidth": f"half width at {rules.bandwidth}, degrees"
        + (
            "; 44.3, that of the broadest curve fitted, stands for all broader"
            if "half height" in rules.bandwidth
            else ""
        ),
        "f1_f0": "center read-outs, linear layers and 1x1 maps only: a mean over places averages phase away"
        if stimuli.pooled == ("phase",)
        else f"none: it is read over phase, and these {stimuli.kind} are pooled over {pooled or 'nothing'}",
        "p_value": f"orientations permuted within each {pooled or 'condition'}; says that their order matters, "
        "not that a unit is tuned",
        "tuned": f"q_value < {SIGNIFICANT_Q} and gosi above the layer's threshold",
    }


def _check(preset: str | None, reduce: str, signed: str, control: Any, permutations: int, seed: int) -> None:
    one_of("preset", preset, tuple(PRESETS))
    one_of("reduce", reduce, ("mean", "max", "center"))
    one_of("signed", signed, ("rectify", "nan"))
    if not isinstance(control, nn.Module):
        one_of("control, if it is no network,", control, (None, "untrained", "shuffled"))
    whole_number("permutations", permutations)
    whole_number("seed", seed)


def stimuli_for(prepared: Preparation, stimuli: Stimuli, input_size: int | tuple[int, ...] | None) -> StimulusSet:
    """Return the stimuli to show, made to the network's size where a function makes them."""
    if isinstance(stimuli, StimulusSet) and input_size is not None:
        raise ValueError(f"stimuli bring their own size: leave out input_size ({input_size!r} came), or the stimuli")
    if callable(stimuli):
        stimuli = stimuli(image_shape(input_size, prepared.expected, prepared.model))
    if not isinstance(stimuli, StimulusSet):
        raise TypeError(
            f"stimuli must be a set from neuroprobe.stimuli (gratings(size)); {type(stimuli).__name__} came"
        )
    _check_orientations(stimuli)
    return stimuli


def _check_orientations(stimuli: StimulusSet) -> None:
    if "orientation" not in stimuli.axes:
        raise ValueError(f"stimuli must vary in orientation; these vary in {', '.join(stimuli.axes)}")
    orientations = np.asarray(stimuli.axes["orientation"])
    if len(orientations) < 3 or not np.allclose(
        np.diff(orientations, append=orientations[0] + 180), 180 / len(orientations)
    ):
        raise ValueError(
            "orientations must be at least 3, evenly spaced over 180 degrees, so that a flat curve has gosi 0; "
            f"{orientations.tolist()} came"
        )

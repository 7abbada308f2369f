"""Class selectivity of every unit of a network, from its responses to labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Literal

import numpy as np
import torch
from torch import nn

from neuroprobe.analysis.class_columns import PRESETS, Measured
from neuroprobe.analysis.class_halves import ClassTally, Halves, Labelling
from neuroprobe.data import Data
from neuroprobe.distributed import together
from neuroprobe.observing import observe
from neuroprobe.preparation import Preprocess, prepare
from neuroprobe.provenance import made_from
from neuroprobe.readout import Readout, Rectifier, Tokens, one_of, whole_number
from neuroprobe.results import ClassSelectivity
from neuroprobe.saying import say_once
from neuroprobe.side_by_side import SideBySide
from neuroprobe.spool import Spool


@together
def class_selectivity(
    model: nn.Module,
    data: Data,
    layers: str | Sequence[str] | None = None,
    *,
    preset: str | None = None,
    reduce: Literal["mean", "max", "center"] = "mean",
    signed: Literal["rectify", "nan"] = "rectify",
    permutations: int = 200,
    seed: int = 0,
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
) -> ClassSelectivity:
    """Measure the class selectivity of every unit in one pass over labelled images: indices, and what chance gives.

    Few images inflate ``si``: compare it only at equal numbers of images a class, and beside ``si_cv`` and ``si_null``.

    Example:
        >>> import torch, neuroprobe
        >>> _ = torch.manual_seed(0)
        >>> images, labels = torch.rand(60, 3, 32, 32), torch.arange(60) % 3
        >>> classes = neuroprobe.class_selectivity(neuroprobe.load_network("cnn7"), (images, labels), ["relu7"])
        >>> classes.curves["relu7"].shape
        (512, 3)
        >>> classes.summary().reading.item()  # of noise
        'largely chance'

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        data: images in [0, 1] with class indices: tensors, a Dataset, a DataLoader or a folder with one for each class.
        layers: names, globs, or None for the outputs of all non-linearities.
        preset: ``"leavitt2020"``, ``"morcos2018"`` or ``"ranadive2023"``: eps and dead rule of that paper.
        reduce: how a map becomes one response: its ``"mean"``, ``"max"`` or ``"center"``.
        signed: what becomes of layers with values below 0: ``"rectify"`` clips them, ``"nan"`` gives no indices.
        permutations: of labels, for ``si_null`` and ``p_value``; 0 also leaves out ``auroc`` and
            ``mutual_information``, which need every response, and then nothing is put on disk.
        seed: of the permutations.
        input_size: side, (H, W) or (C, H, W) in pixels, that a folder's photographs are scaled and cut to; None for
            the network's own where that is known, else they stay as they are.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images in [0, 1].
        batch_size: None for one that suits the image size.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.

    Returns:
        A ``ClassSelectivity``: ``.units`` with ``si``, ``si_cv``, ``si_null``, ``margin``, ``eta_squared``, ``auroc``,
        ``sparseness`` (0 to 1), ``mutual_information`` (bits), ``preferred_class``, ``d_prime``, ``status`` and more;
        ``.curves[layer]`` the class means (unit, class), response units; ``.summary()``, ``.plot()``, ``.save(path)``.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit; RuntimeError: if the forward pass raises;
        OSError: if the temporary folder has no room for the responses.

    Source: Morcos et al. (2018); Leavitt and Morcos (2020); Ranadive et al. (2023).
    """
    _check(preset, reduce, signed, permutations, seed)
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    images = prepared.open(data, batch_size=batch_size, input_size=input_size).shared()
    labelling, tally = Labelling(), ClassTally()
    rectifier = Rectifier(clip=signed == "rectify")
    with Spool() if permutations else nullcontext() as spool:
        joined = SideBySide(tally) if spool is None else SideBySide(tally, spool)
        found = observe(
            prepared,
            map(labelling.with_halves, images),
            layers,
            [joined],
            Readout(reduce, tokens),
            unit_axis=unit_axis,
            rectifier=rectifier,
            total=images.count,
            progress=progress,
            on_output=joined.complete,
            maps=False,
        )
        halves, rectifier, labels = images.pooled((Halves.of(tally.state), rectifier, [labelling.labels]))
        signed_layers = [layer.name for layer in found if rectifier.is_signed(layer)]
        classes = _classes(images.classes, len(halves.images))
        measured = Measured(found, halves, signed_layers, PRESETS[preset], clip=signed == "rectify")
        columns = measured.from_moments()
        if spool is not None:
            responses = spool.blocks(images.part)
            columns |= measured.from_responses(
                responses, np.concatenate(labels), columns, permutations=permutations, seed=seed
            )
    meta = made_from(prepared.model, found) | {
        "data": images.source,
        "classes": images.classes,
        "images_per_class": np.pad(halves.images, (0, len(classes) - len(halves.images))),
        "preset": preset,
        "reduce": reduce,
        "tokens": tokens,
        "signed": signed,
        "signed_layers": signed_layers,
        "permutations": permutations,
        "seed": seed,
        "definitions": PRESETS[preset].definitions(),
    }
    result = ClassSelectivity(measured.table(columns), measured.curves(classes), meta)
    if (measured.status == "too_few").all():
        say_once(result.caution)
    return result


def _classes(names: tuple[str, ...] | None, labels: int) -> Sequence[int] | Sequence[str]:
    """Return the names of the classes, or their numbers."""
    if names is None:
        return range(labels)
    if labels > len(names):
        raise ValueError(f"the data name {len(names)} classes ({', '.join(names)}); label {labels - 1} came")
    return names


def _check(preset: str | None, reduce: str, signed: str, permutations: int, seed: int) -> None:
    one_of("preset", preset, tuple(PRESETS))
    one_of("reduce", reduce, ("mean", "max", "center"))
    one_of("signed", signed, ("rectify", "nan"))
    whole_number("permutations", permutations)
    whole_number("seed", seed)

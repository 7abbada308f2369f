"""Training by recipes, with selectivity pushed up or down; killed anywhere, the same call goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from neuroprobe.digests import described, lasting_repr
from neuroprobe.models import random_state_kept, unwrap
from neuroprobe.networks.expected import Expected, expected_input, network_name, note_expected
from neuroprobe.networks.loading import load_weights
from neuroprobe.readout import whole_number
from neuroprobe.results.training_run import TrainingRun
from neuroprobe.saying import say_once
from neuroprobe.training.alpha import Alpha
from neuroprobe.training.architectures import ARCHITECTURES
from neuroprobe.training.dials import Dials
from neuroprobe.training.photographs import Photographs, TrainingData, read_photographs, to_be_learned
from neuroprobe.training.plan import planned
from neuroprobe.training.recipes import DEFAULT, Recipe, recipe_named
from neuroprobe.training.run_folder import RunFolder

if TYPE_CHECKING:
    from lightning.pytorch import Callback

Layers = str | Sequence[str] | None


def train(
    network: str | nn.Module,
    data: TrainingData,
    *,
    out: str | Path,
    alpha: Alpha = 0.0,
    orientation_alpha: Alpha = 0.0,
    layers: Layers = None,
    orientation_layers: Layers = None,
    recipe: Recipe | str | None = None,
    images: int | None = None,
    corrupted: float = 0.0,
    validation: float | None = None,
    patience: int | None = None,
    track: Callback | Sequence[Callback] = (),
    keep_every: int = 0,
    seed: int = 0,
    trainer: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> TrainingRun:
    """Train a network by a recipe, with class or orientation selectivity pushed up or down.

    Killed anywhere, the same call goes on after the last whole epoch and, on a CPU, ends with the same weights as if
    nothing had happened: order, augmentation and dropout are drawn by the seed, the epoch and the photograph's number.
    A finished training is loaded; one by other options is refused with what differs. Lightning does the loop.

    Example:
        >>> import tempfile, torch, neuroprobe
        >>> from dataclasses import replace
        >>> from neuroprobe.training.recipes import RECIPES
        >>> images, labels = torch.rand(64, 3, 32, 32), torch.arange(64) % 2
        >>> data = {"train": (images, labels), "test": (images, labels)}
        >>> quick = replace(RECIPES["cnn7"], epochs=2, batch_size=32)
        >>> with tempfile.TemporaryDirectory() as out:
        ...     run = neuroprobe.train("cnn7", data, out=out, recipe=quick, alpha=-1, progress=False)
        >>> run.history.columns.to_list()
        ['train_loss', 'val_loss', 'val_accuracy', 'si', 'gosi', 'alpha', 'orientation_alpha', 'lr']
        >>> neuroprobe.layers(run.network).name[0]  # of the CPU, in eval mode, as any network that is loaded
        'conv1'

    Args:
        network: a recipe's name (``"cnn7"``, ``"cnn7-ukita"``, ``"resnet20"``, ``"resnet18"``, ``"vgg16_bn"``), built
            anew; or a network of the user's own, of which a copy is trained.
        data: a folder with train/ and test/ (and val/), each with a sub-folder a class; or ``{"train": (images,
            labels), "test": ...}``: images (N, C, H, W), uint8 or in [0, 1]. All of them are held in memory.
        out: the folder of the training.
        alpha: strength of the :class:`SelectivityPenalty` on ``layers``: a number, or a schedule over epochs.
        orientation_alpha: the same of the :class:`OrientationPenalty` on ``orientation_layers``.
        layers: names, globs, or None for the outputs of all non-linearities.
        orientation_layers: the same.
        recipe: None for the network's own (cnn7's for a user's network), a name, or a variant.
        images: learn only the first so many photographs, classes in turn.
        corrupted: share of the labels to learn that are replaced by another class's, the same ones all along.
        validation: share of the photographs to learn that is held out where there is no val/; None for the recipe's.
        patience: stop after so many epochs without a smaller validation loss; None for never.
        track: a :class:`UnitTracker`, or any callbacks of Lightning's with one of these at most.
        keep_every: keep the weights after every so many epochs, and before the first, in ``epochs/``; 0 for none.
        seed: of the initial weights and of all that is drawn.
        trainer: options for Lightning's Trainer: ``{"accelerator": "gpu", "devices": 2, "precision": "bf16-mixed"}``;
            one device without. A batch is shared out among devices.
        progress: show progress bars.

    Raises:
        ImportError: where Lightning is not installed.
        FileExistsError: if something else is in the folder; BlockingIOError: if another process is at it.
        ValueError, TypeError, FileNotFoundError: for input that does not fit.
        RuntimeError: if the loss is no longer finite; it names the layer, and the last whole epoch is kept.
        OSError: if the disk is full; what was on it stays.
    """
    require_lightning()
    from neuroprobe.training.fitting import Fitting, settings_kept
    from neuroprobe.training.keeping import checked_callbacks

    whole_number("seed", seed)
    whole_number("keep_every", keep_every)
    recipe = _recipe(network, recipe, validation)
    callbacks = checked_callbacks(track)
    dials = Dials(alpha, orientation_alpha, layers, orientation_layers)
    asked = described({
        "images": images, "corrupted": corrupted, "patience": patience, "seed": seed, "trainer": trainer or {},
        "track": [lasting_repr(callback) for callback in callbacks],
    })  # fmt: skip
    with torch.inference_mode(mode=False), random_state_kept(_drawing()), settings_kept():
        sets = photographs_for(network, data, recipe, images=images, progress=progress)
        sets = to_be_learned(sets, validation=recipe.validation, corrupted=corrupted, seed=seed)
        _check_patience(patience, validates="val" in sets)
        plan = planned(*_built(network, recipe, len(sets["train"].classes), seed), sets, recipe)
        folder = RunFolder(out)
        fitting = Fitting(
            plan, dials, folder, seed=seed, callbacks=callbacks, patience=patience, keep_every=keep_every,
            options=trainer or {}, progress=progress,
        )  # fmt: skip
        with folder.locked(by_first=fitting.is_first):
            if fitting.is_first:
                folder.begin(plan.made_from | dials.described() | asked)
            if folder.is_finished:
                _say_if_not_kept(folder, keep_every)
            else:
                fitting.run()
        return load_run(folder.place, plan.network.float())  # whatever it was trained in


def load_run(folder: str | Path, network: nn.Module | None = None) -> TrainingRun:
    """Load a finished training.

    Args:
        folder: where it lies.
        network: one of its architecture, which takes its weights; None for a recipe's own.

    Raises:
        FileNotFoundError: if there is no finished training; ValueError: if the network is of another architecture.
    """
    from neuroprobe.results import load

    run = RunFolder(folder)
    made_from = run.read_options()
    if not run.is_finished:
        raise FileNotFoundError(f"the training in {folder} is not finished: call neuroprobe.train as before to go on")
    if network is None:
        if made_from["network"] not in ARCHITECTURES:
            raise ValueError(f"{folder} holds a {made_from['network']}, not one of ours: give network=, one like it")
        network = ARCHITECTURES[made_from["network"]].build(len(made_from["classes"]))
    load_weights(network, run.weights).eval()
    note_expected(
        network, made_from["network"], Expected(*(tuple(made_from[part]) for part in ("size", "mean", "std")))
    )
    facts = run.read_facts()
    return TrainingRun(
        network=network,
        history=run.read_metrics(),
        test={name: float(facts[f"test_{name}"]) for name in ("loss", "accuracy")},
        meta=made_from | {"epoch": int(facts["epoch"])},
        folder=run.place,
        development=load(run.development) if run.development.is_dir() else None,  # type: ignore[arg-type]
    )


def photographs_for(
    network: str | nn.Module, data: TrainingData, recipe: Recipe | str | None, *, images: int | None, progress: bool
) -> dict[str, Photographs]:
    """Read what :func:`train` takes as data, of the network's size: for several trainings it need be done once only."""
    size = _size(network, _recipe(network, recipe, None))
    return read_photographs(data, size, images=images, progress=progress)


def require_lightning() -> None:
    """Raise where Lightning is not installed."""
    try:
        import lightning.pytorch  # noqa: F401
    except ImportError as error:
        raise ImportError('training needs Lightning: pip install "neuroprobe[train]"') from error


def _drawing() -> torch.device:
    """Return the device whose random state a training would change, beside the CPU's."""
    return torch.device("cuda" if torch.cuda.is_initialized() else "cpu")


def _recipe(network: str | nn.Module, recipe: Recipe | str | None, validation: float | None) -> Recipe:
    if isinstance(recipe, str):
        recipe = recipe_named(recipe)
    if not isinstance(recipe, Recipe | None):
        raise TypeError(
            f"recipe must be a Recipe, the name of one, or None; {type(recipe).__name__} came: make a variant, as "
            'dataclasses.replace(RECIPES["cnn7"], epochs=8) does'
        )
    if isinstance(network, str):
        own = recipe_named(network)
        recipe = own if recipe is None else replace(recipe, network=own.network)
    recipe = recipe or recipe_named(DEFAULT)
    return recipe if validation is None else replace(recipe, validation=validation)


def _size(network: str | nn.Module, recipe: Recipe) -> tuple[int, int, int] | None:
    """Return what photographs of a folder are scaled to."""
    if isinstance(network, str):
        return ARCHITECTURES[recipe.network].size
    expected = expected_input(unwrap(network))
    return expected.size if expected else None


def _built(network: str | nn.Module, recipe: Recipe, classes: int, seed: int) -> tuple[nn.Module, str]:
    """Return a fresh network, or a copy of the user's, and its name."""
    if isinstance(network, str):
        torch.manual_seed(seed)
        return ARCHITECTURES[recipe.network].build(classes), recipe.network
    return deepcopy(unwrap(network)), network_name(unwrap(network))


def _say_if_not_kept(folder: RunFolder, keep_every: int) -> None:
    if keep_every and not folder.epoch(0).is_file():
        say_once(
            f"keep_every={keep_every}: the training in {folder.place} was finished without, and its weights after each "
            "epoch are gone; another folder for out= keeps them"
        )


def _check_patience(patience: int | None, *, validates: bool) -> None:
    if patience is None:
        return
    whole_number("patience", patience, least=1)
    if not validates:
        raise ValueError(
            f"patience={patience} looks at a validation set, and there is none: give validation=0.1, or a folder val/"
        )

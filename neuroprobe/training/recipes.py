"""How networks are trained: recipes by name, with what is only recalled of a paper marked as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from numbers import Real
from types import MappingProxyType
from typing import Literal, get_args

from neuroprobe.readout import one_of, whole_number
from neuroprobe.results.base import named

Optimiser = Literal["sgd", "adam", "adamw"]
Schedule = Literal["constant", "steps", "one-cycle", "cosine"]
Border = Literal["edge", "zero"]
DEFAULT = "cnn7"  # the recipe of a user's own network


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; :func:`dataclasses.replace` makes a variant.

    Example:
        >>> from dataclasses import replace
        >>> replace(RECIPES["cnn7"], epochs=8).epochs
        8
        >>> "batch_size" in RECIPES["resnet20"].recalled  # the paper's, as we recall
        True

    Attributes:
        network: The architecture that a recipe's name stands for.
        schedule: Of the learning rate: constant; times ``gamma`` after each of ``milestones`` (epochs); one cycle up to
            ``lr`` and down; or a half cosine from ``lr`` to 0.
        max_shift: Pixels by which a photograph is moved at most, both ways on x and y; what comes in at its ``border``
            repeats the edge, or is black.
        validation: Share of the training photographs that is held out where the data bring no validation set.
        source: Whose recipe it is.
        recalled: The values that are the source's as we recall, and not read in it.
    """

    network: str
    epochs: int
    batch_size: int
    lr: float
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    max_shift: int = 0
    border: Border = "edge"
    flip: bool = False
    validation: float = 0.0
    source: str = "the user's own"
    recalled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check each value.

        Raises:
            ValueError: if one is out of its range, or none of the choices.
        """
        for what, known in (("optimiser", Optimiser), ("schedule", Schedule), ("border", Border)):
            one_of(what, getattr(self, what), get_args(known))
        for what, least in (("epochs", 1), ("batch_size", 1), ("max_shift", 0)):
            whole_number(what, getattr(self, what), least)
        for what, below in (("lr", inf), ("momentum", 1), ("weight_decay", inf), ("gamma", inf), ("validation", 1)):
            _in_range(what, getattr(self, what), below)
        for milestone in self.milestones:
            whole_number("each of milestones", milestone, 1)
        if sorted(self.milestones) != list(self.milestones):
            raise ValueError(f"milestones must ascend; {self.milestones} came")


def recipe_named(name: str) -> Recipe:
    """Return the recipe of a name; an unknown one lists the nearest."""
    return RECIPES[named("recipe", name, RECIPES)]


def _in_range(what: str, value: object, below: float) -> None:
    if not isinstance(value, Real) or not 0 <= float(value) < below:  # NaN is not either
        wanted = "finite and at least 0" if below == inf else f"at least 0 and below {below:g}"
        raise ValueError(f"{what} must be {wanted}; {value!r} came")


_LEAVITT = Recipe(
    "resnet20", epochs=200, batch_size=256, lr=0.1, weight_decay=1e-4, schedule="steps", milestones=(100, 150),
    max_shift=4, border="zero", flip=True, validation=0.1,
    source="Leavitt and Morcos, Selectivity considered harmful (2020)",
    recalled=(
        "epochs", "batch_size", "lr", "optimiser", "momentum", "weight_decay", "schedule", "milestones", "gamma",
        "max_shift", "border", "flip",
    ),
)  # fmt: skip

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "cnn7": Recipe(
            "cnn7", epochs=40, batch_size=128, lr=2e-3, optimiser="adamw", weight_decay=1e-2, schedule="one-cycle",
            max_shift=3, flip=True, source="ours, made for two CPU cores",
        ),
        # as in the authors' code; there the mean is taken off pixel by pixel, and nothing is divided
        "cnn7-ukita": Recipe(
            "cnn7", epochs=200, batch_size=32, lr=1e-3, optimiser="adam", max_shift=3, flip=True, validation=0.2,
            source="Ukita, Neural Networks 125 (2020) 185-193",
        ),
        "resnet20": _LEAVITT,
        "vgg16_bn": replace(_LEAVITT, network="vgg16_bn"),
        "resnet18": replace(_LEAVITT, network="resnet18", epochs=90, batch_size=4096, milestones=(35, 50, 65, 80)),
    }
)  # fmt: skip

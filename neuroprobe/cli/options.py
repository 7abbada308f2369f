"""The options that several commands share."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Preprocess(StrEnum):
    """What is done to images before the network sees them."""

    AUTO = "auto"
    NONE = "none"

    @property
    def value_in_python(self) -> str | None:
        """The argument of the same meaning in Python: ``"auto"`` or None."""
        return None if self is Preprocess.NONE else "auto"


def size_of_images(text: str) -> int | tuple[int, ...]:
    """Return a side, (H, W) or (C, H, W), written as 32, 48x64 or 3x48x64."""
    lengths = tuple(map(int, re.findall(r"\d+", text)))
    if not re.fullmatch(r"\(?\d+(?:\s*[x,]\s*\d+){0,2}\)?", text):
        raise typer.BadParameter(f"a side (32), 48x64 or 3x48x64 is wanted; {text!r} came")
    return lengths if len(lengths) > 1 else lengths[0]


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="cnn7, resnet20, a torchvision model (vgg16), timm:NAME, file.py:function or package.module:function.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="A checkpoint (safetensors or state_dict), or 'none' for random weights; without it, the default."
    ),
]
Data = Annotated[Path, typer.Option(help="A folder of photographs, one sub-folder a class.")]
Layers = Annotated[
    list[str] | None,
    typer.Option(help="A layer or a glob; may be given more than once. Default: every non-linearity."),
]
InputSize = Annotated[
    Any,
    typer.Option(
        parser=size_of_images,
        metavar="SIZE",
        help="Of the images in pixels, where the network's own is not known: a side (32), 48x64 or 3x48x64.",
    ),
]
Preprocessing = Annotated[
    Preprocess, typer.Option(help="auto: the network's own normalisation, else ImageNet's; none: images in [0, 1].")
]
Reduce = Annotated[str, typer.Option(help="How a map becomes one response: mean, max or center.")]
Value = Annotated[str, typer.Option(help="What units are held at: zero, mean, resample, noise or a number.")]
Site = Annotated[str, typer.Option(help="address, or post_norm for the normalisation that follows.")]
Seed = Annotated[int, typer.Option(help="Of random weights, and of all that is drawn.")]
BatchSize = Annotated[int | None, typer.Option(help="Images at a time.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; default: the network's own.")]
Out = Annotated[
    Path | None, typer.Option(help="A new folder for the result (Zarr), its table (CSV) and the figure (PNG, SVG).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it is there.")]


def number_or_word(text: str) -> str | float:
    """Return the number that a value is given as, or the word."""
    try:
        return float(text)
    except ValueError:
        return text

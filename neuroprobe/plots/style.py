"""The look of the pictures: colours, sizes and words, for as long as one is drawn."""

from __future__ import annotations

from base64 import b64encode
from functools import wraps
from importlib import import_module
from inspect import signature
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

# Okabe & Ito (2008): told apart with every common colour vision, and most of them in grey
INK, BLUE, VERMILION, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, GREY = "#E69F00", "#56B4E9", "#CC79A7", "#999999"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
_LEAST_SHARE, _LEAST_LOSS = 0.05, 0.1  # that an axis spans at least: of accuracy and indices; of losses, in nats
_SHADES = mpl.colormaps["viridis"](np.linspace(0, 0.9, 256))  # without its yellow, faint on white
SEQUENTIAL = LinearSegmentedColormap.from_list("sequential", ["#FFFFFF", "#9CC9E3", BLUE, "#00263D"])

LABELS = {
    "orientation": "Orientation (deg)",
    "frequency": "Frequency (cycles/pixel)",
    "phase": "Phase (deg)",
    "width": "Width (pixels)",
    "length": "Length (pixels)",
    "position": "Position (pixels)",
    "gosi": "Selectivity (gOSI)",
    "gosi_blank": "gOSI above blank",
    "osi": "OSI",
    "opr": "Orthogonal / preferred",
    "bandwidth": "Bandwidth (deg)",
    "preferred_orientation": "Preferred orientation (deg)",
    "preferred_frequency": "Preferred frequency (cycles/pixel)",
    "preferred_width": "Preferred width (pixels)",
    "preferred_length": "Preferred length (pixels)",
    "preferred_x": "Preferred x (pixels)",
    "preferred_y": "Preferred y (pixels)",
    "orientation_range": "Orientation range (deg)",
    "f1_f0": "F1 / F0",
    "fit_r2": "Fit $R^2$",
    "pearson": "Shift invariance (Pearson r)",
    "cosine_map": "Maps as they stand",
    "cosine_aligned": "Maps moved back",
    "si": "Class selectivity (SI)",
    "si_cv": "Cross-validated SI",
    "si_null": "SI with permuted labels",
    "margin": "Margin over the second class",
    "d_prime": "d'",
    "eta_squared": "Variance between classes ($\\eta^2$)",
    "auroc": "AUROC, preferred class against the rest",
    "mutual_information": "Information on the class (bits)",
    "sparseness": "Sparseness",
    "delta_loss": "Change in loss when ablated (nats)",
    "delta_accuracy": "Change in accuracy when ablated",
    "conductance": "Conductance",
    "gradient_x_activation": "Gradient x activation",
    "internal_influence": "Internal influence",
    "integrated_gradients": "Integrated gradients",
    "deeplift": "DeepLIFT",
    "mean": "Mean response (a.u.)",
    "peak_response": "Peak response (a.u.)",
}

_LOOK: Any = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3,
}
_LEGEND_ROW: Any = {
    "borderpad": 0,
    "borderaxespad": 0.3,
    "handlelength": 1.2,
    "handletextpad": 0.5,
    "columnspacing": 1,
}
# notebooks show the figure that a cell returns, and those of pyplot once more
_INLINE = {"inline", "module://matplotlib_inline.backend_inline"}
_UNSEEN = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"} | _INLINE  # backends that open no window
_BETWEEN_WORDS = "._/:"  # in the names of layers
_KEY_LETTER, _KEY_MARK, _KEY_MARGIN = 0.046, 0.25, 0.4  # inches: letter and mark of a legend, room beside the axes


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in our look, on the user's own ``ax`` too, and leave the user's settings as they were."""
    parameters = signature(draw)

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> R:
        _set_up_notebook()
        with mpl.rc_context(_LOOK):
            given = parameters.bind(*args, **kwargs).arguments.get("ax")
            if given is not None:
                _dress(given)
            return draw(*args, **kwargs)

    return in_style


def _dress(axes: Axes) -> None:
    """Give axes that were made in another look the letters and lines of ours, so that a picture has one look."""
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        axis.label.set_fontsize(_LOOK["axes.labelsize"])
        axis.set_tick_params(
            labelsize=_LOOK[f"{name}tick.labelsize"], width=_LOOK[f"{name}tick.major.width"],
            length=_LOOK[f"{name}tick.major.size"],
        )  # fmt: skip
    axes.title.set_fontsize(_LOOK["axes.titlesize"])
    axes.spines[:].set_linewidth(_LOOK["axes.linewidth"])
    for side in {"top", "right"} & set(axes.spines):
        axes.spines[side].set_visible(False)


def _set_up_notebook() -> None:
    """Let a notebook prepare for pictures: done later, in our look, its settings would be undone with it."""
    if mpl.get_backend().lower() in _INLINE:
        import_module("matplotlib_inline.backend_inline")


def new_figure(width: float, height: float) -> Figure:
    """Make a figure, in inches, that pyplot knows only where somebody looks.

    Pyplot keeps each of its figures alive until it is closed: a script that saves a thousand pictures
    would keep a thousand. Where no window opens, nobody needs pyplot to find the figure.
    """
    if mpl.get_backend().lower() in _UNSEEN:
        return unseen_figure(width, height)
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height), layout="constrained")


def new_axes(width: float, height: float, **kwargs: Any) -> Axes:
    """Make a figure with one Axes; ``kwargs`` go to ``add_subplot``."""
    return new_figure(width, height).add_subplot(**kwargs)


def unseen_axes(width: float, height: float) -> Axes:
    """Make a figure with one Axes that no window shows."""
    return unseen_figure(width, height).add_subplot()


def unseen_figure(width: float, height: float) -> Figure:
    """Make a figure that no window shows."""
    return Figure((width, height), layout="constrained", dpi=150)


def as_img(figure: Any) -> str:
    """Turn a figure into an HTML image that needs no file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    data = b64encode(buffer.getvalue()).decode()
    width = f'width="{100 * figure.get_figwidth():.0f}" style="max-width: 100%"'
    return f'<img alt="overview" {width} src="data:image/png;base64,{data}">'


def legend_above(axes: Axes, most: int = 4) -> None:
    """Put the legend above the axes, at the right, in as many rows as it takes; none where nothing has a label."""
    labels = axes.get_legend_handles_labels()[1]
    room = axes.get_window_extent().width / axes.figure.dpi + _KEY_MARGIN
    fitting = (columns for columns in range(min(most, len(labels)), 1, -1) if _key_width(labels, columns) <= room)
    if labels:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=next(fitting, 1), **_LEGEND_ROW)


def title_above(axes: Axes, text: str) -> None:
    """Put a title at the left, clear of a legend above the axes."""
    legend = axes.get_legend()
    height = 0.0 if legend is None else legend.get_window_extent().height * 72 / axes.figure.dpi
    axes.set_title(text, loc="left", pad=mpl.rcParams["axes.titlepad"] + height)


def _key_width(labels: Sequence[str], columns: int) -> float:
    """Estimate the width, in inches, of a legend that matplotlib fills column by column."""
    rows = -(-len(labels) // columns)
    filled = [labels[start : start + rows] for start in range(0, len(labels), rows)]
    return sum(_KEY_LETTER * max(map(len, column)) + _KEY_MARK for column in filled)


def spread(count: int, most: int) -> NDArray[np.intp]:
    """Choose all of few, or some of many, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def shades(count: int) -> NDArray[np.float64]:
    """Return a colour for each of several layers, lighter with depth."""
    return _SHADES[np.linspace(0, 255, count).astype(int)]


def symmetric_log(axes: Axes, values: pd.Series[Any]) -> None:
    """Scale y in decades either side of 0, linearly up to the power of ten below the median size."""
    sizes = values.abs()[values != 0].dropna()
    linear = 10.0 ** np.floor(np.log10(sizes.median())) if len(sizes) else 1.0
    axes.set_yscale("symlog", linthresh=linear, linscale=0.6)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=linear))
    axes.yaxis.set_major_formatter(plain)


def widen_narrow(axes: Axes, column: str, which: Literal["x", "y"] = "y") -> None:
    """Widen an axis about its middle where it shows so little of a column that noise would fill the picture."""
    low, high = getattr(axes, f"get_{which}lim")()
    span = _LEAST_LOSS if column.endswith("loss") else _LEAST_SHARE
    if high - low < span:
        middle = (low + high) / 2
        axes.set(**{f"{which}lim": (middle - span / 2, middle + span / 2)})


def in_place_of_data(axes: Axes, text: str) -> None:
    """Say in the middle of the axes why nothing is drawn."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def shorten(name: str, length: int = 20) -> str:
    """Keep the end of a long name, where neighbours differ; a dollar in it opens no formula."""
    short = name if len(name) <= length else "…" + name[1 - length :].lstrip(_BETWEEN_WORDS)
    return short.replace("$", r"\$")


def told_apart(names: Sequence[str], length: int = 20) -> list[str]:
    """Shorten names that stand side by side: where some are long, by the words with which all begin and all end."""
    start, end = _alike(names), _alike([name[::-1] for name in names])
    inner = [name[start : len(name) - end] for name in names]
    said = [f"{'…' * (start > 0)}{words}{'…' * (end > 0)}" for words in inner]
    short = [shorten(name, length) for name in names]
    if max(map(len, names)) <= length or not all(inner):
        return short
    if max(map(len, said)) > length and len(set(short)) == len(set(names)):
        return short
    return [shorten(words, len(words)) for words in said]


def _alike(names: Sequence[str]) -> int:
    """Return how many letters make up the whole words with which all names begin."""
    columns = zip(*names, strict=False)  # as far as the shortest goes
    same = next((place for place, letters in enumerate(columns) if len(set(letters)) > 1), min(map(len, names)))
    return next((place for place in range(same, 0, -1) if names[0][place - 1] in _BETWEEN_WORDS), 0)


def plain_numbers(axis: Any, most: int = 3, *, whole: bool = False) -> None:
    """Mark few, round values, without zeros after the point; only ``whole`` ones where others mean nothing."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole))
    axis.set_major_formatter(plain)


def plain(number: float, _place: float = 0) -> str:
    """Write a number without zeros after the point, a minus as one."""
    return f"{number:g}".replace("-", "\N{MINUS SIGN}")


def panel_letter(axes: Axes, letter: str) -> None:
    """Set a bold letter to the upper left of the panel, clear of its labels."""
    axes.annotate(
        letter, (0, 1), (-30, 8), xycoords="axes fraction", textcoords="offset points", fontweight="bold", fontsize=9
    )

"""What a reproduction writes: one page with each claim, what was measured over seeds, and whether it holds.

"No effect" is said only where the whole interval lies inside a margin that was stated before; where an interval is too
wide to tell, the claim is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy import stats
from torch import Tensor

import neuroprobe
from neuroprobe.training.photographs import in_turn

HOLDS, FAILS, UNDECIDED, NOT_REACHED = "holds", "does not hold", "undecided", "not reached"


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95% interval (Student's t); without one where there is a single seed."""

    mean: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: ArrayLike) -> Interval:
        """Take the mean of one value a seed."""
        numbers = np.asarray(values, dtype=float)
        mean, count = float(numbers.mean()), len(numbers)
        if count < 2:
            return cls(mean, -np.inf, np.inf, count)
        half = float(stats.t.ppf(0.975, count - 1) * stats.sem(numbers))
        return cls(mean, mean - half, mean + half, count)

    def inside(self, margin: float) -> bool:
        """Whether all of it lies within so much of 0."""
        return -margin <= self.low and self.high <= margin

    def sign(self) -> str:
        """Return "above", "below" or "astride" zero."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "astride"

    def show(self, unit: str = "", digits: int = 3) -> str:
        """Write it out: ``-0.012 [-0.020, -0.004]``."""
        known = np.isfinite(self.low)
        bounds = f" [{self.low:.{digits}f}, {self.high:.{digits}f}]" if known else ", one seed"
        return f"{self.mean:.{digits}f}{unit}{bounds}"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper and what became of it."""

    text: str
    measured: str
    verdict: str


def verdict(interval: Interval, wanted: str) -> str:
    """Say whether an interval lies where a claim has it, "above" or "below" zero."""
    sign = interval.sign()
    return HOLDS if sign == wanted else UNDECIDED if sign == "astride" else FAILS


def between(interval: Interval, low: float, high: float) -> str:
    """Say whether an interval lies between two bounds: all of it, none of it, or some."""
    if low <= interval.low and interval.high <= high:
        return HOLDS
    return FAILS if interval.high < low or interval.low > high else UNDECIDED


def alphas_of(table: pd.DataFrame) -> list[float]:
    """Return the alphas of a table indexed by (alpha, seed), smallest first."""
    return sorted(table.index.unique("alpha"))


def by_seed(table: pd.DataFrame, column: str, alpha: float) -> pd.Series[float]:
    """Return a column at one alpha, a value a seed."""
    return table[column].xs(alpha, level="alpha").sort_index()


def write_page(place: Path, title: str, about: str, claims: Sequence[Claim], picture: str | None = None) -> None:
    """Write the page as Markdown."""
    rows = [f"| {claim.text} | {claim.measured} | **{claim.verdict}** |" for claim in claims]
    shown = [f"![{title}]({picture})", ""] if picture else []
    lines = [f"# {title}", "", about, "", *shown, "| claim | measured | verdict |", "|---|---|---|", *rows, ""]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(lines), encoding="utf-8")


def points(interval: Interval) -> str:
    """Write out a change of accuracy in percentage points."""
    hundredfold = Interval(interval.mean * 100, interval.low * 100, interval.high * 100, interval.seeds)
    return hundredfold.show(" points", digits=1)


def photographs(folder: Path, count: int) -> tuple[Tensor, Tensor]:
    """Return photographs of a folder and their labels, classes in turn."""
    opened = [(batch.images, batch.labels) for batch in neuroprobe.data.open_images(folder, batch_size=500)]
    images, labels = (torch.cat(parts) for parts in zip(*opened, strict=True))
    chosen = in_turn(labels)[:count]
    return images[chosen], labels[chosen]

"""The result of a measurement of class selectivity."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from neuroprobe.results.base import Result, by_layer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SIGNIFICANT_Q = 0.05
_MOSTLY_CHANCE = 0.5  # of si: where permuted labels give as much, what is left is no safe ground
_FEW_IMAGES = 10  # of a class, where another has more


class ClassSelectivity(Result):
    """What :func:`neuroprobe.class_selectivity` found: how each unit responds to the classes.

    ``curves[layer]`` has dims (unit, class): mean responses to the images of a class, response units, NaN for a class
    without images. The classes go by name where names are known, else by number.
    """

    kind = "class_selectivity"
    headline = "si"

    @property
    def images_per_class(self) -> int:
        """The images of the smallest class that has any."""
        return min(count for count in self.meta["images_per_class"] if count)

    @property
    def mean_si(self) -> float:
        """The mean of ``si`` in each layer, then over layers, so that wide layers do not dominate."""
        return float(by_layer(self.units["si"]).mean().mean())

    @property
    def caution(self) -> str:
        """What to bear in mind about small samples; empty where chance is no great part of si and no class is tiny."""
        return " ".join(filter(None, [self._caution_of_chance(), self._caution_of_classes()]))

    def _caution_of_chance(self) -> str:
        near = list(self.summary().query("reading == 'largely chance'").index)
        if not near:
            return ""
        return (
            f"With {self.images_per_class:,} images a class, chance alone gives half of si or more in {len(near)} of "
            f"{len(self.layer_names)} layers ({_listed(near)}): compare si only at equal numbers of images, and with "
            "si_null or si_cv beside it."
        )

    def _caution_of_classes(self) -> str:
        smallest, largest = self.images_per_class, max(self.meta["images_per_class"])
        if (self.units["status"] == "too_few").all():
            alone = sum(self.meta["images_per_class"]) == largest
            came = "all images are of one" if alone else f"the largest has {largest:,}"
            return f"No unit has indices: they take two classes of {_FEW_IMAGES} images; {came}."
        if not smallest < _FEW_IMAGES <= largest:
            return ""
        return (
            f"The smallest class has {smallest} of the images, the largest {largest:,}: means over few images are "
            "uncertain, and so come out largest by chance more often."
        )

    def verdicts(self) -> pd.DataFrame:
        """Give each layer's shares of units: selective, not, untested, without numbers; they sum to 1.

        Selective: ``q_value`` below 0.05. Untested: no permutations were made.
        """
        import pandas as pd

        silent, q = ~self.units["status"].isin(["ok", "rectified"]), self.units["q_value"]
        flags = {
            "selective": q < SIGNIFICANT_Q,
            "not_selective": q >= SIGNIFICANT_Q,
            "untested": q.isna() & ~silent,
            "without_numbers": silent,
        }
        return pd.DataFrame({name: by_layer(flag.astype(float)).mean() for name, flag in flags.items()})

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: status counts, si with what chance gives, and how safely si can be read.

        ``images_per_class`` is that of the smallest class. ``share_selective`` counts units with ``q_value`` below
        0.05, of those with one. ``reading`` is ``"largely chance"`` where half of the mean si or more is there without
        class information: ``si_null``, or without permutations what ``si`` exceeds ``si_cv`` by. Means leave NaN out.
        """
        table = super().summary()
        if "dead" not in table:  # always shown: none is news too
            table.insert(1, "dead", 0)
        for name in ("si", "si_cv", "si_null"):
            table[f"mean_{name}"] = by_layer(self._of_all(name)).mean()
        q = self.units["q_value"]
        table["share_selective"] = by_layer((q < SIGNIFICANT_Q).astype(float).where(q.notna())).mean()
        table["images_per_class"] = self.images_per_class
        table["reading"] = self._readings()
        return table

    def _readings(self) -> pd.Series[str]:
        """Say of each layer whether its si is well above what chance gives."""
        si = self._of_all("si")
        chance = self._of_all("si_null").fillna(si - self._of_all("si_cv"))
        measured = by_layer(si).mean()
        near = by_layer(chance).mean() >= _MOSTLY_CHANCE * measured
        return near.map({True: "largely chance", False: "above chance"}).where(measured.notna(), "no numbers")

    def _of_all(self, name: str) -> pd.Series[float]:
        """Give a kind of si; where a preset counts dead units in with si = 0, they have 0 of every kind."""
        values, dead = self.units[name], self.units["status"] == "dead"
        return values.fillna(self.units["si"].where(dead)) if values.notna().any() else values

    def plot(self) -> Figure:
        """Draw the overview: selectivity by layer beside chance, verdicts, preferred classes, example profiles."""
        from neuroprobe import plots

        return plots.class_overview(self)

    def _picture(self) -> str:
        from neuroprobe.plots import class_overview
        from neuroprobe.plots.style import as_img

        return as_img(class_overview(self, compact=True))

    def _repr_html_(self) -> str:
        """Show the caution ahead of the table and the picture."""
        return (f"<p><b>{escape(self.caution)}</b></p>" if self.caution else "") + super()._repr_html_()


def _listed(names: list[str], most: int = 3) -> str:
    """List a few names and say how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")

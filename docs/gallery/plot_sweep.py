"""
Selectivity as a dial
=====================

Networks trained with a penalty on class selectivity, discouraged on the left and promoted on the right: what it does to
accuracy. Here on a few photographs for a few seconds, so what it shows is how it is done.
"""

from dataclasses import replace
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from photographs import photographs

import neuroprobe
from neuroprobe.training.recipes import RECIPES

images, labels = photographs(40).tensors
data = {"train": (images[::2], labels[::2]), "test": (images[1::2], labels[1::2])}
recipe = replace(RECIPES["cnn7"], epochs=4, batch_size=16)
with TemporaryDirectory() as out:
    result = neuroprobe.sweep([-5, 0, 5], 3, "cnn7", data, out=out, recipe=recipe)

# %%
# The three panels of Leavitt and Morcos; ``result.plot()`` puts them on one page.
fig, axes = plt.subplots(1, 3, figsize=(7, 2.4), layout="constrained")
neuroprobe.plots.by_alpha(result, "accuracy", ax=axes[0])
neuroprobe.plots.by_alpha(result, "si", ax=axes[1])
neuroprobe.plots.accuracy_against_selectivity(result, ax=axes[2])

# %%
# Any column against the strength of the penalty, such as orientation selectivity, which nobody pushed.
fig, ax = plt.subplots(figsize=(3.35, 2.4), layout="constrained")
neuroprobe.plots.by_alpha(result, "gosi", ax=ax)
plt.show()

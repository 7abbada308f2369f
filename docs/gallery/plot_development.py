"""
Units over training
===================

What becomes of every layer while a network learns: a tracker looks at all units before the first epoch and after each.
Here on a few photographs for a few seconds, so what it shows is how it is done.
"""

from dataclasses import replace
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from photographs import photographs

import neuroprobe
from neuroprobe.training.recipes import RECIPES

images, labels = photographs(60).tensors
learned, others = (images[::2], labels[::2]), (images[1::2], labels[1::2])
recipe = replace(RECIPES["cnn7"], epochs=8, batch_size=16)
tracker = neuroprobe.UnitTracker(others, every=2)
with TemporaryDirectory() as out:
    neuroprobe.train("cnn7", {"train": learned, "test": others}, out=out, recipe=recipe, track=tracker)

# %%
# Class selectivity, a line a layer. Small samples inflate it: compare it at equal numbers of photographs.
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4), layout="constrained", width_ratios=[1, 1.4])
neuroprobe.plots.accuracy_by_epoch(tracker.result, ax=axes[0])
neuroprobe.plots.development(tracker.result, "mean_si", ax=axes[1])

# %%
# Orientation selectivity, as a map of layers and epochs.
fig, ax = plt.subplots(figsize=(3.35, 2), layout="constrained")
neuroprobe.plots.development_map(tracker.result, "median_gosi", ax=ax)
plt.show()

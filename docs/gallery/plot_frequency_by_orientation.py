"""
Frequency by orientation
========================

A tuning curve is one row of a map: the responses to every spatial frequency and orientation. The ring is where the unit
responds most, and the dashed line on the colour bar is what it gives to a blank: what lies below is suppressed.
"""

import matplotlib.pyplot as plt

import neuroprobe

tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu2", "relu5"], permutations=0)

# %%
# The most selective unit of two layers, side by side at the width of a journal's page.
fig, axes = plt.subplots(1, 2, figsize=(5.2, 1.9), layout="constrained")
for ax, layer in zip(axes, tuning.layer_names, strict=True):
    neuroprobe.plots.frequency_by_orientation(tuning, layer, ax=ax)
plt.show()

"""
First-layer filters beside their tuning
=======================================

What a unit of the first layer weighs the image with, and what it then answers to. Filters are scaled by their largest
weight, curves to their peak, which is the rim; the number below is the unit, with its selectivity.
"""

import matplotlib.pyplot as plt

import neuroprobe

model = neuroprobe.load_network("cnn7")
tuning = neuroprobe.orientation(model, permutations=0)

# %%
# The twelve most selective units.
fig, ax = plt.subplots(figsize=(3.35, 1.6), layout="constrained")
neuroprobe.plots.first_layer_filters(tuning, model, tuning.top("relu1", 12), ax=ax)
plt.show()

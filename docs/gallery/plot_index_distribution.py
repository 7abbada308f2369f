"""
An index against its control
============================

The distribution of an index over the units of each layer, over that of its control. Random filters are selective too: a
unit counts as tuned only above the 95th percentile of the untrained network.
"""

import matplotlib.pyplot as plt
from photographs import photographs

import neuroprobe

model = neuroprobe.load_network("cnn7")

# %%
# Orientation selectivity against an untrained copy.
tuning = neuroprobe.orientation(model, control="untrained")
neuroprobe.plots.index_distribution(tuning, ax=plt.subplots(figsize=(3.35, 3), layout="constrained")[1])

# %%
# Class selectivity against the same units with permuted labels.
classes = neuroprobe.class_selectivity(model, photographs(25), permutations=50)
neuroprobe.plots.index_distribution(classes, ax=plt.subplots(figsize=(3.35, 3), layout="constrained")[1])
plt.show()

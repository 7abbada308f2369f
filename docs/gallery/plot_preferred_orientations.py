"""
Preferred orientations by layer
===============================

Which orientations tuned units prefer. A layer's units are counted in bins of 15 degrees; the numbers above say how many
there are, and the line on the colour bar is what a uniform distribution would give. Dark rows at 0 and 90 degrees are a
cardinal bias. Layers with few tuned units show them one by one.
"""

import matplotlib.pyplot as plt

import neuroprobe

tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), control="untrained")

# %%
fig, ax = plt.subplots(figsize=(3.35, 2.4), layout="constrained")
neuroprobe.plots.preferred_orientations(tuning, ax=ax)
plt.show()

"""
Tuning curves
=============

What units answer to gratings of every orientation: markers are responses, lines von Mises fits, dashes the response to
a blank. On a line, or as an angle, where a curve of period 180 degrees goes round twice.
"""

import matplotlib.pyplot as plt

import neuroprobe

tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu3"], permutations=0)

# %%
# The most selective and best fitted units of a layer.
fig, ax = plt.subplots(figsize=(4.6, 2.2), layout="constrained")
neuroprobe.plots.tuning_curves(tuning, "relu3", ax=ax)

# %%
# The same, as angles.
fig, ax = plt.subplots(figsize=(4.2, 2.6), layout="constrained", subplot_kw={"projection": "polar"})
neuroprobe.plots.tuning_curves(tuning, "relu3", polar=True, ax=ax)
plt.show()

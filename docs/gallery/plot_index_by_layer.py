"""
An index against depth
======================

Any column of a unit table, layer by layer: every unit, the median with its quartiles, and the control. Or several
results beside one another, with the medians of their controls as dotted lines.
"""

import matplotlib.pyplot as plt

import neuroprobe

model = neuroprobe.load_network("cnn7")
tuning = neuroprobe.orientation(model, control="untrained")

# %%
# One result: orientation selectivity, and what an untrained copy of the network has of it.
fig, ax = plt.subplots(figsize=(3.35, 2.4), layout="constrained")
neuroprobe.plots.index_by_layer(tuning, "gosi", ax=ax)

# %%
# Several, here the same network by two ways of reading a map. Results with other layers, such as those of another
# network, are set against relative depth.
at_centre = neuroprobe.orientation(model, reduce="center", control="untrained")
fig, ax = plt.subplots(figsize=(3.35, 2.4), layout="constrained")
neuroprobe.plots.index_by_layer({"Mean of the map": tuning, "Its centre": at_centre}, ax=ax)
plt.show()

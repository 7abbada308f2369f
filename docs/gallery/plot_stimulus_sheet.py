"""
Stimulus sheet
==============

What the network is shown. Every set of stimuli draws itself: a row a frequency (of bars a width), a column an
orientation.
"""

import matplotlib.pyplot as plt

import neuroprobe
from neuroprobe import stimuli

# %%
# Gratings, the default.
fig, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
stimuli.gratings(64).plot(ax=ax)

# %%
# Gabors: gratings seen through a Gaussian window.
fig, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
stimuli.gabors(64).plot(ax=ax)

# %%
# Bars, at one position, bright on grey.
fig, ax = plt.subplots(figsize=(5, 1.6), layout="constrained")
neuroprobe.plots.stimulus_sheet(stimuli.bars(64), ax=ax)
plt.show()

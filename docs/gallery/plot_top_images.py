"""
Top images
==========

The images that drive units most, the strongest first, with the place where each unit responds most. With the model at
hand, the box is the receptive field: all pixels that reach the place. Without photographs, these are gratings.
"""

import matplotlib.pyplot as plt
from photographs import photographs

import neuroprobe

model, images = neuroprobe.load_network("cnn7"), photographs(100)
recording = neuroprobe.record(model, images, ["relu2", "relu5"], reducers=["top_images"])

# %%
# Four units of a middle layer.
fig, ax = plt.subplots(figsize=(4.6, 2.3), layout="constrained")
neuroprobe.plots.top_images(recording, images, "relu5", [53, 39, 23, 83], model, ax=ax)

# %%
# An early layer, without the model: a ring where the maximum lies.
fig, ax = plt.subplots(figsize=(4.6, 1.8), layout="constrained")
neuroprobe.plots.top_images(recording, images, "relu2", [21, 31, 14], ax=ax)
plt.show()

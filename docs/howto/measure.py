"""Measure with as many processes as torchrun has started."""

import torch.distributed as dist

import neuroprobe

dist.init_process_group("gloo")
model = neuroprobe.load_network("my_networks.py:build")
classes = neuroprobe.class_selectivity(model, "photographs/")
classes.save("classes.zarr")  # by the first process; the others wait
if neuroprobe.distributed.is_first():
    print(classes.summary())
dist.destroy_process_group()

"""Run by torchrun in two processes, and by Python in one: the same measurements, whose results the tests compare."""

import os
import sys
from pathlib import Path
from time import sleep

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

import neuroprobe
from neuroprobe import distributed
from neuroprobe.reducers import Observed

LAYERS = ["relu1", "relu6"]
IMAGES, BATCH = 125, 18  # seven batches: three for the one process, four for the other
HOW = {"progress": False, "batch_size": BATCH}
MANY = 40  # batches of one image


def total(seen: Observed) -> torch.Tensor:
    """A reducer of one's own."""
    return seen.responses.double().sum(0)


def data(images=IMAGES):
    """Return images, and labels of five classes in no order."""
    random = torch.Generator().manual_seed(0)
    return torch.rand(images, 3, 32, 32, generator=random), torch.randint(5, (images,), generator=random)


def measurements(folder):
    """Yield the name of each measurement, and what makes it."""
    model = neuroprobe.load_network("cnn7")
    reducers = ["moments", "class_moments", "top_images", "quantiles", "covariance"]
    dataset = TensorDataset(*data())
    sampled = DataLoader(dataset, BATCH, sampler=DistributedSampler(dataset, 2, 0))
    gosi = neuroprobe.orientation(model, LAYERS, permutations=20, progress=False).units.gosi
    gratings = neuroprobe.stimuli.gratings(32, orientations=4, frequencies=[0.05, 0.1], phases=8)
    record, ablation = neuroprobe.record, neuroprobe.ablation
    yield "responses", lambda: record(model, data(), LAYERS, **HOW)
    yield "reducers", lambda: record(model, data(), LAYERS, reducers=reducers, **HOW)
    yield "a reducer of one's own", lambda: record(model, data(), LAYERS, reducers={"total": total}, **HOW)
    yield "a shuffled loader", lambda: record(model, DataLoader(dataset, BATCH, shuffle=True), LAYERS, progress=False)
    yield "a loader for processes", lambda: record(model, sampled, LAYERS, progress=False)
    yield "the last batch dropped", lambda: record(model, DataLoader(dataset, BATCH, drop_last=True), LAYERS)
    yield "fewer batches than processes", lambda: record(model, data(7), LAYERS, reducers=reducers, **HOW)
    yield "whole maps", lambda: record(model, data(40), ["relu6"], reduce="none", **HOW)
    yield "to disk", lambda: record(model, data(), LAYERS, out=folder / "recording.zarr", **HOW)
    yield "classes", lambda: neuroprobe.class_selectivity(model, data(), LAYERS, permutations=20, **HOW)
    yield "classes, one batch", lambda: neuroprobe.class_selectivity(model, data(), LAYERS, permutations=5)
    yield "classes, no null", lambda: neuroprobe.class_selectivity(model, data(), LAYERS, permutations=0, **HOW)
    how = {"control": "untrained", "permutations": 50, **HOW}
    yield "orientation", lambda: neuroprobe.orientation(model, LAYERS, gratings, **how)
    yield "shift", lambda: neuroprobe.shift_invariance(model, data(60), LAYERS, shifts=[-1, 2], **HOW)
    how = {"fractions": [0.5], "repeats": 2, **HOW}
    orders = ["top", "random", "matched"]
    yield "ablation", lambda: ablation(model, data(50), gosi, orders=orders, value="mean", **how)
    yield "maps of others", lambda: ablation(model, data(50), gosi, value="resample", **how)
    yield "noise", lambda: neuroprobe.noise_curves(model, data(50), ["relu6"], scales=[0.5, 1], repeats=2, **HOW)
    yield "impact", lambda: neuroprobe.unit_impact(model, data(50), ["relu6"], **HOW)
    yield "screened", lambda: neuroprobe.unit_impact(model, data(50), ["relu6"], screen=True, confirm=5, **HOW)
    yield "importance", lambda: neuroprobe.importance(model, data(40), LAYERS, steps=4, **HOW)


class Stream(IterableDataset):
    def __iter__(self):
        yield from data(20)[0]


class UnsendableError(Exception):
    """An error that cannot be made again from its message."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def failing(rank, error=None, seen_before=None):
    """Return a reducer that fails in one process; in the other it takes its time, and notes how often it was asked."""

    def reducer(seen):
        if distributed.processes()[0] == rank:
            raise error or ValueError(f"process {rank} cannot go on")
        sleep(0.02)
        if seen_before is not None:
            seen_before.append(1)
        return total(seen)

    return {"failing": reducer}


def local_value(seen):
    """A reducer whose values have a class that no other process can find."""

    class Local:
        def __add__(self, other):
            return self

    return Local()


def mistakes(rank):
    """Yield the name of each thing that goes wrong in one or in both processes, and what does it."""
    model, record = neuroprobe.load_network("cnn7"), neuroprobe.record
    two_errors = {"both": lambda _: (_ for _ in ()).throw([ValueError, TypeError][rank](f"process {rank}"))}
    anew = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())  # not seeded
    yield "one fails", lambda: record(model, data(), "relu1", reducers=failing(1), **HOW)
    yield "the first fails", lambda: record(model, data(), "relu1", reducers=failing(0), **HOW)
    yield "both fail", lambda: record(model, data(), "relu1", reducers=two_errors, **HOW)
    error = UnsendableError("this", "that")
    yield "an error that cannot travel", lambda: record(model, data(), "relu1", reducers=failing(1, error), **HOW)
    yield "a value that cannot travel", lambda: record(model, data(), "relu1", reducers={"a": local_value}, **HOW)
    yield "other arguments", lambda: neuroprobe.class_selectivity(model, data(), LAYERS, seed=rank, **HOW)
    yield "other weights", lambda: record(anew, data(), preprocess=None, **HOW)
    yield "other images", lambda: record(model, torch.rand(8, 3, 32, 32) + rank - rank, LAYERS, **HOW)
    yield "a stream", lambda: record(model, DataLoader(Stream(), 4), LAYERS)
    yield "no images", lambda: record(model, torch.zeros(0, 3, 32, 32), LAYERS)
    calls = [lambda: record(model, data(), LAYERS), lambda: neuroprobe.importance(model, data(), LAYERS)]
    yield "other calls", calls[rank]
    yield "no mistake after all these", lambda: record(model, data(), LAYERS, **HOW)


def outcome(act):
    """Return what came of something: the name of an error, its message and its notes."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error).__name__, str(error), getattr(error, "__notes__", [])
    return None


def seen_before_stopping(rank):
    """Return how many batches of many a process runs while the other fails at once."""
    model, seen = neuroprobe.load_network("cnn7"), []
    reducers = failing(1, seen_before=seen)
    outcome(lambda: neuroprobe.record(model, data(MANY), "relu1", reducers=reducers, batch_size=1, progress=False))
    return len(seen)


def written_alone(rank, folder):
    """Let each process record other images alone, and save them; return the number of images, and what is there."""
    with distributed.alone():
        mine = neuroprobe.record(neuroprobe.load_network("cnn7"), data(3 + rank)[0], "relu1", progress=False)
        mine.save(folder / f"alone {rank}.zarr")
        return mine.curves["relu1"].sizes["image"], (folder / f"alone {rank}.zarr").is_dir()


def one_goes(rank):
    """Let a process end in the middle of a call, and return what the other says."""
    model = neuroprobe.load_network("cnn7")
    gone = {"gone": lambda seen: os._exit(0) if rank == 1 else total(seen)}
    return outcome(lambda: neuroprobe.record(model, data(), "relu1", reducers=gone, **HOW))


def main(folder: Path) -> None:
    """Measure all, and leave in the folder what this process got."""
    if "RANK" in os.environ:  # torchrun's
        torch.distributed.init_process_group("gloo")
    rank, size = distributed.processes()
    found = {"results": {name: measure().to_contents() for name, measure in measurements(folder)}}
    if size > 1:
        found["mistakes"] = {name: outcome(act) for name, act in mistakes(rank)}
        found["seen before stopping"] = seen_before_stopping(rank)
        found["alone"] = written_alone(rank, folder)
        torch.save(found, folder / f"{rank}.pt")
        found["one goes"] = one_goes(rank)
    torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

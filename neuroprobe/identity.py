"""What a recording is made from, in words that can be compared: the same call goes on with it, another must not.

Weights and tensors are known by a digest of their bytes; a folder by the names, sizes and classes of its photographs
and the bytes of some of them; any other data set by its length and some of its images; functions by name and code. A
stream shows nothing ahead: it is compared as it is read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from torch.utils.data import BatchSampler, SequentialSampler, TensorDataset

from neuroprobe.data import Batch, Images
from neuroprobe.digests import bytes_of, described, digest, lasting_repr
from neuroprobe.networks.expected import network_name
from neuroprobe.progress import progress_bar
from neuroprobe.provenance import weights_digest
from neuroprobe.readout import Readout
from neuroprobe.stimuli import StimulusSet

if TYPE_CHECKING:
    from neuroprobe.preparation import Preparation

_LOOKED_AT = 32  # images of a data set, evenly spread from the first to the last
_log = logging.getLogger("neuroprobe")


def recording_identity(
    prepared: Preparation, images: Images, readout: Readout, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what tells one recording from another; call it where random draws do no harm.

    ``asked`` holds the arguments ``layers``, ``unit_axis``, ``preprocess`` and ``reducers`` as they came, and under
    ``ablated`` how the network is altered.
    """
    layers = [asked["layers"]] if isinstance(asked["layers"], str) else asked["layers"]
    known = {
        **_network_identity(prepared, asked["preprocess"]),
        **_data_identity(images),
        "layers": None if layers is None else sorted(set(layers)),
        "unit_axis": asked["unit_axis"] or None,
        "reduce": readout.reduce,
        "tokens": readout.tokens,
        "reducers": described(asked["reducers"]),
        "ablated": described(asked["ablated"]) or None,
    }
    return json.loads(json.dumps(known))  # as it will come back from the disk


def _network_identity(prepared: Preparation, preprocess: Any) -> dict[str, Any]:
    expected = prepared.expected
    normalised = [list(expected.mean), list(expected.std)] if expected and preprocess == "auto" else None
    return {
        "network": network_name(prepared.model),
        "weights": weights_digest(prepared.model),
        "architecture": digest(lasting_repr(prepared.model).encode()),
        "preprocess": normalised or described(preprocess),
        "precision": str(prepared.autocast or "the network's own"),
        "device": prepared.device.type,
    }


def _data_identity(images: Images) -> dict[str, Any]:
    loader = images.loader
    known = {"images": images.count, "batch_size": loader.batch_size, "drop_last": loader.drop_last}
    if not images.starts_anywhere:
        return known | {"data": f"a stream of {type(loader.dataset).__name__}"}
    return known | {"data": _dataset_digest(images), "order": _order_digest(loader)}


def stream_digest(images: Images, *, progress: bool) -> str:
    """Return the digest of all that a stream shows."""
    shown = ""
    with progress_bar("comparing", images.count, shown=progress) as bar:
        for batch in images:
            shown = digested(shown, batch)
            bar.update(len(batch.images))
    return shown


def digested(before: str, batch: Batch) -> str:
    """Return the digest of a stream up to a batch, from that of what came before."""
    return digest(before.encode(), *bytes_of(batch.images), *bytes_of(batch.labels))


def differences(stored: Mapping[str, Any], came: Mapping[str, Any]) -> list[str]:
    """Say what differs, a line each."""
    there, here = dict(_leaves(stored)), dict(_leaves(came))
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return [f"{name}: {_short(there.get(name))} there, {_short(here.get(name))} came" for name in names]


def other_recording(place: Path, holds: str, lines: Sequence[str]) -> FileExistsError:
    """Return the error that says in what a store differs from what came."""
    differs = "".join(f"\n  {line}" for line in lines)
    return FileExistsError(
        f"{place} holds {holds} of another recording:{differs}\nMake the call as it was, choose another path for out=, "
        "or remove the store"
    )


def _leaves(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings: those of ``reducers`` are ``reducers.moments``, ..."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 100 else f"{shown[:60]}... ({digest(shown.encode())[:8]})"


def _dataset_digest(images: Images) -> str:
    from torchvision.datasets import DatasetFolder

    dataset: Any = images.loader.dataset
    if isinstance(dataset, TensorDataset):
        return digest(*(part for tensor in dataset.tensors for part in bytes_of(tensor)))
    if isinstance(dataset, DatasetFolder):
        return _folder_digest(dataset)
    shown = dataset.describe() if isinstance(dataset, StimulusSet) else type(dataset).__qualname__
    numbers = _spread(len(dataset))
    looks = {digest(*map(_bytes_of, [shown, *images.alone(numbers)])) for _ in range(2)}
    if len(looks) == 1:
        return looks.pop()
    _log.warning(
        "this data set gives other images each time it is read (random augmentation?): a recording of it that is cut "
        "short cannot go on"
    )
    return f"other images at each reading ({uuid4().hex[:8]})"


def _folder_digest(folder: Any) -> str:
    """Digest names, sizes and classes of all photographs, the bytes of some, and what is done to them."""
    names = (f"{Path(name).relative_to(folder.root)} {Path(name).stat().st_size} {y}\n" for name, y in folder.samples)
    some = (Path(folder.samples[number][0]).read_bytes() for number in _spread(len(folder)))
    done = [described(folder.transform), described(folder.target_transform), described(folder.loader)]
    return digest(*map(str.encode, names), *some, repr(done).encode())


def _bytes_of(item: Any) -> bytes:
    return json.dumps(described(item)).encode()


def _spread(count: int) -> list[int]:
    """Return some of the numbers below ``count``, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, _LOOKED_AT))})


def _order_digest(loader: Any) -> str | None:
    """Digest the numbers that a sampler of the user's own draws, batch by batch; None for one after the other."""
    batches = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    if type(loader.sampler) is SequentialSampler and type(batches) in (BatchSampler, SequentialSampler):
        return None
    return digest(*(repr(numbers).encode() for numbers in batches))

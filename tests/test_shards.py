"""Shards: files that make one Zarr array, cut so that they are neither small nor many."""

from math import prod

import numpy as np
import pytest
import zarr

from neuroprobe.responses import labelled
from neuroprobe.shards import Shards, write_metadata, write_responses


def responses(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.mark.parametrize("images", [None, 1, 10, 50_000, 1_000_000])
@pytest.mark.parametrize("row", [(1,), (33,), (4000,), (12416,), (64, 224, 224), (512, 7, 7), (768, 197)])
def test_files_and_blocks_have_a_sane_size(row, images):
    cut = Shards.of(row, images)
    assert cut.images * prod(row) <= max(2**24, prod(row))  # 64 MiB, or one image
    assert prod(cut.block) <= max(2**16, 2 * prod(row[1:]))
    assert cut.images % cut.block[0] == 0
    assert cut.images <= (images or cut.images)
    assert cut.images * prod(row) > min(2**23, (images or 2**23) * prod(row) - 1) // 2  # no small files


def test_a_unit_is_read_from_few_bytes():
    cut = Shards.of((4000,), 1_000_000)
    files = -(-1_000_000 // cut.images)
    assert files * prod(cut.block) * 4 <= 65e6
    assert files == 245


@pytest.mark.parametrize("shape", [(23, 5), (23, 40), (7, 3, 4, 4), (9, 2, 6)])
def test_shards_and_metadata_are_a_zarr_array(tmp_path, monkeypatch, shape):
    monkeypatch.setattr("neuroprobe.shards._SHARD", 8 * prod(shape[1:]))
    monkeypatch.setattr("neuroprobe.shards._BLOCK", 4 * prod(shape[1:]))
    values = responses(*shape)
    write_responses(labelled("layer", values), tmp_path / "values")
    stored = zarr.open_array(tmp_path / "values")
    np.testing.assert_array_equal(stored[:], values)
    assert stored.metadata.dimension_names[:2] == ("image", "unit")
    assert len(list((tmp_path / "values").glob("c.*"))) == -(-shape[0] // Shards.of(shape[1:], shape[0]).images)


def test_a_shard_that_is_not_full_holds_what_there_is(tmp_path):
    cut, values = Shards.of((3,), 10), responses(4, 3)
    (tmp_path / cut.file(0)).write_bytes(cut.encoded(values))
    write_metadata(cut, labelled("layer", np.broadcast_to(np.float32(0), (4, 3))), tmp_path)
    np.testing.assert_array_equal(zarr.open_array(tmp_path)[:], values)


def test_the_same_responses_make_the_same_bytes():
    cut, values = Shards.of((40,), 100), responses(100, 40)
    assert cut.encoded(values) == cut.encoded(values.copy())


def test_it_comes_back_from_json():
    cut = Shards.of((5, 2, 2), 100)
    assert Shards.from_json({"row": [5, 2, 2], "images": cut.images, "block": list(cut.block)}) == cut

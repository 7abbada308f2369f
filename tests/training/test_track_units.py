"""Units followed over checkpoints, in networks whose units are known."""

import re

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from safetensors.torch import save_file
from torch import nn

import neuroprobe

SIDE = 16


def network(*weights):
    """One layer whose units each see one channel with a weight, or turn; logits are the units' means."""
    made = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        made[0].weight.copy_(torch.tensor(weights)[:, :, None, None])
    return made


SAME = [1.0, 1.0, 1.0]  # sees all classes alike
RED, GREEN, SILENT = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, -1.0]
PHOTOGRAPHS = torch.eye(3).repeat(12, 1)[:, :, None, None].expand(-1, -1, SIDE, SIDE), torch.arange(36) % 3


@pytest.fixture
def checkpoints(tmp_path):
    """Unit 0 comes to see class 0 alone, unit 1 sees class 1 all along, unit 2 dies."""
    torch.save(network(SAME, GREEN, SAME).state_dict(), tmp_path / "epoch-0000.pt")
    save_file(network([2.0, 1.0, 1.0], GREEN, SAME).state_dict(), tmp_path / "epoch-0001.safetensors")
    torch.save(network(RED, GREEN, SILENT).state_dict(), tmp_path / "epoch-0010.pt")
    (tmp_path / "notes-epoch-3.txt").write_text("no checkpoint")
    torch.save({}, tmp_path / "other.pt")
    return tmp_path


def track(checkpoints, **options):
    return neuroprobe.track_units(
        network(SAME, SAME, SAME), checkpoints, PHOTOGRAPHS, **{"preprocess": None, "orientation": False} | options
    )


def test_a_unit_becomes_selective_and_another_dies(checkpoints):
    development = track(checkpoints)
    assert development.epochs.index.tolist() == [0, 1, 10]
    si = development.curves["1"].si
    np.testing.assert_allclose(si.sel(unit=0), [0, (2 - 1) / (2 + 1), 1], atol=1e-6)
    np.testing.assert_allclose(si.sel(unit=1), [1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(si.sel(unit=2), [0, 0, np.nan], atol=1e-6)
    assert development.curves["1"].status.sel(unit=2).to_numpy().tolist() == ["ok", "ok", "dead"]
    assert development.curves["1"].preferred_class.sel(epoch=10, unit=[0, 1]).to_numpy().tolist() == [0, 1]
    assert development.layers.dead.tolist() == [0, 0, 1]
    np.testing.assert_allclose(development.layers.mean_si, [1 / 3, 4 / 9, 1], atol=1e-6)  # the dead left out
    # the largest of equal logits is the first; class 2 never has a unit of its own
    assert development.epochs.accuracy.round(6).tolist() == [round(x / 3, 6) for x in (1, 1, 2)]


def test_the_summary_has_the_first_epoch_beside_the_last(checkpoints):
    row = track(checkpoints).summary().loc["1"]
    assert (row.units, row.ok, row.dead) == (3, 2, 1)
    assert (row.mean_si_first, row.mean_si_last, row.median_si) == pytest.approx((1 / 3, 1, 1), abs=1e-6)
    assert (
        repr(track(checkpoints)) == "Development(Sequential, 3 units, 1 layers, median si 1.00, 3 epochs from 0 to 10)"
    )


def test_orientation_is_followed_too(checkpoints):
    development = track(checkpoints, orientation=True)
    layers = development.layers
    assert (layers.mean_gosi.loc[:9] < 0.01).all()  # sums over places do not know how stripes lie
    assert layers.unresponsive.tolist() == [0, 0, 0]  # the silent one is dead
    assert list(layers) == ["units", "mean_si", "dead", "mean_gosi", "median_gosi", "unresponsive"]


def test_each_epoch_is_what_the_public_call_measures(checkpoints):
    development = track({3: checkpoints / "epoch-0001.safetensors"})
    alone = neuroprobe.class_selectivity(
        network([2.0, 1.0, 1.0], GREEN, SAME), PHOTOGRAPHS, permutations=0, preprocess=None
    )
    columns = ["si", "si_cv", "d_prime", "preferred_class", "status"]
    assert_frame_equal(development.units[columns], alone.units[columns], check_dtype=False)
    assert development.meta["weights"] == alone.meta["weights"]


def test_what_was_saved_is_what_loads(checkpoints, tmp_path):
    development = track(checkpoints, orientation=True)
    loaded = neuroprobe.load(development.save(tmp_path / "development.zarr"))
    assert type(loaded) is type(development)
    for name, table in development.tables.items():
        assert_frame_equal(table, loaded.tables[name], check_exact=True)
    assert loaded.curves["1"].identical(development.curves["1"])
    assert loaded.meta == development.meta


def test_the_network_is_left_as_it_was(checkpoints, left_alone):
    given = network(RED, RED, RED).train()
    with left_alone(given):
        neuroprobe.track_units(given, checkpoints, PHOTOGRAPHS, preprocess=None, orientation=False)


def test_a_checkpoint_of_lightning_is_read_and_counts_from_0(tmp_path):
    state = {f"network.{name}": tensor for name, tensor in network(RED, GREEN, SAME).state_dict().items()}
    torch.save({"state_dict": state, "epoch": 2}, tmp_path / "epoch=2-step=400.ckpt")
    development = track(tmp_path)
    assert development.epochs.index.tolist() == [3]
    assert development.units.si.iloc[0] == pytest.approx(1)


def test_a_checkpoint_of_another_architecture_is_named(checkpoints):
    torch.save(nn.Linear(2, 2).state_dict(), checkpoints / "epoch-0020.pt")
    with pytest.raises(ValueError, match=r"epoch-0020\.pt are not those of this Sequential: 1 missing \(0\.weight\)"):
        track(checkpoints)


def test_two_files_of_one_epoch_are_refused(checkpoints):
    torch.save({}, checkpoints / "epoch-1-again.pt")
    with pytest.raises(ValueError, match=r"epoch-0001\.safetensors and epoch-1-again\.pt are both of epoch 1"):
        track(checkpoints)


def test_a_folder_without_checkpoints_says_what_is_wanted(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"there are none in folder {re.escape(str(tmp_path))}"):
        track(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*elsewhere"):
        track(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="there are none in the mapping"):
        track({})


def test_cnn7_comes_to_tell_real_photographs_apart(photographs, tmp_path):
    torch.manual_seed(0)
    untrained, trained = (neuroprobe.load_network("cnn7", weights) for weights in (None, "default"))
    for epoch, state in ((0, untrained), (40, trained)):
        save_file(state.state_dict(), tmp_path / f"epoch-{epoch:04d}.safetensors")
    images, labels = photographs
    development = neuroprobe.track_units(untrained, tmp_path, (images[:400], labels[:400]), layers=["relu2", "relu6"])
    assert development.epochs.accuracy[0] < 0.3
    assert development.epochs.accuracy[40] > 0.8
    layers = development.layers
    assert layers.mean_si[40, "relu6"] > layers.mean_si[0, "relu6"] + 0.2
    assert layers.median_gosi[40, "relu2"] > layers.median_gosi[0, "relu2"] + 0.2

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from pandas.testing import assert_frame_equal
from small_training import ItsOwnNetwork, Learner, Penalised, fitted, labelled, network
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

import neuroprobe

pytestmark = [
    pytest.mark.filterwarnings("ignore:The .*_dataloader. does not have many workers"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),  # Lightning, on torch of today
]


@pytest.fixture
def tracker():
    def make(**options):
        return neuroprobe.UnitTracker(labelled(60, seed=1), **{"preprocess": None} | options)

    return make


def assert_same(one, other):
    for name, table in one.tables.items():
        assert_frame_equal(table, other.tables[name], check_exact=True)
    assert list(one.curves) == list(other.curves)
    assert all(curves.identical(other.curves[layer]) for layer, curves in one.curves.items())
    assert one.meta == other.meta


def epochs(tracker):
    return tracker.result.epochs.index.tolist()


class Marks(Callback):
    """Note what a measurement could disturb: random state, modes and gradients, at each step."""

    def __init__(self):
        self.noted = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        modes = [module.training for module in pl_module.modules()]
        gradients = [None if p.grad is None else p.grad.clone() for p in pl_module.parameters()]
        self.noted.append((torch.get_rng_state(), modes, batch[0].sum(), gradients))


@pytest.mark.parametrize("learner", [Learner, Penalised])
def test_training_is_what_it_is_without_the_tracker(tracker, learner):
    alone, beside = Marks(), Marks()
    without, _ = fitted(alone, learner=learner)
    followed, _ = fitted(tracker(), beside, learner=learner)
    assert_close(dict(followed.state_dict()), dict(without.state_dict()), rtol=0, atol=0)
    assert len(alone.noted) == 9
    for one, other in zip(alone.noted, beside.noted, strict=True):
        assert_close(one[:3], other[:3], rtol=0, atol=0)
        assert all(torch.equal(a, b) for a, b in zip(one[3], other[3], strict=True) if a is not None)
        assert [a is None for a in one[3]] == [b is None for b in other[3]]


def test_it_measures_what_the_public_calls_measure(tracker):
    followed = tracker()
    module, _ = fitted(followed, epochs=2)
    result, data = followed.result, labelled(60, seed=1)
    classes = neuroprobe.class_selectivity(module.network, data, permutations=0, preprocess=None)
    tuning = neuroprobe.orientation(module.network, input_size=12, permutations=0, preprocess=None)
    for measured, columns in ((classes, ["si", "si_cv", "preferred_class"]), (tuning, ["gosi", "preferred_frequency"])):
        expected = measured.units[columns].astype("float32")
        assert_frame_equal(result.units[columns].astype("float32"), expected)
    assert result.meta["weights"] == classes.meta["weights"]
    module.eval()
    logits = module.network(data[0])
    assert result.epochs.accuracy[2] == pytest.approx((logits.argmax(1) == data[1]).float().mean().item())
    assert result.epochs.loss[2] == pytest.approx(torch.nn.functional.cross_entropy(logits, data[1]).item(), rel=1e-5)


def test_epoch_0_is_the_untrained_network(tracker):
    followed = tracker(orientation=False)
    fitted(followed, epochs=1, seed=3)
    torch.manual_seed(3)
    untrained = neuroprobe.class_selectivity(network(), labelled(60, seed=1), permutations=0, preprocess=None)
    found = followed.result.curves["2"].si.sel(epoch=0).to_numpy()
    np.testing.assert_allclose(found, untrained.units.si.loc["2"], rtol=1e-6)


@pytest.mark.parametrize(("every", "expected"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4, 5]), (9, [0, 5])])
def test_it_looks_before_the_first_epoch_each_so_many_and_after_the_last(tracker, every, expected):
    followed = tracker(every=every, orientation=False, layers=["2"])
    fitted(followed, epochs=5)
    assert epochs(followed) == expected


def test_training_that_stops_early_is_followed_to_its_end(tracker):
    class Stop(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == 2

    followed = tracker(every=10, orientation=False, layers=["2"])
    fitted(followed, Stop(), epochs=20)
    assert epochs(followed) == [0, 3]


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty")
@pytest.mark.parametrize("at_the_end_of", ["training", "validation"])
def test_training_that_goes_on_from_a_checkpoint_ends_with_the_same_result(tracker, tmp_path, at_the_end_of):
    def follow(**options):
        followed = tracker(every=2)
        keep = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_on_train_epoch_end=at_the_end_of == "training")
        fitted(followed, keep, epochs=5, learner=ItsOwnNetwork, shuffle=False, enable_checkpointing=True, **options)
        return followed

    whole = follow()
    state = torch.load(tmp_path / "epoch=1.ckpt", weights_only=True)  # nothing in it that could run code
    assert "UnitTracker" in state["callbacks"]
    again = follow(seed=9, ckpt_path=tmp_path / "epoch=1.ckpt")
    assert epochs(again) == epochs(whole) == [0, 2, 4, 5]
    assert_same(again.result, whole.result)


def test_what_travels_in_a_checkpoint_comes_back_as_it_was(tracker, tmp_path):
    followed, other = tracker(), tracker()
    fitted(followed, epochs=1)
    torch.save(followed.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert_same(other.result, followed.result)


def test_a_tracker_begins_anew_with_a_new_training(tracker):
    followed, fresh = tracker(), tracker()
    fitted(followed, epochs=2)
    fitted(followed, epochs=1, seed=5)
    fitted(fresh, epochs=1, seed=5)
    assert_same(followed.result, fresh.result)


def test_a_trainer_that_fits_on_is_followed_on(tracker):
    followed = tracker(layers=["2"])
    module, trainer = fitted(followed, epochs=1)
    trainer.fit_loop.max_epochs = 3
    trainer.fit(module, DataLoader(TensorDataset(*labelled()), 16))
    assert epochs(followed) == [0, 1, 2, 3]


def test_a_module_that_is_its_own_network_is_followed(tracker):
    followed = tracker()
    fitted(followed, epochs=1, learner=ItsOwnNetwork)
    assert followed.result.layer_names == ["relu"]
    assert followed.result.meta["model"] == "ItsOwnNetwork"


def test_photographs_without_labels_give_orientation_and_no_accuracy():
    followed = neuroprobe.UnitTracker(labelled(20)[0], classes=False, preprocess=None)
    fitted(followed, epochs=1)
    assert followed.result.headline == "gosi"
    assert followed.result.epochs.accuracy.isna().all()
    assert list(followed.result.layers) == ["units", "mean_gosi", "median_gosi", "unresponsive"]


def test_stimuli_are_those_given(tracker):
    bars = neuroprobe.stimuli.bars(12, orientations=4, widths=[2], lengths=[8], positions=1)
    followed = tracker(stimuli=bars, classes=False)
    fitted(followed, epochs=1)
    assert followed.result.meta["stimuli"]["kind"] == "bars"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be a whole number from 1; 0 came"),
        ({"classes": False, "orientation": False}, "leave nothing to follow"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_once(tracker, options, message):
    with pytest.raises(ValueError, match=message):
        tracker(**options)


def test_what_is_wrong_comes_before_the_first_epoch_is_trained(tracker):
    marks = Marks()
    with pytest.raises(neuroprobe.addresses.UnknownLayerError, match="no layer 'relu9'"):
        fitted(tracker(layers=["relu9"]), marks)
    assert not marks.noted


def test_there_is_no_result_before_training(tracker):
    with pytest.raises(RuntimeError, match="nothing was followed yet"):
        _ = tracker().result

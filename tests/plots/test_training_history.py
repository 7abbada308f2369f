from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import nn

from neuroprobe import plots
from neuroprobe.results import TrainingRun


def run(**columns):
    """Three epochs of a training without validation photographs."""
    nothing = dict.fromkeys(["val_loss", "val_accuracy", "si", "gosi"], np.nan)
    history = pd.DataFrame({"train_loss": [2.3, 2.29, 2.28], **nothing, **columns}, index=[1, 2, 3])
    meta = {"network": "planted", "epoch": 3}
    return TrainingRun(nn.Identity(), history, {"loss": 2.29, "accuracy": 0.155}, meta, Path())


def test_without_validation_photographs_noise_does_not_fill_the_axes():
    loss, accuracy = plots.training_history(run()).axes
    assert np.ptp(loss.get_ylim()) == pytest.approx(0.1)
    assert accuracy.get_ylim() == pytest.approx((0.13, 0.18))


def test_a_training_that_learns_sets_its_own_axes():
    _, accuracy, selectivity = plots.training_history(run(val_accuracy=[0.1, 0.5, 0.9], si=[0.1, 0.2, 0.3])).axes
    assert accuracy.get_ylim() == pytest.approx((0.06, 0.94))
    assert np.ptp(selectivity.get_ylim()) == pytest.approx(0.22)

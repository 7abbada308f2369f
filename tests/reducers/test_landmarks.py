import numpy as np
import pytest
from small_batches import IMAGES, batch

from neuroprobe.reducers import Landmarks, observed


def test_landmarks_are_images_0_1_2_4_8_with_their_fingerprints():
    both = Landmarks.of(batch(np.arange(5, IMAGES))) + Landmarks.of(batch(np.arange(5)))
    assert both.known == pytest.approx({number: number / 7 for number in (0, 1, 2, 4, 8)})


def test_images_that_nobody_knows_again_are_an_error():
    with pytest.raises(ValueError, match="need the fingerprints of images, which this batch came without"):
        Landmarks.of(observed([[1.0]]))

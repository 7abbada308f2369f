import numpy as np
import pytest
import torch

from neuroprobe.stimuli.plane import gaussian, inscribed_radius, known_window, pixels, window_profile


def laid_out(height, width):
    return pixels(height, width, like=torch.zeros(1, dtype=torch.float64))


def test_the_origin_is_pixel_h_half_w_half_and_y_runs_up():
    x, y = laid_out(4, 5)
    assert x.tolist() == [-2, -1, 0, 1, 2]
    assert y.tolist() == [2, 1, 0, -1]


@pytest.mark.parametrize(("size", "radius"), [((41, 61), 20.5), ((32, 32), 15.5), ((33, 20), 9.5), ((1, 9), 0.5)])
def test_the_inscribed_disc_touches_the_nearest_edge_of_the_image(size, radius):
    x, y = laid_out(*size)
    edges = [0.5 - x[0], x[-1] + 0.5, y[0] + 0.5, 0.5 - y[-1]]
    assert inscribed_radius(*size) == radius == min(edges)


@pytest.mark.parametrize("size", [(32, 32), (41, 61)])
def test_a_disc_has_the_area_of_a_circle_and_its_edge_no_steps(size):
    profile = window_profile("circular", *laid_out(*size))[0]
    assert profile.sum().item() == pytest.approx(np.pi * inscribed_radius(*size) ** 2, rel=2e-3)
    assert ((profile > 0) & (profile < 1)).any()
    assert profile[0, 0] == 0
    assert profile[size[0] // 2, size[1] // 2] == 1


def test_a_gaussian_falls_to_e_to_minus_half_at_its_sd_from_its_middle():
    x, y = laid_out(21, 21)
    patch = gaussian((x - 4)[None], (y + 3)[None], 5.0)[0]
    assert patch[10 + 3, 10 + 4] == 1
    assert patch[10 + 3, 10 + 4 - 5].item() == pytest.approx(np.exp(-0.5))
    assert patch[10 + 3 - 5, 10 + 4 - 5].item() == pytest.approx(np.exp(-1))


def test_an_unknown_window_is_named():
    with pytest.raises(ValueError, match="window is None, 'circular' or 'gaussian'; 'hann' came"):
        known_window("hann")

import numpy as np
import pytest
import torch

from neuroprobe.stimuli.coverage import coverage

X, Y = (axis.ravel().double() for axis in torch.meshgrid(torch.arange(-8, 9), torch.arange(-8, 9), indexing="xy"))


def polygon(corners, dtype=torch.float64):
    corners = torch.tensor(corners, dtype=dtype)
    return coverage(corners.expand(len(X), *corners.shape), X.to(dtype), Y.to(dtype))


def rectangle(width, height, degrees, middle=(0.0, 0.0)):
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]]) * [width / 2, height / 2]
    return corners @ rotation.T + middle


def counted(corners, fine=200):
    """The share of fine points of each pixel that lie to the left of every edge."""
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    x, y = (axis.numpy()[:, None, None] for axis in (X, Y))
    x, y = x + offsets[:, None], y + offsets[None, :]
    inside = np.ones((len(X), fine, fine), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
    return inside.mean((1, 2))


@pytest.mark.parametrize("degrees", [0, 15, 45, 90, 133.7])
def test_coverage_is_what_counting_fine_points_gives(degrees):
    corners = rectangle(7.3, 1.2, degrees, (0.4, -0.7))
    np.testing.assert_allclose(polygon(corners), counted(corners), atol=6e-3)


def test_a_pixel_cut_through_its_diagonal_is_half_covered():
    triangle = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5]]
    shares = polygon(triangle)
    assert shares[(X == 0) & (Y == 0)].item() == pytest.approx(0.5)
    assert shares.sum().item() == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("degrees", [0, 1e-12, 1e-5, 30, 45, 90 - 1e-9, 90, 179.99])
def test_shares_add_up_to_the_area_at_any_angle_in_any_precision(degrees, dtype):
    shares = polygon(rectangle(9.1, 0.3, degrees, (0.25, 0.5)), dtype)
    assert shares.sum().item() == pytest.approx(9.1 * 0.3, rel=1e-5)
    assert shares.min() >= 0
    assert shares.max() <= 1


def test_what_lies_beside_or_below_a_polygon_is_not_covered():
    shares = polygon(rectangle(4, 2, 30, (0, 5)), torch.float32)
    assert (shares[(Y < 2) | (X.abs() > 4)] == 0).all()

import numpy as np
import pytest
import torch

from neuroprobe.stimuli import gratings


def ukita_images(side, n_frequencies):
    """Ukita's own loop (METHODS 2.1): frequency, theta and phase to an image scaled to [0, 1]."""
    x, y = np.meshgrid(np.arange(side) - side // 2, np.arange(side) - side // 2)
    for s in range(n_frequencies):
        k = np.pi / (side / 2 + 4) * (s + 1)
        for theta in np.deg2rad(15 * np.arange(12)):
            for phase in np.deg2rad(90 * np.arange(4)):
                pattern = np.cos(k * (np.cos(theta) * x - np.sin(theta) * y) + phase)
                yield k / (2 * np.pi), np.rad2deg(theta), (pattern - pattern.min()) / np.ptp(pattern)


def one(**given):
    """A single image, (H, W)."""
    settings = {"size": (1, 41, 41), "orientations": [0, 45, 90], "frequencies": [0.05], "phases": [0]} | given
    stimuli = gratings(settings.pop("size"), **settings)
    return {row.orientation: stimuli.images([row.Index])[0, 0] for row in stimuli.parameters.itertuples()}


def test_the_default_set():
    stimuli = gratings(224)
    assert stimuli.size == (3, 224, 224)
    assert list(stimuli.axes) == ["frequency", "orientation", "phase"]
    np.testing.assert_allclose(stimuli.axes["frequency"], 0.025 * 10 ** (np.arange(6) / 5))
    np.testing.assert_array_equal(stimuli.axes["orientation"], 15 * np.arange(12))
    np.testing.assert_array_equal(stimuli.axes["phase"], 45 * np.arange(8))
    assert stimuli.settings == {"contrast": 1.0, "mean": 0.5, "window": None, "rescaled": False}


def test_orientation_is_that_of_the_stripes_counter_clockwise_from_horizontal():
    images = one(phases=[30])
    horizontal, rising, vertical = (images[orientation] for orientation in (0, 45, 90))
    torch.testing.assert_close(horizontal, horizontal[:, :1].expand(-1, 41))
    torch.testing.assert_close(vertical, vertical[:1].expand(41, -1))
    torch.testing.assert_close(rising[1:, :-1], rising[:-1, 1:])  # one up and one to the right: the same stripe


def test_phase_is_counted_at_the_pixel_h_half_w_half_with_y_up():
    image = one(size=(1, 20, 30), frequencies=[0.1], phases=[60])[0]
    assert image[10, 15].item() == pytest.approx(0.75)
    assert image[9, 15].item() == pytest.approx(0.5 + 0.5 * np.cos(np.deg2rad(36 + 60)))


def test_every_pixel_follows_the_formula_to_a_ten_thousandth():
    stimuli = gratings((1, 512, 500), orientations=[7, 62, 131], frequencies=[0.4987], phases=[33])
    x, y = np.arange(500) - 250, 256 - np.arange(512)[:, None]
    for orientation, image in zip(stimuli.axes["orientation"], next(stimuli.batches()), strict=True):
        wave = np.deg2rad(orientation + 90)
        phase = 2 * np.pi * 0.4987 * (x * np.cos(wave) + y * np.sin(wave)) + np.deg2rad(33)
        np.testing.assert_allclose(image[0], 0.5 + 0.5 * np.cos(phase), atol=2e-6)


def test_contrast_and_mean_set_the_levels():
    image = one(contrast=0.5, mean=0.6, frequencies=[0.25])[0]
    assert (image.min().item(), image.max().item()) == (pytest.approx(0.3), pytest.approx(0.9))
    assert gratings(8, contrast=0.5, mean=0.6).blank_level == 0.6


def test_a_circular_window_is_a_disc_as_wide_as_the_shorter_side():
    plain, windowed = (one(size=(1, 41, 61), window=window)[90] for window in (None, "circular"))
    y, x = np.mgrid[-20:21, -30:31]
    inside, outside = (torch.tensor(x**2 + y**2 < 20**2), torch.tensor(x**2 + y**2 > 21**2))
    assert torch.equal(windowed[inside], plain[inside])
    assert (windowed[outside] == 0.5).all()
    assert (windowed - 0.5).abs()[~inside & ~outside].le((plain - 0.5).abs()[~inside & ~outside]).all()


def test_a_gaussian_window_has_a_sixth_of_the_shorter_side_as_its_sd():
    windowed = one(size=(1, 60, 90), window="gaussian", frequencies=[0.1])[90]
    assert windowed[40, 45].item() == pytest.approx(0.5 + 0.5 * np.exp(-0.5))  # one sd up the central stripe


def test_ukita2020_is_ukitas_own_set():
    stimuli = gratings(32, preset="ukita2020")
    assert len(stimuli) == 432
    ours = torch.cat(list(stimuli.batches()))[:, 0].numpy()
    table = stimuli.parameters
    unmatched = set(range(432))
    for frequency, theta, image in ukita_images(32, 9):
        alike = np.isclose(table.frequency, frequency) & np.isclose(table.orientation, (theta + 90) % 180)
        close = [row for row in np.flatnonzero(alike) if np.abs(ours[row] - image).max() < 1e-5]
        assert len(close) == 1
        unmatched -= set(close)
    assert not unmatched


def test_ukita2020_at_224_pixels():
    stimuli = gratings(224, preset="ukita2020")
    assert (len(stimuli), stimuli.blank_level) == (2736, 0.5)
    assert stimuli.axes["frequency"][[0, -1]] == pytest.approx([1 / 232, 57 / 232])
    image = stimuli.images([1000])
    assert (image.min(), image.max()) == (0, 1)


def test_arguments_override_the_preset():
    stimuli = gratings(64, preset="ukita2020", n_frequencies=3, orientations=6, phases=[0, 10])
    assert stimuli.shape == (3, 6, 2)
    assert stimuli.axes["frequency"] == pytest.approx(np.array([1, 2, 3]) / 72)
    assert gratings(64, preset="ukita2020", frequencies=[0.2, 0.1]).axes["frequency"].tolist() == [0.1, 0.2]


def test_a_pattern_that_vanishes_at_nyquist_is_grey_not_stretched_noise():
    stimuli = gratings(32, preset="ukita2020", frequencies=[0.5], orientations=[0, 45, 90], phases=[90])
    assert (stimuli.images([0, 2]) == 0.5).all()


def test_ringach2002_shows_the_default_set():
    ours, default = gratings(16, preset="ringach2002"), gratings(16)
    assert ours.preset == "ringach2002"
    assert ours.shape == default.shape
    assert torch.equal(ours.images([100]), default.images([100]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"frequencies": [0, 0.1]}, r"up to 0.5 cycles/pixel \(Nyquist\); 0 came"),
        ({"frequencies": [0.1, 0.51]}, "0.51 came"),
        ({"frequencies": [0.1, 0.2, 0.1]}, "frequencies must all differ; 0.1 came twice"),
        ({"frequencies": 0.1}, "frequencies as a count is a whole number, 1 or more; 0.1 came"),
        ({"frequencies": []}, r"frequencies .* shape \(0,\) came"),
        ({"orientations": 2}, "orientations as a count is a whole number, 3 or more; 2 came"),
        ({"orientations": [0, 90]}, r"3 or more values; shape \(2,\) came"),
        ({"orientations": [0, 90, 180]}, "orientations modulo 180 must all differ; 0 came twice"),
        ({"orientations": [0, 90, np.nan]}, "orientations must be finite; nan came"),
        ({"phases": [0, 360]}, "phases modulo 360 must all differ; 0 came twice"),
        ({"phases": 0}, "phases as a count is a whole number, 1 or more; 0 came"),
        ({"contrast": 0}, r"contrast lies in \(0, 1\]; 0 came"),
        ({"contrast": -0.5}, "-0.5 came"),
        ({"contrast": 1.2}, "1.2 came"),
        ({"contrast": np.nan}, "nan came"),
        ({"mean": 0.7}, "mean 0.7 with contrast 1 spans 0 to 1.4"),
        ({"mean": 0}, "mean 0 with contrast 1 spans 0 to 0"),
        ({"mean": np.nan}, "mean nan"),
        ({"window": "square"}, "window is None, 'circular' or 'gaussian'; 'square' came"),
        ({"preset": "ukita"}, "preset 'ukita' is not known; gratings have 'ringach2002', 'ukita2020'"),
        ({"preset": "ukita2020", "contrast": 0.5}, "contrast has no meaning in it; contrast=0.5 came"),
        ({"preset": "ukita2020", "mean": 0.4}, "mean=0.4 came"),
        ({"preset": "ukita2020", "window": "circular"}, "window='circular' came"),
        ({"preset": "ukita2020"}, "for sides 32 and 224; 48 came: pass stimuli=.*n_frequencies="),
        ({"preset": "ukita2020", "n_frequencies": 30}, "0.535714 came"),
        ({"preset": "ukita2020", "n_frequencies": 0}, "n_frequencies as a count .* 0 came"),
        ({"preset": "ukita2020", "n_frequencies": 9, "frequencies": 4}, "not both; 4 and 9 came"),
        ({"n_frequencies": 9}, "preset None has none: give frequencies=9"),
        ({"preset": "ringach2002", "n_frequencies": 9}, "preset 'ringach2002' has none"),
    ],
)
def test_what_makes_no_grating_is_refused_by_its_value(given, message):
    with pytest.raises(ValueError, match=message):
        gratings(48, **given)

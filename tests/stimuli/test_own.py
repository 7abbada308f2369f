import pickle
from json import dumps

import numpy as np
import pandas as pd
import pytest
import torch

from neuroprobe.stimuli import from_function, from_images, gratings

ORIENTATIONS = [0, 45, 90, 135]
TABLE = {"orientation": ORIENTATIONS * 2, "gap": [1.5] * 4 + [3] * 4}


def rising(orientation, gap):
    """An image (6, 6) that tells which one it is."""
    return np.full((6, 6), (orientation + gap) / 180)


def pictures(table=TABLE):
    return np.stack([rising(*row) for row in zip(table["orientation"], table["gap"], strict=True)]).astype(np.float32)


def test_a_table_of_images_is_a_set_of_them():
    stimuli = from_images(pictures(), TABLE)
    assert list(stimuli.axes) == ["orientation", "gap"]
    assert stimuli.axes["gap"].tolist() == [1.5, 3]
    for row in stimuli.parameters.itertuples():
        np.testing.assert_allclose(stimuli[row.Index], (row.orientation + row.gap) / 180, rtol=1e-6)


@pytest.mark.parametrize("as_table", [pd.DataFrame, dict])
def test_the_rows_of_a_table_come_in_any_order(as_table):
    order = np.random.default_rng(0).permutation(8)
    shuffled = {name: np.array(values)[order] for name, values in TABLE.items()}
    stimuli = from_images(pictures()[order], as_table(shuffled))
    assert torch.equal(torch.cat(list(stimuli.batches(3))), torch.cat(list(from_images(pictures(), TABLE).batches())))


@pytest.mark.parametrize(
    ("shape", "size"), [((8, 6, 7), (3, 6, 7)), ((8, 1, 6, 7), (1, 6, 7)), ((8, 3, 6, 7), (3, 6, 7))]
)
def test_grey_images_are_shown_to_three_channels_and_coloured_ones_as_they_are(shape, size):
    images = torch.rand(shape)
    stimuli = from_images(images, TABLE)
    assert stimuli.size == size
    drawn = next(stimuli.batches(8))
    assert drawn.shape == (8, *size)
    order = [0, 4, 1, 5, 2, 6, 3, 7]  # orientation slowest
    assert torch.equal(drawn, (images if images.ndim == 4 else images[:, None]).expand(8, *size)[order])


def test_a_function_draws_every_combination():
    stimuli = from_function(rising, {"orientation": ORIENTATIONS, "gap": [3, 1.5]}, 6)
    assert repr(stimuli) == "StimulusSet(rising: 4 orientation x 2 gap = 8 images of 3x6x6)"
    assert torch.equal(torch.cat(list(stimuli.batches())), torch.cat(list(from_images(pictures(), TABLE).batches())))
    assert stimuli.describe()["settings"] == {"function": f"{__name__}.rising"}


@pytest.mark.parametrize("made", [np.zeros((2, 6, 6)), torch.zeros(2, 6, 6), np.zeros((6, 6)), torch.zeros(6, 6)])
def test_a_function_may_draw_grey_or_colour_tensors_or_arrays(made):
    stimuli = from_function(lambda orientation: made, {"orientation": ORIENTATIONS}, (2, 6, 6))
    assert torch.equal(next(stimuli.batches()), torch.zeros(4, 2, 6, 6))


def test_a_function_draws_only_what_is_shown():
    seen = []
    stimuli = from_function(lambda number: seen.append(number) or np.zeros((4, 4)), {"number": range(100)}, 4)
    batches = stimuli.batches(10)
    assert seen == [0]  # a trial
    next(batches)
    assert seen == [0, *range(10)]


def test_what_is_pooled_is_phase_or_what_is_named():
    axes = {"orientation": ORIENTATIONS, "phase": [0, 180], "gap": [1, 2]}

    def draw(**_):
        return np.zeros((4, 4))

    assert from_function(draw, axes, 4).searched == ("gap",)
    assert from_function(draw, axes, 4, pooled=["gap", "phase"]).pooled == ("phase", "gap")
    assert from_function(draw, axes, 4, pooled=[]).searched == ("phase", "gap")


def test_the_blank_is_a_level_or_an_image():
    assert (from_images(pictures(), TABLE, blank=0.25).blank == 0.25).all()
    picture = torch.rand(6, 6)
    assert torch.equal(from_images(pictures(), TABLE, blank=picture).blank, picture.expand(3, 6, 6))


def test_a_description_has_a_digest_of_what_was_shown():
    one, same, other = (from_images(pictures() * scale, TABLE).describe() for scale in (1, 1, 0.5))
    assert one["digest"] == same["digest"] != other["digest"]
    drawn = from_function(rising, {"orientation": ORIENTATIONS, "gap": [1.5, 3]}, 6).describe()
    assert drawn["digest"] == one["digest"]
    assert "digest" not in gratings(8).describe()
    assert dumps(drawn)


def test_sets_of_ones_own_can_be_sent_to_another_process():
    for stimuli in (from_images(pictures(), TABLE), from_function(rising, {"orientation": [0, 90], "gap": [1]}, 6)):
        assert torch.equal(pickle.loads(pickle.dumps(stimuli))[1], stimuli[1])  # noqa: S301 - our own


def test_single_precision_finds_the_same_images():
    table = {"orientation": ORIENTATIONS, "frequency": np.full(4, 0.1)}
    stimuli = from_images(torch.rand(4, 6, 6), table)
    rows = {name: torch.tensor(values, dtype=torch.float32) for name, values in table.items()}
    assert torch.equal(stimuli.draw(rows), stimuli.draw({name: values.double() for name, values in rows.items()}))


def test_images_that_cannot_be_written_to_are_taken():
    frozen = pictures()
    frozen.flags.writeable = False
    assert len(from_images(frozen, TABLE)) == 8


@pytest.mark.parametrize(
    ("images", "table", "message"),
    [
        (torch.rand(8, 6), TABLE, r"\(N, C, H, W\) or grey \(N, H, W\); \(8, 6\) came"),
        (torch.rand(0, 6, 6), {"orientation": []}, r"\(0, 6, 6\) came"),
        (torch.full((8, 6, 6), 255), TABLE, r"images must lie in \[0, 1\]; 255 to 255 came"),
        (torch.full((8, 6, 6), torch.nan), TABLE, "nan to nan came"),
        (torch.rand(7, 6, 6), TABLE, r"row for each of the 7 images; columns of .*'gap': 8.* came"),
        (torch.rand(8, 6, 6), {}, "each of the 8 images"),
        (
            torch.rand(8, 6, 6),
            {"orientation": range(8), "gap": [1, 2] * 4},
            "orientation=0, gap=2 came 0 times in 8 rows",
        ),
        (torch.rand(8, 6, 6), {"orientation": ORIENTATIONS * 2}, "4 combinations .* orientation=0 came 2 times"),
        (torch.rand(2, 6, 6), {"orientation": [0, 180]}, "from 0 to below 180 degrees.* 180 came"),
        (torch.rand(2, 6, 6), {"orientation": [-45, 0]}, "-45 came"),
        (torch.rand(2, 6, 6), {"orientation": [0, np.nan]}, "orientation must be finite; nan came"),
        (
            torch.rand(2, 6, 6),
            {"shape": ["bar", "edge"]},
            r"shape must be a sequence of numbers .*\['bar', 'edge'\] came",
        ),
        (torch.rand(2, 6, 6), {"unit": [1, 2]}, "'unit' came"),
        (torch.rand(2, 6, 6), {3: [1, 2]}, "3 came"),
        (torch.rand(2, 6, 6), np.zeros((2, 1)), "ndarray came"),
    ],
)
def test_images_and_tables_that_do_not_fit_are_named(images, table, message):
    with pytest.raises((ValueError, TypeError), match=message):
        from_images(images, table)


@pytest.mark.parametrize(
    ("blank", "message"),
    [(1.5, r"blank must lie in \[0, 1\]; 1.5 to 1.5 came"), (np.zeros((5, 6)), r"blank .* shape \(5, 6\) came")],
)
def test_a_blank_that_does_not_fit_is_named(blank, message):
    with pytest.raises(ValueError, match=message):
        from_images(pictures(), TABLE, blank=blank)


@pytest.mark.parametrize(
    ("draw", "axes", "options", "message"),
    [
        (rising, {}, {}, "{} came"),
        (rising, [("orientation", [0])], {}, r"\[\('orientation', \[0\]\)\] came"),
        (None, {"orientation": [0]}, {}, "not callable"),
        (rising, {"orientation": [0], "gap": [1]}, {"pooled": ["phase"]}, r"of orientation, gap; \['phase'\] came"),
        (rising, {"orientation": [0, 0], "gap": [1]}, {}, "orientation must all differ; 0 came twice"),
        (rising, {"orientation": [0, 200], "gap": [1]}, {}, "200 came"),
        (rising, {"orientation": [], "gap": [1]}, {}, r"orientation .* shape \(0,\) came"),
        (
            rising,
            {"orientation": [0], "gap": [1]},
            {"size": 7},
            r"draw\(orientation=0, gap=1\) must give .* \(6, 6\) came",
        ),
        (
            rising,
            {"orientation": [0], "gap": [360]},
            {},
            r"draw\(orientation=0, gap=360\) must lie in \[0, 1\]; 2 to 2",
        ),
        (rising, {"orientation": [0], "gap": [1]}, {"pooled": ["orientation"]}, r"\['orientation'\] came"),
        (rising, {"orientation": [0], "gap": [1]}, {"size": 0}, "0 came"),
    ],
)
def test_functions_and_axes_that_do_not_fit_are_named(draw, axes, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        from_function(draw, axes, **({"size": 6} | options))


def test_a_later_image_that_does_not_fit_is_named_when_it_is_drawn():
    stimuli = from_function(lambda level: np.full((4, 4), level), {"level": [0.5, 1.5]}, 4)
    with pytest.raises(ValueError, match=r"draw\(level=1.5\) must lie in \[0, 1\]; 1.5 to 1.5 came"):
        stimuli.images([1])

"""Numbers and words on their way to the page."""

import base64
import json

import numpy as np
import pytest

from neuroprobe.page.encoding import LEVELS, MISSING, packed, scaled, script


def unpacked(said):
    return np.frombuffer(base64.b64decode(said["data"]), np.dtype(said["type"])).reshape(said["shape"])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32", "float32"])
def test_an_array_comes_back_as_it_was(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    np.testing.assert_array_equal(unpacked(packed(array)), array)
    assert packed(array.astype(array.dtype.newbyteorder(">"))) == packed(array)  # whichever end comes first
    np.testing.assert_array_equal(unpacked(packed(array.T)), array.T)


def test_rows_are_scaled_each_to_its_own_range():
    rows = np.array([[0.0, 5.0, 10.0], [-1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    said = scaled(rows)
    back = said["low"][:, None] + said["levels"] / LEVELS * (said["high"] - said["low"])[:, None]
    np.testing.assert_allclose(back, rows, atol=10 / LEVELS)
    assert said["levels"][0].tolist() == [0, LEVELS // 2, LEVELS]


def test_what_is_not_finite_goes_missing_and_does_not_stretch_the_rest():
    said = scaled(np.array([[0.0, np.nan, 2.0], [np.inf, 1.0, 2.0], [np.nan, np.nan, np.nan]]))
    assert said["levels"].tolist() == [[0, MISSING, LEVELS], [MISSING, 0, LEVELS], [MISSING] * 3]
    assert (said["low"].tolist(), said["high"].tolist()) == ([0, 1, 0], [2, 2, 0])


def test_a_script_ends_no_script_and_no_line_whatever_is_in_it():
    words = ["</script><script>alert(1)</script>", "a\u2028b", "quote \" and \\ and '", "<!--", "&amp;"]
    line = script("deliver", "units", {"words": words})
    assert not set("<>&\u2028\u2029") & set(line)
    assert line.count("\n") == 1
    assert json.loads(line.removeprefix('deliver("units",').removesuffix(");\n"))["words"] == words


def test_numbers_that_json_has_not_are_javascript_all_the_same():
    assert script("f", [float("inf"), float("nan")]) == "f([Infinity,NaN]);\n"

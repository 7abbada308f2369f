"""The page in a real browser, from disk: Chromium by Playwright. What a user does, and what may go wrong."""

import ast
import csv
import io
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from planted_results import CLASSES, class_selectivity, recording, shift_invariance, tuning, unit_impact

import neuroprobe
from neuroprobe.analysis.receptive_fields import receptive_fields
from neuroprobe.curves import von_mises
from neuroprobe.results import Tuning

ASKED_FOR = os.environ.get("NEUROPROBE_BROWSER")  # where it is set, a missing browser is a failure
BROWSER = shutil.which(ASKED_FOR) if ASKED_FOR else shutil.which("chromium") or shutil.which("chromium-browser")
NONE, MINUS, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        (pytest.fail if ASKED_FOR else pytest.skip)("Playwright is not installed: pip install -e '.[test]'")
    if not BROWSER:
        why = "no Chromium: install it, or set NEUROPROBE_BROWSER to its program"
        (pytest.fail if ASKED_FOR else pytest.skip)(why)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser):
    """Return a function that opens a page; when the test is over nothing may have gone wrong, nor left the folder."""
    opened = []

    def go(place, fragment="", *, width=1280, height=900, expected=(), **how):
        context = browser.new_context(viewport={"width": width, "height": height}, **how)
        context.set_default_timeout(120_000)  # a machine that is busy with other things is no fault of the page
        page = context.new_page()
        page.troubles, page.expected = [], expected
        page.on("console", lambda said: page.troubles.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (page.troubles.append(dialog.message), dialog.dismiss()))
        folder = place.parent.as_uri()
        page.on("request", lambda asked: asked.url.startswith((folder, "blob:")) or page.troubles.append(asked.url))
        page.goto(place.as_uri() + fragment)
        page.wait_for_load_state()
        opened.append(page)
        return page

    yield go
    for page in opened:
        unexpected = [said for said in page.troubles if not any(words in said for words in page.expected)]
        page.context.close()
        assert not unexpected


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Return the page of one planted result of each kind."""
    results = [tuning(), class_selectivity(), unit_impact(), shift_invariance(), recording()]
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3
    return neuroprobe.atlas(results, tmp_path_factory.mktemp("page") / "atlas", data=images, progress=False)


@pytest.fixture
def copied(planted, tmp_path):
    """Return a copy of the page that may be broken."""
    shutil.copytree(planted.parent, tmp_path / "atlas")
    return tmp_path / "atlas" / "index.html"


def rows(page):
    """Return the names of the units in the table, in order."""
    return page.eval_on_selector_all("tbody tr[data-place] .unit-name", "all => all.map(each => each.textContent)")


def cells(page, column):
    place = page.locator("thead th").all_inner_texts()
    number = next(i for i, text in enumerate(place) if text.split("\n")[0] == column)
    return [row.locator("> *").nth(number).inner_text() for row in page.locator("tbody tr[data-place]").all()]


# Opening


def test_it_opens_from_disk_and_shows_every_unit(planted, visit):
    page = visit(planted)
    assert page.title() == "planted · unit atlas"
    assert page.inner_text("#count") == "8 units"
    assert rows(page) == [f"conv.relu {unit}" for unit in range(3)] + [f"fc.relu {unit}" for unit in range(5)]
    assert page.locator(".layer").count() == 2
    assert page.is_hidden("#card")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_width_in_both_themes(planted, visit, width, scheme):
    page = visit(planted, "#unit=conv.relu:1", width=width, color_scheme=scheme)
    page.wait_for_selector("#card section")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate("(card => card.scrollWidth <= card.clientWidth)(document.getElementById('card'))")
    covers = page.evaluate("document.getElementById('main').inert")
    assert covers == (width == 390)
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 380) == (scheme == "light")


def test_the_theme_is_switched_and_remembered(planted, visit):
    page = visit(planted)
    page.click("text=Dark theme")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.reload()
    assert page.inner_text("#theme") == "Light theme"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("fragment", ["", "#unit=conv.relu:1&min=0.2&where=preferred_class+is+cat", "#min=9"])
def test_what_a_checker_of_accessibility_finds(planted, visit, fragment, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(planted, fragment, color_scheme=scheme)
    page.wait_for_timeout(100)
    found = axe.Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []


# Filtering and sorting


def test_a_threshold_filters_and_stands_in_the_address(planted, visit):
    page = visit(planted)
    page.fill("#threshold", "0.5")
    assert rows(page) == ["fc.relu 2", "fc.relu 3"]
    assert page.inner_text("#count") == "2 of 8 units"
    page.wait_for_url("**#min=0.5")
    assert [layer.split("\n")[1:] for layer in page.locator(".layer").all_inner_texts()] == [
        ["0", "of 3"],
        ["2", "of 5"],
    ]
    page.select_option("#threshold-side", "le")
    assert rows(page) == ["conv.relu 0", "conv.relu 1", "fc.relu 0", "fc.relu 1", "fc.relu 2"]


def test_the_slider_sets_the_threshold_and_lets_go_at_its_end(planted, visit):
    page = visit(planted)
    page.focus("#threshold-slider")
    page.keyboard.press("End")
    assert page.input_value("#threshold") == "1"
    page.keyboard.press("Home")
    assert page.input_value("#threshold") == ""
    assert page.inner_text("#count") == "8 units"


def test_a_layer_is_chosen_in_the_strip_and_let_go(planted, visit):
    page = visit(planted)
    page.click(".layer >> nth=1")
    assert rows(page) == [f"fc.relu {unit}" for unit in range(5)]
    assert page.get_attribute(".layer >> nth=1", "aria-pressed") == "true"
    page.focus(".layer >> nth=1")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert page.input_value("#layer") == "0"
    page.click(".layer >> nth=0")
    assert page.inner_text("#count") == "8 units"


def test_any_column_filters_and_a_filter_is_taken_back(planted, visit):
    page = visit(planted)
    page.click("#add-filter")
    page.select_option("#filter-column", "preferred_class")
    page.select_option("#filter-word", CLASSES[1])
    page.click("text=Add")
    page.select_option("#filter-column", "gosi")
    page.select_option("#filter-test", "known")
    page.click("text=Add")
    assert rows(page) == ["conv.relu 1", "fc.relu 1"]
    page.wait_for_url("**where=gosi+known")
    page.reload()
    assert rows(page) == ["conv.relu 1", "fc.relu 1"]
    assert page.locator("#filters button").all_inner_texts() == [
        f"Preferred class is {CLASSES[1]} {TIMES}",
        f"gOSI is known {TIMES}",
    ]
    page.focus("#filters button >> nth=0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent").startswith("gOSI is known")
    assert page.inner_text("#count") == "6 of 8 units"


def test_where_no_unit_is_left_the_page_says_so_and_the_way_back(planted, visit):
    page = visit(planted, "#min=0.9&layer=conv.relu")
    assert page.inner_text("#nothing").startswith("No unit passes these filters.")
    page.click("#export")
    assert "nothing to export" in page.inner_text("#export-what")
    assert page.is_disabled("#save-csv")
    page.keyboard.press("Escape")
    page.click("text=Clear all filters")
    assert page.inner_text("#count") == "8 units"


def test_a_column_sorts_down_up_and_not_with_missing_values_last(planted, visit):
    page = visit(planted)
    heading = page.locator("thead button", has_text="gOSI").first
    heading.click()
    assert cells(page, "gOSI") == ["0.750", "0.500", "0.250", "0.250", "0.000", "0.000", NONE, NONE]
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("gOSI")
    heading.click()
    assert cells(page, "gOSI") == ["0.000", "0.000", "0.250", "0.250", "0.500", "0.750", NONE, NONE]
    heading.click()
    assert page.evaluate("document.activeElement.textContent") == "gOSI"  # it stays where it was
    assert rows(page)[0] == "conv.relu 0"
    page.locator("thead button", has_text="Tuned").click()
    assert cells(page, "Tuned") == ["no"] * 4 + ["yes"] * 2 + [NONE] * 2


def test_columns_are_chosen(planted, visit):
    page = visit(planted)
    page.click("#columns summary")
    page.check("#columns input[value=worst_class]")
    page.uncheck("#columns input[value=gosi]")
    headings = page.locator("thead th").all_inner_texts()
    assert "Class hit most" in headings
    assert "gOSI" not in headings
    page.wait_for_url("**columns=*")
    page.reload()
    assert "Class hit most" in page.locator("thead th").all_inner_texts()


def test_a_table_of_thousands_draws_only_the_rows_in_sight(visit, tmp_path):
    units = 5000
    table = pd.concat([tuning().units.iloc[[1]]] * units).set_index(
        pd.MultiIndex.from_product([["conv.relu"], range(units)], names=["layer", "unit"])
    )
    table["gosi"] = np.linspace(0, 1, units)
    cube = np.ones((units, *tuning().curves["conv.relu"].shape[1:]), np.float32)
    curves = xr.DataArray(
        cube, {**tuning().curves["conv.relu"].coords, "unit": range(units)}, tuning().curves["conv.relu"].dims
    )
    said = dict(tuning(["conv.relu"]).meta) | {"layers": {"conv.relu": {"kind": "ReLU", "shape": [1, units]}}}
    page = visit(neuroprobe.atlas(Tuning(table, {"conv.relu": curves}, said), tmp_path / "a"))
    assert page.inner_text("#count") == "5,000 units"
    assert len(rows(page)) < 80
    page.focus("#table table")
    page.keyboard.press("End")
    assert page.locator("tr.active .unit-name").inner_text() == "conv.relu 4999"
    assert page.locator("tr.active").is_visible()
    assert len(rows(page)) < 80
    page.evaluate("document.getElementById('table').scrollTop = 36 * 2500")
    page.wait_for_selector("tr[data-place='2500']")
    page.fill("#threshold", "0.9")
    assert page.inner_text("#count") == f"{int((table.gosi >= 0.9).sum()):,} of 5,000 units"


# Cards


def test_a_card_opens_steps_and_closes_with_the_focus_where_it_is_wanted(planted, visit):
    page = visit(planted)
    page.click("text=fc.relu 2")
    page.wait_for_selector("#card section")
    assert page.inner_text("#card-heading") == "fc.relu unit 2"
    assert page.evaluate("document.activeElement.id") == "card-heading"
    page.click("[aria-label='Next unit of the table']")
    page.wait_for_selector("#card-heading:has-text('fc.relu unit 3')")
    assert page.evaluate("document.activeElement.dataset.step") == "1"
    page.keyboard.press("Escape")
    assert page.is_hidden("#card")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "grid"
    page.go_back()
    page.wait_for_selector("#card section")
    assert page.inner_text("#card-heading") == "fc.relu unit 3"


def test_all_of_it_goes_by_keyboard(planted, visit):
    page = visit(planted)
    page.focus("#table table")
    for key in ("ArrowDown", "ArrowDown", "Space", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#card section")
    assert page.inner_text("#card-heading") == "conv.relu unit 1"
    assert page.inner_text("#count") == "8 units, 1 selected"
    active = page.get_attribute("#table table", "aria-activedescendant")
    assert page.locator(f"#{active} .unit-name").inner_text() == "conv.relu 1"


def test_a_link_leads_straight_to_a_unit(planted, visit):
    page = visit(planted, "#unit=fc.relu:1")
    page.wait_for_selector("#card section")
    link = page.get_attribute("#card header a", "href")
    assert link.endswith("#unit=fc.relu%3A1")
    assert page.locator("tr.open .unit-name").inner_text() == "fc.relu 1"
    page.evaluate("link => { location.hash = '' ; location.href = link }", link)
    page.wait_for_selector("#card section")
    assert page.inner_text("#card-heading") == "fc.relu unit 1"


@pytest.mark.parametrize(
    "fragment",
    ["#unit=fc.relu:5", "#unit=nowhere:1", "#unit=", "#index=nothing&sort=-x&where=si+ge+much&layer=y&min=no", "#%"],
)
def test_an_address_that_says_nothing_known_shows_the_whole(planted, visit, fragment):
    page = visit(planted, fragment)
    assert page.inner_text("#count") == "8 units"
    assert page.is_hidden("#card")


def labels(page):
    return page.eval_on_selector_all("#card [role=img]", "all => all.map(each => each.getAttribute('aria-label'))")


def test_a_card_shows_what_was_planted(planted, visit):
    page = visit(planted, "#unit=fc.relu:1")
    page.wait_for_selector("#card section")
    headings = page.locator("#card h3").all_inner_texts()
    assert headings == [
        "Orientation tuning", "Images that drive it most", "Class profile", "Impact when ablated", "Shift invariance",
        "All numbers",
    ]  # fmt: skip
    said = labels(page)
    assert said[0].startswith(
        "Tuning curve: largest response 1.63 at 45 degrees, smallest 0.25 at 0 degrees; fit with R² 0.9"
    )
    assert "Map of frequency by orientation: largest 1.63 at 0.2 cycles/pixel and 45 degrees." in said
    assert "Stimulus: 45°, 0.2 c/px, 180° phase" in said
    assert f"Class profile: {CLASSES[2]} 5, {CLASSES[1]} 4, {CLASSES[0]} 3." in said
    assert f"Loss +0.5 nats, accuracy {MINUS}0.1, with this unit held, alone." in page.inner_text("#card")
    assert page.locator("#card .photographs img").evaluate_all("all => all.map(each => each.alt)") == [
        f"Image 1, {CLASSES[1]}", f"Image 2, {CLASSES[2]}",
    ]  # fmt: skip
    row = page.locator("#card tr", has_text="gOSI").first.locator("> *").all_inner_texts()
    assert row == ["gOSI", "0.250", "33%"]  # one of the three others lies below


def test_the_place_in_an_image_is_marked(planted, visit):
    page = visit(planted, "#unit=conv.relu:2")
    page.wait_for_selector("#card section")
    ring = page.locator(".mark-over circle").first
    assert [float(ring.get_attribute(name)) for name in ("cx", "cy")] == [2.5 / 8, 1.5 / 8]


def test_a_silent_unit_says_so(planted, visit):
    page = visit(planted, "#unit=fc.relu:4")
    page.wait_for_selector("#card section")
    assert "No response to any stimulus." in page.inner_text("#card")
    assert "unresponsive (orientation tuning)" in page.inner_text("#card header")


def test_the_fit_is_drawn_as_python_has_it(planted, visit):
    page = visit(planted)
    drawn = np.array(page.evaluate("tuning.fitted(0.25, 1.5, 2.5, 30)"))
    np.testing.assert_allclose(drawn[:, 1], von_mises(drawn[:, 0], 0.25, 1.5, 2.5, 30), rtol=1e-12)
    assert page.evaluate("tuning.fitted(0.25, NaN, 2.5, 30)") == []


def test_names_are_text_whatever_is_in_them(planted, visit):
    page = visit(planted, "#unit=fc.relu:1")
    page.wait_for_selector("#card section")
    assert page.evaluate("document.querySelectorAll('body script').length") == 0
    assert CLASSES[1] in cells(page, "Preferred class")
    assert CLASSES[1] in page.locator("#card text title").all_text_contents()


# Export


def exported(page):
    with page.expect_download() as download:
        page.click("#save-csv")
    with download.value.path().open(newline="", encoding="utf-8") as file:
        return download.value.suggested_filename, list(csv.DictReader(io.StringIO(file.read())))


def test_units_shown_are_exported_with_every_column(planted, visit):
    page = visit(planted, "#min=0.2&sort=-gosi")
    page.click("#export")
    name, table = exported(page)
    assert name == "planted-units.csv"
    assert [(row["layer"], row["unit"], row["gosi"]) for row in table] == [
        ("fc.relu", "3", "0.75"), ("fc.relu", "2", "0.5"), ("conv.relu", "1", "0.25"), ("fc.relu", "1", "0.25"),
    ]  # fmt: skip
    assert table[0]["preferred_class"] == CLASSES[0]
    assert table[0]["orientation.status"] == "ok"
    assert {"si", "delta_loss", "pearson", "mean"} <= set(table[0])


def test_units_selected_are_exported_for_ablate(planted, visit):
    page = visit(planted)
    for name in ("Select fc.relu:3", "Select conv.relu:0", "Select fc.relu:0"):
        page.check(f"[aria-label='{name}']")
    page.check("[aria-label='Select fc.relu:2']")
    page.locator("[aria-label='Select fc.relu:1']").click(modifiers=["Shift"])  # from the last to this one
    page.click("#export")
    assert page.inner_text("#count") == "8 units, 5 selected"
    assert "5 units selected" in page.inner_text("#export-what")
    code = page.input_value("#export-python")
    assert ast.literal_eval(code.removeprefix("units = ")) == {"conv.relu": [0], "fc.relu": [0, 1, 2, 3]}
    assert len(exported(page)[1]) == 5
    page.keyboard.press("Escape")
    page.click("text=Select none")
    assert page.inner_text("#count") == "8 units"
    page.check("[aria-label='Select all units shown']")
    assert page.inner_text("#count") == "8 units, 8 selected"


def test_what_would_be_exported_goes_where_a_link_leads_elsewhere(planted, visit):
    page = visit(planted, "#min=0.2")
    page.click("#export")
    assert page.is_visible("#export-dialog")
    page.evaluate("location.hash = '#unit=fc.relu:1'")
    page.wait_for_selector("#card-heading")
    assert not page.is_visible("#export-dialog")


# What may be missing


def test_a_picture_that_is_gone_leaves_a_placeholder(copied, visit):
    (copied.parent / "images" / "photo-1.png").unlink()
    page = visit(copied, "#unit=fc.relu:1", expected=["ERR_FILE_NOT_FOUND"])
    page.wait_for_selector(".photographs .absent")
    assert "The picture of image 1 is not here" in labels(page)
    assert page.locator(".photographs img").count() == 1


def test_a_part_that_is_gone_is_named_and_the_rest_is_shown(copied, visit):
    (copied.parent / "data" / "layer-1.js").unlink()
    page = visit(copied, "#unit=fc.relu:1", expected=["ERR_FILE_NOT_FOUND"])
    page.wait_for_selector("#card .notice")
    assert "data/layer-1.js is missing or broken: copy the whole folder" in page.inner_text("#card")
    assert "gOSI" in page.inner_text("#card .numbers")


def test_a_page_without_its_units_says_so(copied, visit):
    (copied.parent / "data" / "units.js").write_text("deliver(")
    page = visit(copied, expected=["Unexpected end of input"])
    assert "data/units.js is missing or broken" in page.inner_text("#trouble")


def test_without_the_images_their_numbers_stand_for_them(visit, tmp_path):
    page = visit(neuroprobe.atlas([tuning(), recording()], tmp_path / "a"), "#unit=fc.relu:1")
    page.wait_for_selector("#card .photographs")
    assert page.locator(".photographs .absent").count() == 2
    assert "the page was made without the images" in page.inner_text("#card")


def test_a_result_of_other_layers_says_what_was_not_measured(visit, tmp_path):
    place = neuroprobe.atlas([tuning(["conv.relu"]), class_selectivity()], tmp_path / "a")
    page = visit(place, "#unit=fc.relu:1")
    page.wait_for_selector("#card section")
    assert "Not measured in this layer." in page.inner_text("#card section >> nth=0")
    assert cells(page, "gOSI")[-5:] == [NONE] * 5


# Real networks


@pytest.fixture(scope="module")
def cnn7(tmp_path_factory, photographs):
    """Return the page of cnn7 with photographs, and what it was made from."""
    network = neuroprobe.load_network("cnn7")
    images, labels = photographs[0][:300], photographs[1][:300]
    tuned = neuroprobe.orientation(network, permutations=0, progress=False)
    classes = neuroprobe.class_selectivity(network, (images, labels), permutations=0, progress=False)
    found = neuroprobe.record(network, images, reducers=["top_images"], progress=False)
    out = tmp_path_factory.mktemp("cnn7") / "atlas"
    place = neuroprobe.atlas([tuned, classes, found], out, model=network, data=(images, labels), progress=False)
    return place, network, tuned, classes, found


def test_cnn7_is_filtered_as_pandas_does(cnn7, visit):
    place, _, tuned, classes, _ = cnn7
    page = visit(place, "#min=0.8&where=si+ge+0.5")
    both = tuned.units.gosi.astype("float32").ge(0.8) & classes.units.si.astype("float32").ge(0.5)
    assert page.inner_text("#count") == f"{both.sum()} of 960 units"
    page.evaluate("location.hash = 'sort=-si'")
    best = classes.units.si.sort_values(ascending=False, kind="stable").index[0]
    assert rows(page)[0] == f"{best[0]} {best[1]}"


def test_a_card_of_cnn7_frames_what_a_place_sees_and_shows_the_filter(cnn7, visit):
    place, network, _, _, found = cnn7
    page = visit(place, "#unit=relu1:5")
    page.wait_for_selector("#card section")
    row, column = found.top_images("relu1").places[5, 0].tolist()
    top, bottom, left, right = receptive_fields(network, ["relu1"], image_size=(3, 32, 32))["relu1"].box(row, column)
    frame = page.locator(".mark-over rect").first
    drawn = [float(frame.get_attribute(name)) for name in ("y", "height", "x", "width")]
    assert drawn == pytest.approx([top / 32, (bottom - top) / 32, left / 32, (right - left) / 32])
    pixels = page.eval_on_selector("canvas", "c => Array.from(c.getContext('2d').getImageData(0, 0, 3, 3).data)")
    weights = network.conv1.weight[5].detach().permute(1, 2, 0)
    expected = (127.5 * (1 + weights / weights.abs().max())).round()
    np.testing.assert_allclose(np.reshape(pixels, (3, 3, 4))[..., :3], expected, atol=1)


@pytest.mark.parametrize("width", [1280, 390])
def test_every_layer_of_cnn7_has_a_card_at_any_width(cnn7, visit, width):
    page = visit(cnn7[0], width=width)
    for layer in range(1, 8):
        page.evaluate("name => { location.hash = `unit=${name}` }", f"relu{layer}:7")
        page.wait_for_selector(f"#card-heading:has-text('relu{layer} unit 7')")
        assert page.evaluate("(card => card.scrollWidth <= card.clientWidth)(document.getElementById('card'))")


def test_twelve_thousand_units_are_one_light_page(visit, tmp_path):
    torch.manual_seed(0)
    network = neuroprobe.load_network("vgg16", None)
    stimuli = neuroprobe.stimuli.gratings(32, frequencies=2, phases=2)
    tuned = neuroprobe.orientation(network, stimuli=stimuli, permutations=0, progress=False)
    place = neuroprobe.atlas(tuned, tmp_path / "vgg16", model=network, title="vgg16, random weights", progress=False)
    sizes = [file.stat().st_size for file in place.parent.rglob("*") if file.is_file() and file.parent.name != "images"]
    assert sum(sizes) < 30e6
    page = visit(place)
    assert page.inner_text("#count") == "12,416 units"
    assert page.inner_text("h1") == "vgg16, random weights"
    page.fill("#threshold", "0.4")
    passing = int(tuned.units.gosi.astype("float32").ge(np.float32(0.4)).sum())
    assert page.inner_text("#count") == f"{passing:,} of 12,416 units"
    page.evaluate("location.hash = 'unit=classifier.4:4095'")
    page.wait_for_selector("#card-heading:has-text('classifier.4 unit 4095')")

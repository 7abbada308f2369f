"""What the atlas of a large network costs: the size of the page, the time it takes to open, to filter, to sort.

    python benchmarks/atlas_cost.py [--repeats 5] [--browser chromium]

The network is torchvision's VGG16, 12,416 units in 15 layers, with random weights, whose numbers mean little and cost
the same. It is shown gratings of 32 pixels in place of 224, which saves time here and changes no file but the pictures.
A second page adds class profiles, top images and shifts from noise.

The browser is Chromium, without a window, on the page as it lies on disk. To open lasts from the navigation until the
first rows, the strip of layers and all controls are painted; to filter from a change of the threshold until the new
rows and the new strip are; a card until its last part is.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch
from playwright.sync_api import Browser, Page, sync_playwright

import neuroprobe

SIZE_GOAL, OPEN_GOAL, FILTER_GOAL = 30.0, 2.0, 0.1  # megabytes without images, seconds, seconds
SIDE, IMAGES, CLASSES = 32, 200, 10
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
CHANGE = f"""async ([id, value]) => {{
    const box = document.getElementById(id), start = performance.now();
    box.value = value;
    box.dispatchEvent(new Event("input", {{ bubbles: true }}));
    return (await {PAINTED}) - start;
}}"""
OPEN = f"""async (unit) => {{
    const start = performance.now();
    location.hash = `unit=${{encodeURIComponent(unit)}}`;
    const isThere = () => document.querySelector("#card-heading")?.textContent.replace(" unit ", ":") === unit;
    while (!isThere()) await new Promise((done) => setTimeout(done, 2));
    return (await {PAINTED}) - start;
}}"""
CLICK = f"""async (selector) => {{
    const start = performance.now();
    document.querySelector(selector).click();
    return (await {PAINTED}) - start;
}}"""


def pages(folder: Path) -> dict[str, Path]:
    """Make both pages, and return where they are."""
    torch.manual_seed(0)
    network = neuroprobe.load_network("vgg16", None)
    images, labels = torch.rand(IMAGES, 3, SIDE, SIDE), torch.arange(IMAGES) % CLASSES
    quick = {"progress": False}
    tuning = neuroprobe.orientation(network, input_size=SIDE, permutations=0, **quick)
    classes = neuroprobe.class_selectivity(network, (images, labels), permutations=0, **quick)
    shift = neuroprobe.shift_invariance(network, (images, labels), shifts=(-1, 1), **quick)
    recording = neuroprobe.record(network, images, reducers=["top_images"], **quick)
    made = {}
    for name, results in {"orientation": tuning, "all": [tuning, classes, shift, recording]}.items():
        start = time.perf_counter()
        made[name] = neuroprobe.atlas(results, folder / name, model=network, data=images, **quick)
        print(f"{name}: {len(tuning.units):,} units, written in {time.perf_counter() - start:.1f} s")
    return made


def megabytes(folder: Path) -> tuple[float, float]:
    """Return the size of a page without its images, and of these."""
    sizes = {path: path.stat().st_size / 1e6 for path in folder.rglob("*") if path.is_file()}
    images = sum(size for path, size in sizes.items() if path.parent.name == "images")
    return sum(sizes.values()) - images, images


def opened(browser: Browser, address: str) -> tuple[Page, float]:
    """Open a page afresh, and return the seconds from the navigation until it is painted."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.evaluate(PAINTED)
    return page, page.evaluate("performance.getEntriesByName('painted')[0].startTime") / 1000


def report(name: str, values: list[float], goal: float | None = None) -> None:
    """Print the median and the largest of some seconds."""
    wanted = "" if goal is None else f" (goal {goal:g} s)"
    print(f"  {name}: median {statistics.median(values):.3f} s, largest {max(values):.3f} s{wanted}")


def measure(browser: Browser, place: Path, repeats: int) -> None:
    """Print what a page weighs, and how quick it is."""
    page_size, image_size = megabytes(place.parent)
    print(f"  page {page_size:.1f} MB (goal {SIZE_GOAL:g}), images {image_size:.1f} MB")
    opens = []
    for _ in range(repeats):
        page, seconds = opened(browser, place.as_uri())
        opens.append(seconds)
    report("open", opens, OPEN_GOAL)
    thresholds = [0.05 * step for step in range(1, 1 + 3 * repeats)]
    report("filter", [page.evaluate(CHANGE, ["threshold", str(at)]) / 1000 for at in thresholds], FILTER_GOAL)
    page.evaluate(CHANGE, ["threshold", ""])
    layers = page.evaluate("network.layers.map(({ name, units }) => ({ name, units }))")
    report("sort", [page.evaluate(CLICK, "thead th.number button") / 1000 for _ in range(3 * repeats)])
    report("card", [page.evaluate(OPEN, f"{layer['name']}:{layer['units'] - 1}") / 1000 for layer in layers])


def main() -> None:
    """Make the pages and measure them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--browser", default=shutil.which("chromium"), help="Chromium's program")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=QUIET)
        print(f"Chromium {browser.version}, torch {torch.__version__}")
        for place in pages(Path(folder)).values():
            measure(browser, place, arguments.repeats)
        browser.close()


if __name__ == "__main__":
    main()

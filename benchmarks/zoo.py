"""Every network that is promised to work, checked: all of torchvision's below 100 M parameters, and timm's families.

    python benchmarks/zoo.py [NAME ...] [--anew]

Networks have random weights. Each row of the table has passed `layers`, `record` and a small `orientation`, and the
checks of `zoo_checks.py`: units are those of the module that made the tensor (one of its units is nudged), responses
are the means of plain hooks, class tokens are in no mean, one image at a time gives what many give, gates and logits
are no default layers, the network is left as it was. What fails says why.

The table is `benchmarks/results/zoo.md`, written after each network; each row says which day it was made on, and with
which versions. A run that was cut short goes on with the rows that are missing or failed; names do theirs again,
`--anew` all.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import zoo_checks
from torchvision import models

MOST_PARAMETERS = 100e6
TABLE = Path(__file__).parent / "results" / "zoo.md"
COLUMNS = (
    "network", "family", "parameters (M)", "size", "default layers", "units", "axes", "layers", "record", "orientation",
    "seconds", "date", "torch, torchvision, timm", "note",
)  # fmt: skip
VERSIONS = COLUMNS[-2]
PASSED = "✓"
TIMM = {
    "resnet": ["resnet50"],
    "resnext": ["resnext50_32x4d"],
    "seresnet": ["seresnet50"],
    "regnet": ["regnety_004", "regnetx_004"],
    "convnext": ["convnext_tiny", "convnextv2_atto"],
    "efficientnet": ["efficientnet_b0", "tf_efficientnetv2_b0"],
    "mobilenetv3": ["mobilenetv3_large_100"],
    "nfnet": ["nfnet_l0", "dm_nfnet_f0"],
    "vgg_bn": ["vgg11_bn"],
    "densenet": ["densenet121"],
    "inception": ["inception_v4", "inception_resnet_v2"],
    "repvgg": ["repvgg_a0"],
    "ghostnet": ["ghostnet_100", "ghostnetv2_100"],
    "hrnet": ["hrnet_w18_small"],
    "res2net": ["res2net50_26w_4s"],
    "dpn": ["dpn68"],
    "xception": ["xception41", "legacy_xception"],
    "vit": ["vit_small_patch16_224", "vit_medium_patch16_reg4_gap_256", "vit_base_patch16_clip_quickgelu_224"],
    "deit": ["deit_tiny_distilled_patch16_224", "deit3_small_patch16_224"],
    "swin": ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"],
    "beit": ["beit_base_patch16_224"],
    "mixer": ["mixer_s16_224", "gmixer_12_224"],
    "coatnet": ["coatnet_0_rw_224"],
    "maxvit": ["maxvit_tiny_tf_224"],
    "edgenext": ["edgenext_small"],
}


def families() -> dict[str, str]:
    """Return every network of the zoo and its family, torchvision's first."""
    named = [name for name in models.list_models() if models.get_model_builder(name).__module__.count(".") == 2]
    published = {name: models.get_model_weights(name).DEFAULT.meta["num_params"] for name in named}
    small = {name: "torchvision" for name, count in published.items() if count < MOST_PARAMETERS}
    return small | {f"timm:{name}": f"timm {family}" for family, names in TIMM.items() for name in names}


def row_of(name: str, family: str) -> dict[str, str]:
    """Run one network through everything and return its row; what fails is named in its columns and the note."""
    row, start = dict.fromkeys(COLUMNS, ""), time.perf_counter()
    row |= {"network": name, "family": family, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    row[VERSIONS] = ", ".join(map(version, VERSIONS.split(", ")))
    try:
        specimen = zoo_checks.Specimen.of(name)
        row |= _described(specimen)
        for column, passed in zoo_checks.STAGES.items():
            row[column] = "fails"
            passed(specimen)
            row[column] = PASSED
    except Exception as error:  # noqa: BLE001 - whatever it is, the row says it and the next network comes
        row["note"] = f"{type(error).__name__}: {error}".splitlines()[0].replace("|", "/")
    return row | {"seconds": f"{time.perf_counter() - start:.0f}"}


def _described(specimen: zoo_checks.Specimen) -> dict[str, str]:
    layers = specimen.layers
    parameters = sum(parameter.numel() for parameter in specimen.network.parameters())
    return {
        "parameters (M)": f"{parameters / 1e6:.1f}",
        "size": "x".join(map(str, specimen.size[1:])),
        "default layers": str(len(layers)),
        "units": f"{sum(layer.units for layer in layers):,}",
        "axes": ", ".join(f"{kind} {count}" for kind, count in Counter(map(zoo_checks.kind, layers)).items()),
        "note": "; ".join(zoo_checks.remarks(specimen)),
    }


def written(rows: dict[str, dict[str, str]]) -> str:
    """Return the table as Markdown."""
    passed = sum(row["orientation"] == PASSED for row in rows.values())
    lines = [
        "# The zoo",
        "",
        f"{passed} of {len(rows)} networks pass. Made by `python benchmarks/zoo.py`, whose head says what passing",
        "means. Networks that take images of any size are shown small ones.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(row[column] for column in COLUMNS)} |" for row in rows.values()),
    ]
    return "\n".join(lines) + "\n"


def rows_so_far() -> dict[str, dict[str, str]]:
    """Return the rows of the table, but for networks that are no longer in the zoo."""
    text = TABLE.read_text() if TABLE.is_file() else ""
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    rows = (dict(zip(COLUMNS, map(str.strip, row), strict=True)) for row in cells)
    return {row["network"]: row for row in rows if row["network"] in families()}


def main() -> None:
    """Run what is wanted, and write the table after each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks, as in load_network; all that are missing")
    parser.add_argument("--anew", action="store_true", help="all rows again")
    wanted = parser.parse_args()
    every, rows = families(), {} if wanted.anew else rows_so_far()
    done = [name for name, row in rows.items() if row["orientation"] == PASSED]
    names = wanted.names or [name for name in every if name not in done]
    for number, name in enumerate(names, start=1):
        rows[name] = row_of(name, every.get(name, ""))
        print(f"{number}/{len(names)} {' '.join(filter(None, rows[name].values()))}", flush=True)
        gc.collect()
        order = sorted(rows, key=lambda name: list(every).index(name) if name in every else len(every))
        TABLE.write_text(written({name: rows[name] for name in order}))


if __name__ == "__main__":
    main()

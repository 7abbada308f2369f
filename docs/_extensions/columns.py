"""The definitions of columns, put where a page says ``<!-- columns: orientation -->``.

Words, units and ranges are those of the atlas; formulas and sources, and columns that the atlas does not show, stand
in ``definitions.toml``.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that a test can ask for the columns without Sphinx
    from sphinx.application import Sphinx

_MARK = re.compile(r"<!-- columns: (\w+) -->")
_OURS = Path(__file__).parent.parent / "definitions.toml"


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx to call us for the text of every page."""
    app.connect("source-read", _fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill_in(app: Sphinx, _: str, source: list[str]) -> None:
    if _MARK.search(source[0]):
        app.env.note_dependency(str(_OURS))
        source[0] = _MARK.sub(lambda mark: "\n".join(_entry(*column) for column in columns(mark[1]).items()), source[0])


@cache
def _known() -> tuple[dict[str, Any], dict[str, Any]]:
    shown = files("neuroprobe.page").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tomllib.loads(shown)["columns"], tomllib.loads(_OURS.read_text(encoding="utf-8"))


def columns(kind: str) -> dict[str, dict[str, Any]]:
    """Return what is known of the columns of one kind of table, by name."""
    shown, ours = (known.get(kind, {}) for known in _known())
    return {name: shown.get(name, {}) | ours.get(name, {}) for name in dict.fromkeys([*shown, *ours])}


def _entry(name: str, known: dict[str, Any]) -> str:
    """Write one column: its name, what it means, its formula, unit, range and source."""
    formula = f"\n$$\n{known['formula']}\n$$\n" if "formula" in known else ""
    facts = {"Unit": known.get("unit"), "Range": _range(known.get("domain")), "Source": known.get("source")}
    said = " · ".join(f"*{fact}:* {value}" for fact, value in facts.items() if value)
    return f"### `{name}`\n\n{known['meaning'].strip('.')}.\n{formula}\n{said}\n"


def _range(domain: list[float] | None) -> str:
    return "" if domain is None else f"{domain[0]:g} to {domain[1]:g}"

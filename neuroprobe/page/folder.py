"""The folder of a page: which folders may be written over, and the files that every page has."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

MARK = '<meta name="generator" content="neuroprobe atlas">'  # in every page of ours
_START = "index.html"


def refuse_to_clobber(place: Path, *, overwrite: bool) -> None:
    """Raise where something lies at ``place``: a page unless told, anything else whatever was told."""
    if not place.exists():
        return
    if not _is_page(place):
        raise FileExistsError(f"{place} exists and is no atlas: choose another folder")
    if not overwrite:
        raise FileExistsError(
            f"{place} already holds an atlas: choose another folder, or pass overwrite=True (--overwrite)"
        )


def _is_page(place: Path) -> bool:
    try:
        return MARK in (place / _START).read_text(encoding="utf-8")
    except OSError:
        return False


def write_page(folder: Path, title: str, description: str) -> None:
    """Write all that is the same for every network, and the page itself under its title."""
    for template in files("neuroprobe.page").joinpath("templates").iterdir():
        text = template.read_text(encoding="utf-8")
        if template.name == _START:
            text = Template(text).substitute(mark=MARK, title=escape(title), description=escape(description))
        place = folder if template.name == _START else folder / "page"
        (place / template.name).write_text(text, encoding="utf-8")

"""Progress bars: shown to a person, quiet when piped."""

from __future__ import annotations

import sys

from tqdm.std import tqdm

from neuroprobe.distributed import is_first


def progress_bar(what: str, total: int | None, *, shown: bool, done: int = 0, unit: str = "images") -> tqdm[None]:
    """Return a bar that counts images, or others, from those ``done``, hidden where nobody watches the screen."""
    shown = shown and is_first() and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    return tqdm(total=total, initial=done, desc=what, unit=f" {unit}", disable=not shown, leave=False)

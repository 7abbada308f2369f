"""Progress bars: shown to a person, quiet when piped."""

from __future__ import annotations

import sys

from tqdm.std import tqdm


def progress_bar(what: str, total: int | None, *, shown: bool) -> tqdm[None]:
    """Return a bar that counts images, hidden where nobody watches the screen."""
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=total, desc=what, unit=" images", disable=not (shown and watched), leave=False)

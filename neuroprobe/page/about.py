"""What the page says about how its numbers were made, from what results say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuroprobe.page.catalogue import title
from neuroprobe.page.photographs import source

if TYPE_CHECKING:
    from neuroprobe.results import Result

_SAID_ELSEWHERE = ("model", "model_class", "weights", "layers", "versions", "definitions", "classes", "signed_layers")
_UNITS = {"frequency": "cycles/pixel", "orientation": "deg", "phase": "deg", "width": "pixels", "length": "pixels",
          "position": "pixels"}  # fmt: skip
_FEW = 8  # values named one by one


def about(result: Result) -> dict[str, Any]:
    """Return a result's title, what it was made with and its definitions, as (term, words) pairs."""
    made = [(key.replace("_", " "), words(key, value)) for key, value in result.meta.items() if _is_news(key, value)]
    definitions = [(key.replace("_", " "), _plain(text)) for key, text in result.meta.get("definitions", {}).items()]
    return {"kind": result.kind, "title": title(result.kind), "made": made, "definitions": definitions}


def _is_news(key: str, value: Any) -> bool:
    return key not in _SAID_ELSEWHERE and value is not None and value != []


def words(key: str, value: Any) -> str:
    """Write a setting out."""
    if key == "stimuli":
        return stimuli_in_words(value)
    if key == "data":
        return source(str(value))
    if key == "images_per_class":
        counts = [count for count in value if count]
        each = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
        return f"{sum(counts):,} images of {len(counts):,} classes, {each} of each"
    return _plain(value)


def stimuli_in_words(description: Mapping[str, Any]) -> str:
    """Write out what was shown.

    Example:
        >>> from neuroprobe.stimuli import gratings
        >>> stimuli_in_words(gratings(32, frequencies=[0.1], phases=2).describe())
        'gratings of 3x32x32: 1 frequency (0.1 cycles/pixel), 12 orientation (0 to 165 deg), 2 phase (0, 180 deg)'
    """
    axes = ", ".join(f"{len(values)} {name} ({_span(name, values)})" for name, values in description["axes"].items())
    return f"{description['kind']} of {'x'.join(map(str, description['size']))}: {axes}"


def _span(name: str, values: list[float]) -> str:
    few = len(values) < 4
    numbers = ", ".join(f"{value:.3g}" for value in values) if few else f"{values[0]:.3g} to {values[-1]:.3g}"
    return f"{numbers} {_UNITS.get(name, '')}".strip()


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - _FEW} more" if len(value) > _FEW else ""
        return ", ".join(_plain(part) for part in value[:_FEW]) + more
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)

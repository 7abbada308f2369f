"""Telling users what they should know and did not ask: a warning in the log, once."""

from __future__ import annotations

import logging
from functools import cache

from neuroprobe.distributed import is_first

_log = logging.getLogger("neuroprobe")


@cache
def say_once(message: str) -> None:
    """Log a warning, the first time and in the first process only."""
    if is_first():
        _log.warning(message)

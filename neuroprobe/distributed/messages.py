"""What processes say to one another: values, or the error that came in place of one.

There is one kind of message, which all processes send at the same time and all receive. So whatever the others are
waiting for, a process that fails can tell them.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from threading import Timer
from typing import Any

import torch
import torch.distributed as dist

from neuroprobe.distributed.company import processes

_PATIENCE = 60.0  # seconds of waiting after which a process says for whom
_LONGEST_WAIT = timedelta(days=7)  # one may have much more to do than another; one that dies is noticed at once
_log = logging.getLogger("neuroprobe")


class _Common:
    """What this process knows of the calls that it shares."""

    name: str | None = None  # of the call that is under way
    number = 0  # of such calls so far, the same in all processes
    groups: tuple[Any, Any] = None, None  # the user's group of all processes, and ours beside it


@dataclass(frozen=True)
class _Report:
    """What one process says."""

    where: tuple[str | None, int]  # the call it is in
    value: bytes = b""
    error: bytes | None = None
    message: str = ""


@contextmanager
def in_step(name: str) -> Iterator[None]:
    """Keep all processes together: none leaves the block before the others, and an error in one is raised in all."""
    if is_under_way() or processes()[1] == 1:
        yield
        return
    _Common.name, _Common.number = name, _Common.number + 1
    try:
        yield
        exchange(None)
    except Exception as error:
        if not hasattr(error, "raised_in"):
            _tell(error)
        raise
    finally:
        _Common.name = None


def is_under_way() -> bool:
    """Whether this process is in a call that it shares with others."""
    return _Common.name is not None and processes()[1] > 1


def exchange(value: Any) -> list[Any]:
    """Give a value to all processes and return those of all, in their order, their tensors on the CPU.

    Raises:
        Exception: what another process raised in place of its value.
        RuntimeError: if the others are in another call, or one of them is gone.
    """
    if processes()[1] == 1:
        return [value]
    reports = _sent(_Report(_where(), _packed(value)))
    if (failed := _first_failed(reports)) is not None:
        raise _error_of(failed, reports[failed])
    if len({report.where for report in reports}) > 1:
        places = ", ".join(f"process {rank} in {name} (call {n})" for rank, (name, n) in _numbered(reports))
        raise RuntimeError(f"all processes must make the same calls in the same order; here is {places}")
    return [torch.load(BytesIO(report.value), map_location="cpu", weights_only=False) for report in reports]


def look_out() -> None:
    """Raise where another process has failed, without waiting for any."""
    if is_under_way() and _store().check([_failure()]):
        exchange(None)


def _tell(error: Exception) -> None:
    """Say to the others that this process failed, and why."""
    _store().set(_failure(), "")
    try:
        content = pickle.dumps(error)
    except Exception:  # noqa: BLE001 - whatever an error of the user's own holds: its message is told
        content = b""
    own = _Report(_where(), error=content, message=f"{type(error).__name__}: {error}")
    same = [rank for rank, report in enumerate(_sent(own)) if report.message == own.message]
    error.raised_in = same[0]  # type: ignore[attr-defined]  # so that one of them says it


def _first_failed(reports: list[_Report]) -> int | None:
    return next((rank for rank, report in enumerate(reports) if report.error is not None), None)


def _error_of(rank: int, report: _Report) -> Exception:
    """Return the error of another process, as it was there where it can travel."""
    try:
        error = pickle.loads(report.error or b"")  # noqa: S301 - from a process of our own
    except Exception:  # noqa: BLE001 - whatever it needs that is not here
        error = RuntimeError(report.message)
    error.raised_in = rank
    error.add_note(f"This was raised in process {rank}.")
    return error


def _numbered(reports: list[_Report]) -> Iterator[tuple[int, tuple[str | None, int]]]:
    return enumerate(report.where for report in reports)


def _where() -> tuple[str | None, int]:
    return _Common.name, _Common.number


def _packed(value: Any) -> bytes:
    content = BytesIO()
    try:
        torch.save(value, content)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"what a reducer returns must travel between processes: define its class in a module ({error})"
        ) from error
    return content.getvalue()


def _sent(own: _Report) -> list[_Report]:
    """Return what every process says, in their order, once all have."""
    reports: list[Any] = [None] * processes()[1]
    note = Timer(_PATIENCE, _say_waiting, [processes()[0], own.where[0]])
    note.daemon = True
    note.start()
    try:
        dist.all_gather_object(reports, own, group=_group())
    except RuntimeError as error:
        lost = RuntimeError(f"another process is gone, so {own.where[0]} ends here: see what that one said")
        lost.raised_in = processes()[0]  # type: ignore[attr-defined]  # nobody is left to be told
        raise lost from error
    finally:
        note.cancel()
    return reports


def _say_waiting(rank: int, name: str | None) -> None:
    _log.warning(
        "process %d has waited %.0f s for the others in %s: each of them must call it; for one alone there is "
        "neuroprobe.distributed.alone()",
        rank,
        _PATIENCE,
        name,
    )


def _group() -> Any:
    """Return a group of all processes that talks over gloo, whatever the user's own does."""
    world = dist.group.WORLD
    if _Common.groups[0] is not world:
        _Common.groups = world, dist.new_group(backend="gloo", timeout=_LONGEST_WAIT)
    return _Common.groups[1]


def _store() -> Any:
    return dist.distributed_c10d._get_default_store()  # noqa: SLF001 - there is no public way to it


def _failure() -> str:
    """Return the key of the store that is set where a process has failed in this call."""
    return f"neuroprobe/failed/{_Common.number}"

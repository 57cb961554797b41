"""Bound an action in time, whatever it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Checks:
    """A question asked every few seconds: whether to wait on, given the seconds so far."""

    every: float
    wait_on: Callable[[float], bool]


def within(
    seconds: float,
    act: Callable[[], _T],
    late: Callable[[float], Exception],
    checks: Checks | None,
) -> _T:
    """Return or raise what `act` does; raise `late` when it takes longer than `seconds`.

    A socket's own timeout starts again with each byte: a peer that sends one now and then would
    block for ever. `late` gets the seconds that were waited.
    """
    result: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(act())
        except BaseException as error:  # re-raised by the caller below
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    began = time.monotonic()
    thread.start()
    while thread.is_alive():
        spent = time.monotonic() - began
        if spent >= seconds:
            raise late(seconds)
        thread.join(min(checks.every, seconds - spent) if checks else seconds - spent)
        spent = time.monotonic() - began
        if checks and thread.is_alive() and spent >= checks.every and not checks.wait_on(spent):
            raise late(round(spent, 1))
    if failure:
        raise failure[0]
    return result[0]

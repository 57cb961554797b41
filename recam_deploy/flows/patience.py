"""Wait for a Node-RED that is slow, as long as it shows that it is alive.

A camera that runs a model has little left for Node-RED: an answer may take a minute. One that says
nothing at all is given up earlier than one that has answered before, or that answers a small
request on another connection meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from ..http import HttpService, Reply

_SMALL = "/auth/login"  # needs no login, and reads no flows


class Patience:
    """Exchanges with one Node-RED, each bounded by `patience` seconds, by default `timeout`.

    One that says nothing at all is given up after `silence` seconds, by default half of that.

    `say` is told that it is waited for, at each doubling of the longest wait.
    """

    def __init__(
        self,
        http: HttpService,
        timeout: float,
        patience: float | None,
        say: Callable[[str], None] | None,
        silence: float | None = None,
    ) -> None:
        self._http, self._say = http, say
        self._seconds = max(timeout, patience or timeout)
        self._silence = min(silence or self._seconds, self._seconds / 2)
        self._waits = self._seconds > timeout
        self._answered = False
        self._told = 0.0

    def exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, least: float
    ) -> Reply:
        """Make one exchange, which gets `least` seconds at least. Raises as `HttpService` does."""
        reply = self._http.exchange(
            method,
            path,
            headers=headers,
            body=body,
            timeout=max(self._seconds, least),
            wait=self._wait_on if self._waits else None,
        )
        self._answered = True
        return reply

    def _wait_on(self, spent: float) -> bool:
        """Return whether to wait on, after so many seconds without an answer."""
        alive = self._answered or self._http.answers(_SMALL)
        if not alive and spent >= self._silence:
            return False
        if self._say and spent >= 2 * self._told:
            self._told = spent
            state = "is slow" if alive else "took the connection, but says nothing yet"
            self._say(
                f"Node-RED {state} ({spent:.0f} s). It is waited for, up to {self._seconds:g} s "
                "(setting camera.node_red_timeout)."
            )
        return True

"""Exchange HTTP requests and replies with the camera, each bounded in time and in size.

Only this module imports requests. Redirects, proxies and the user's `.netrc` are ignored: a camera
is on the local network, and its passwords must reach no other host. Nothing is retried: only the
caller knows whether a second request is safe.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from .address import for_url
from .errors import CameraApiError, ConnectionFailedError, InterruptedExchangeError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_CHUNK = 1 << 16
JSON_LIMIT = 16 << 20
_GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class Reply:
    """A reply: its status, and a body no longer than the limit of the exchange."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Parse the body as JSON. Raises ValueError when it is none, or nested too deeply."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


@dataclass(frozen=True)
class Part:
    """One part of a multipart form; with a `filename` it is a file."""

    name: str
    content: bytes
    filename: str | None = None

    def as_requests(self) -> tuple[str, tuple[str | None, bytes]]:
        """Return the part as requests takes it."""
        return self.name, (self.filename, self.content)


class HttpService:
    """One of the camera's HTTP servers. `what` names it in messages: "Node-RED", "the web API".

    `timeout` is the seconds that a whole exchange may take, unless the call overrides it. `hint`
    is the next step that errors of the connection give.
    """

    def __init__(self, host: str, port: int, what: str, *, timeout: float, hint: str) -> None:
        self._base = f"http://{for_url(host)}:{port}"
        self._where = f"{what} ({host} port {port})"
        self._timeout = timeout
        self._hint = hint
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", _HostAdapter(host))

    @property
    def where(self) -> str:
        """Name the service for messages."""
        return self._where

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        form: tuple[Part, ...] = (),
        limit: int = JSON_LIMIT,
        timeout: float | None = None,
    ) -> Reply:
        """Send one request and read the whole reply, whatever its status.

        Raises ConnectionFailedError when nothing was sent, InterruptedExchangeError when the
        connection ended or the time was up after that, and CameraApiError for a redirect, a
        compressed reply, or one larger than `limit` bytes.
        """
        seconds = self._timeout if timeout is None else timeout

        def send() -> Reply:
            return self._exchange(method, path, headers or {}, body, form, limit, seconds)

        began = time.monotonic()
        what = f"{method} {_without_secrets(self._base + path)}"
        size = len(body or b"") + sum(len(part.content) for part in form)
        logger.debug("%s started, %d bytes out", what, size)
        try:
            reply = _within(seconds + _GRACE_SECONDS, send)
            if reply is None:
                raise self._too_slow(seconds)
        except Exception as error:
            logger.info("%s failed after %.3f s: %s", what, time.monotonic() - began, error)
            raise
        spent = time.monotonic() - began
        logger.info(
            "%s -> %d, %.3f s, %d bytes out, %d bytes in",
            what,
            reply.status,
            spent,
            size,
            len(reply.body),
        )
        return reply

    def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        form: tuple[Part, ...],
        limit: int,
        seconds: float,
    ) -> Reply:
        until = time.monotonic() + seconds
        try:
            with self._session.request(
                method,
                self._base + path,
                headers={"Accept-Encoding": "identity", **headers},
                data=body,
                files=[part.as_requests() for part in form] or None,
                timeout=seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                self._check_reply(response)
                return Reply(response.status_code, self._read(response, limit, until, seconds))
        except requests.ConnectionError as error:
            raise self._lost(error) from error
        except (requests.RequestException, HTTPError, OSError) as error:
            if isinstance(error, requests.exceptions.InvalidURL | UnicodeError):
                raise ConnectionFailedError(
                    f"{self._where} has no usable address", "Check the spelling of the host."
                ) from error
            raise self._interrupted(_reason(error)) from error
        except ValueError as error:
            raise ConnectionFailedError(
                f"{self._where} has no usable address", "Check the spelling of the host."
            ) from error

    def _check_reply(self, response: requests.Response) -> None:
        if 300 <= response.status_code < 400:
            raise CameraApiError(
                f"{self._where} redirects to another address (status {response.status_code}), "
                "which recam does not follow",
                "Check the host and the port: is this the camera itself?",
            )
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise CameraApiError(
                f"{self._where} compresses its replies, which recam did not ask for",
                "Check the host and the port: is this the camera itself?",
            )

    def _read(self, response: requests.Response, limit: int, until: float, seconds: float) -> bytes:
        received = bytearray()
        for block in response.raw.stream(_CHUNK, decode_content=False):
            received += block
            if len(received) > limit:
                raise CameraApiError(
                    f"{self._where} sends more than the {limit} bytes expected",
                    "Check the host and the port: is this the camera itself?",
                )
            if time.monotonic() > until:
                raise self._too_slow(seconds)
        return bytes(received)

    def _lost(self, error: requests.ConnectionError) -> ConnectionFailedError:
        inner = error.args[0] if error.args else error
        cause = getattr(inner, "reason", inner)
        if isinstance(error, requests.ConnectTimeout):
            return ConnectionFailedError(f"{self._where} does not answer", self._hint)
        if isinstance(cause, NewConnectionError):
            return ConnectionFailedError(
                f"{self._where} cannot be reached: {_reason(cause)}", self._hint
            )
        return self._interrupted(_reason(cause))

    def _interrupted(self, reason: str) -> InterruptedExchangeError:
        return InterruptedExchangeError(
            f"the connection to {self._where} was lost ({reason})", self._hint
        )

    def _too_slow(self, seconds: float) -> InterruptedExchangeError:
        return InterruptedExchangeError(
            f"{self._where} did not answer within {seconds:g} s", self._hint
        )


class _HostAdapter(HTTPAdapter):
    """Connects to `host`, whose IPv6 scope (`%usb0`) no URL carries through requests."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = f"[{host}]" if ":" in host else host

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Return what requests would, with this host."""
        parts, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return {**parts, "host": self._host}, tls


def _without_secrets(url: str) -> str:
    """Return a URL without its user and without its query: either may hold a secret."""
    head, mark, _ = url.partition("?")
    scheme, _, rest = head.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}{mark and '?…'}"


def _reason(error: BaseException) -> str:
    """Return the message of the innermost cause, without addresses and object names."""
    cause: BaseException = error
    while True:
        inner = cause.__cause__ or cause.__context__
        if inner is None or (isinstance(cause, OSError) and cause.strerror):
            break
        cause = inner
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return " ".join(str(cause).split())[:200] or type(cause).__name__


def _within(seconds: float, act: Callable[[], _T]) -> _T | None:
    """Return or raise what `act` does; return None when it takes longer than `seconds`.

    A socket's own timeout starts again with each byte: a peer that sends one now and then would
    block for ever.
    """
    result: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(act())
        except BaseException as error:  # re-raised by the caller below
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    return result[0] if result else None

"""Exchange HTTP requests and replies with the camera, each bounded in time and in size.

Only this module imports requests. Redirects, proxies and the user's `.netrc` are ignored: a camera
is on the local network, and its passwords must reach no other host. Nothing is retried: only the
caller knows whether a second request is safe.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ssl import SSLCertVerificationError
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from .address import for_url
from .deadline import Checks, within
from .errors import (
    CameraApiError,
    CameraError,
    ConnectionFailedError,
    InterruptedExchangeError,
    RedirectError,
)
from .folders import expanded
from .tls import Server, Trust, https_hint

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16
JSON_LIMIT = 16 << 20
_GRACE_SECONDS = 1.0
# Each request gets a connection of its own: one that is kept may be closed by the server at the
# moment when the next request is sent. A Node-RED that was busy for its five seconds of keep-alive
# does so, and so does a server that closes without announcing it.
_EACH = {"Accept-Encoding": "identity", "Connection": "close"}
_LOOK_SECONDS = 2.0  # to look at a server that does not answer as it should


@dataclass(frozen=True)
class Reply:
    """A reply: its status, and a body no longer than the limit of the exchange.

    `challenges` are its WWW-Authenticate headers: how to log in.
    """

    status: int
    body: bytes
    challenges: str = field(default="", compare=False)

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


class _Adapter(HTTPAdapter):
    """Connects to `host`, and trusts what `trust` says.

    No URL carries the scope of an IPv6 address (`%usb0`) through requests.
    """

    def __init__(self, host: str, trust: Trust | None) -> None:
        self._host = f"[{host}]" if ":" in host else host
        self._trust = trust
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        if self._trust:
            options["ssl_context"] = self._trust.context()
            options["assert_fingerprint"] = self._trust.fingerprint
        super().init_poolmanager(*args, **options)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Return what requests would, with this host."""
        parts, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return {**parts, "host": self._host}, tls


class HttpService:
    """One of the camera's HTTP servers. `what` names it in messages: "Node-RED", "the web API".

    `timeout` is the seconds that connecting, or a whole exchange, may take; a call can allow its
    exchange more. `hint` is the next step that errors of the connection give. `root` is a path
    before all others. With `trust` it speaks TLS; `settings` begins the names of the settings for
    that, as "camera.node_red_". Raises SettingsError for an unusable certificate file.
    """

    def __init__(
        self,
        host: str,
        port: int,
        what: str,
        *,
        timeout: float,
        hint: str,
        root: str = "",
        trust: Trust | None = None,
        settings: str = "",
    ) -> None:
        self._host, self._port, self._trust = host, port, trust
        scheme = "https" if trust else "http"
        self._base = f"{scheme}://{for_url(host)}:{port}{root}"
        self._where = f"{what} ({host} port {port}{root and f', below {root}'})"
        self._timeout = timeout
        self._hint, self._settings = hint, settings
        self._session = self._new_session()

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        adapter = _Adapter(self._host, self._trust)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        if self._trust:
            if self._trust.fingerprint:
                session.verify = False
            elif self._trust.ca:
                session.verify = str(expanded(self._trust.ca))
        return session

    @property
    def base(self) -> str:
        """The URL below which all its paths are."""
        return self._base

    @property
    def where(self) -> str:
        """Name the service for messages."""
        return self._where

    def close(self) -> None:
        """Close what is open."""
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
        wait: Callable[[float], bool] | None = None,
    ) -> Reply:
        """Send one request and read the whole reply, whatever its status.

        `wait` is called with the seconds so far whenever the service's own time-out has passed
        again without a reply; it returns whether to wait on.

        Raises ConnectionFailedError when nothing was sent, InterruptedExchangeError when the
        connection ended or the time was up after that, CertificateError for a server that is not
        trusted, RedirectError for a redirect, and CameraApiError for a compressed reply or one
        larger than `limit` bytes.
        """
        seconds = self._timeout if timeout is None else timeout

        def send() -> Reply:
            return self._exchange(method, path, headers or {}, body, form, limit, seconds)

        began = time.monotonic()
        what = f"{method} {_without_secrets(self._base + path)}"
        size = len(body or b"") + sum(len(part.content) for part in form)
        logger.debug("%s started, %d bytes out", what, size)
        try:
            reply = within(
                seconds + _GRACE_SECONDS,
                send,
                lambda waited: self._too_slow(min(waited, seconds)),
                wait and Checks(self._timeout, wait),
            )
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
                headers={**_EACH, **headers},
                data=body,
                files=[part.as_requests() for part in form] or None,
                timeout=(min(self._timeout, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._check_reply(response)
                challenges = response.headers.get("WWW-Authenticate", "")
                body = self._read(response, limit, until, seconds)
                # nginx, Apache and others answer so on their port for TLS.
                if response.status_code == 400 and b"HTTPS" in body.upper() and self._is_tls():
                    raise self._spoken_plainly()
                return Reply(response.status_code, body, challenges)
        except requests.exceptions.SSLError as error:
            raise self._untrusted(error) from error
        except requests.ConnectionError as error:
            raise self._lost(error) from error
        except (requests.RequestException, HTTPError, OSError) as error:
            if isinstance(error, requests.exceptions.InvalidURL | UnicodeError):
                raise ConnectionFailedError(
                    f"{self._where} has no usable address", "Check the spelling of the host."
                ) from error
            late = isinstance(error, requests.Timeout)
            raise self._interrupted(_reason(error), silent=late) from error
        except ValueError as error:
            raise ConnectionFailedError(
                f"{self._where} has no usable address", "Check the spelling of the host."
            ) from error
        finally:
            self._session.close()  # only its connections: it can be used again

    def _check_reply(self, response: requests.Response) -> None:
        if 300 <= response.status_code < 400:
            location = response.headers.get("Location", "")
            raise RedirectError(
                f"{self._where} redirects to another address (status {response.status_code}"
                f"{location and f', {_without_secrets(location)[:200]}'}), which recam does not "
                "follow",
                "Check the host and the port: is this the camera itself?",
                location,
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
        return self._interrupted(_reason(cause), silent=isinstance(cause, TimeoutError))

    def _interrupted(self, reason: str, *, silent: bool = False) -> ConnectionFailedError:
        """Return the error for a connection that ended; look whether the port speaks TLS."""
        if not silent and self._is_tls():
            return self._spoken_plainly()
        return InterruptedExchangeError(
            f"the connection to {self._where} was lost ({reason})", self._hint
        )

    def _is_tls(self) -> bool:
        """Return whether the port speaks TLS, and was spoken to in plain HTTP."""
        look = min(self._timeout, _LOOK_SECONDS)
        return not self._trust and bool(Server(self._host, self._port, look).fingerprint())

    def _spoken_plainly(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self._where} speaks TLS (https) on this port, and was spoken to in plain HTTP",
            https_hint(self._settings),
        )

    def _untrusted(self, error: requests.exceptions.SSLError) -> CameraError:
        """Return the error for a TLS connection that did not come about."""
        look = min(self._timeout, _LOOK_SECONDS)
        cause = next((e for e in _causes(error) if isinstance(e, SSLCertVerificationError)), None)
        server = Server(self._host, self._port, look, self._where, self._settings)
        found = server.refusal(self._trust or Trust(), cause, _reason(error))
        return found or InterruptedExchangeError(
            f"no TLS connection to {self._where} can be made ({_reason(error)})", self._hint
        )

    def answers(self, path: str) -> bool:
        """Return whether the server answers anything at all, on a connection of its own."""
        look = min(self._timeout, _LOOK_SECONDS)
        try:
            with (
                self._new_session() as session,
                session.get(self._base + path, timeout=look, allow_redirects=False, stream=True),
            ):
                return True
        except (requests.RequestException, HTTPError, OSError, ValueError):
            return False

    def _too_slow(self, seconds: float) -> InterruptedExchangeError:
        hint = self._hint
        if self._settings:
            hint += f" A slow one gets more time with the setting {self._settings}timeout."
        return InterruptedExchangeError(f"{self._where} did not answer within {seconds:g} s", hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it stands for, those that urllib3 wraps too."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__, getattr(found, "reason", None)]
            waiting += found.args


def _without_secrets(url: str) -> str:
    """Return a URL without its user and without its query: either may hold a secret."""
    head, mark, _ = url.partition("?")
    if "://" not in head:
        return f"{head}{mark and '?…'}"
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

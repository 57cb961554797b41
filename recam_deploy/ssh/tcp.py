"""Open the TCP connection below SSH; give each way of failing its own error message."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator

from ..address import for_url
from ..errors import ConnectionFailedError, PortClosedError

STALL_SECONDS = 20.0
SILENCE_SECONDS = 2.0
_REASON_LIMIT = 300
_WAITING_BYTES = 128 * 1024


def open_socket(
    host: str, port: int, timeout: float, on_silence: Callable[[], None] | None = None
) -> socket.socket:
    """Open a TCP connection to the camera's SSH server within `timeout` seconds.

    `on_silence` is called from another thread when nothing has answered for a moment. Raises
    PortClosedError when the connection is refused or nobody answers, ConnectionFailedError for an
    unknown name or an address that cannot be reached.
    """
    where = f"{host} port {port}"
    try:
        with _timer(min(SILENCE_SECONDS, timeout / 3), on_silence):
            link = _connect(host, port, timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectionFailedError(
            f"the name {host!r} cannot be resolved",
            "Check the spelling, or give the address: 192.168.42.1 over USB.",
        ) from error
    except ConnectionRefusedError as error:
        raise PortClosedError(
            f"{where}: connection refused",
            "SSH may be switched off: firmware 0.2.1 and newer have a switch on the camera's web "
            f"page, Settings > Security (http://{for_url(host)}/#/security).",
        ) from error
    except TimeoutError as error:
        raise PortClosedError(
            f"{where} did not answer within {timeout:g} s",
            "Check the cable and the address, and that the camera has finished starting.",
        ) from error
    except OSError as error:
        unscoped = host.startswith("fe80:") and "%" not in host
        raise ConnectionFailedError(
            f"{where} cannot be reached: {error.strerror or error}",
            f"Name the network interface that leads to it: {host}%usb0."
            if unscoped
            else "Check the cable and the address.",
        ) from error
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Keeps little in the send buffer, so that `send` runs at the speed of the link.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WAITING_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Ends the connection to a camera that lost its power, which looks like a slow one.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_SECONDS * 1000))
    return link


@contextlib.contextmanager
def _timer(seconds: float, act: Callable[[], None] | None) -> Iterator[None]:
    """Call `act` from another thread, unless the block ends before that."""
    if act is None:
        yield
        return
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    """Connect to the first address of a host that answers; all of them share the time."""
    until = time.monotonic() + timeout
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError("no time is left")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        left = until - time.monotonic()
        if left <= 0:
            break
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(left / (len(addresses) - number))
            link.connect(address)
        except OSError as error:
            link.close()
            failure = error
        else:
            return link
    raise failure


def silence(library: str) -> None:
    """Keep a library's log off the terminal; its errors arrive as exceptions."""
    logger = logging.getLogger(library)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False


def connection_lost(doing: str, reason: str = "") -> ConnectionFailedError:
    """Return the error for a connection that ended while `doing` ("uploading x")."""
    because = f" ({reason})" if reason else ""
    return ConnectionFailedError(
        f"the connection to the camera was lost while {doing}{because}",
        "Run the command again; it resumes where it was cut off. If the camera restarts, wait two "
        "minutes first.",
    )


def reason_of(error: BaseException) -> str:
    """Return the text of an exception on one line, of at most 300 characters.

    The limit is for text that the server chose.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error)[:_REASON_LIMIT].split()) or type(error).__name__

"""Open the TCP connection below SSH; give each way of failing its own error message."""

from __future__ import annotations

import logging
import socket

from ..errors import ConnectionFailedError, PortClosedError

STALL_SECONDS = 20.0
_REASON_LIMIT = 300
_WAITING_BYTES = 128 * 1024


def open_socket(host: str, port: int, timeout: float) -> socket.socket:
    """Open a TCP connection to the camera's SSH server within `timeout` seconds.

    Raises PortClosedError when it is refused or nobody answers, ConnectionFailedError for an
    unknown name or an address that cannot be reached.
    """
    where = f"{host} port {port}"
    try:
        link = socket.create_connection((host, port), timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectionFailedError(
            f"the name {host!r} cannot be resolved",
            "Check the spelling, or give the address: 192.168.42.1 over USB.",
        ) from error
    except ConnectionRefusedError as error:
        raise PortClosedError(
            f"{where}: connection refused",
            "SSH may be switched off: firmware 0.2.1 and newer have a switch on the camera's web "
            f"page, Settings > Security (http://{host}/#/security).",
        ) from error
    except TimeoutError as error:
        raise PortClosedError(
            f"{where} did not answer within {timeout:g} s",
            "Check the cable and the address, and that the camera has finished starting.",
        ) from error
    except OSError as error:
        raise ConnectionFailedError(
            f"{where} cannot be reached: {error.strerror or error}",
            "Check the cable and the address.",
        ) from error
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Keeps little in the send buffer, so that `send` runs at the speed of the link.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WAITING_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Ends the connection to a camera that lost its power, which looks like a slow one.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_SECONDS * 1000))
    return link


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

"""The connection below SSH: opening it, and an error for each way that it can fail or end."""

from __future__ import annotations

import logging
import socket

from ..errors import ConnectionFailedError

STALL_SECONDS = 20.0
_REASON_LIMIT = 300
_WAITING_BYTES = 128 * 1024


def open_socket(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the camera's SSH server, made within `timeout` seconds.

    Raises ConnectionFailedError: unknown name, refused, no answer, unreachable.
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
        raise ConnectionFailedError(
            f"{where}: connection refused",
            "SSH may be switched off: firmware 0.2.1 and newer have a switch on the camera's web "
            f"page, Settings > Security (http://{host}/#/security).",
        ) from error
    except TimeoutError as error:
        raise ConnectionFailedError(
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
        # What has been sent has left, but for little: how fast the link is shows at once.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WAITING_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Makes a camera that lost its power show as a lost connection, not as a slow one.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_SECONDS * 1000))
    return link


def silence(library: str) -> None:
    """Keep a library's own log away from the terminal; its errors reach us as exceptions."""
    logger = logging.getLogger(library)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False


def lost(doing: str, reason: str = "") -> ConnectionFailedError:
    """The error for a connection that ended while `doing` something."""
    because = f" ({reason})" if reason else ""
    return ConnectionFailedError(
        f"the connection to the camera was lost while {doing}{because}",
        "Run the command again; what was done before is found again. If the camera restarted, "
        "give it two minutes.",
    )


def reason_of(error: BaseException) -> str:
    """What an exception says, on one line; it may be the other end's words, so it is bounded."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error)[:_REASON_LIMIT].split()) or type(error).__name__

"""Download a file over scp, which every camera has.

Uploads run commands instead (`upload`): those can resume, and hold the camera's lock. Nothing else
imports scp.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

import scp

from ..errors import CameraError
from ..progress import Step
from .command import quote_bytes, to_wire
from .tcp import STALL_SECONDS, connection_lost, reason_of
from .upload import transfer_seconds

logger = logging.getLogger(__name__)

_BUFFER = 131072


class Transport(Protocol):
    """The SSH connection on which scp opens a channel."""

    def is_active(self) -> bool:
        """Return whether the connection is open."""


def fetch(
    transport: Transport, path: PurePosixPath, local: Path, limit: int, step: Step | None
) -> int:
    """Download a file as `Connection.download` promises.

    It is written beside `local`, and renamed when it is complete. Raises CameraError, and
    ConnectionFailedError or paramiko's exceptions for a lost connection.
    """

    def progress(_name: bytes, size: int, received: int) -> None:
        if size > limit:
            raise CameraError(
                f"{path.name} on the camera is larger than the {limit} bytes expected",
                "Look at what else runs on the camera, then run the command again.",
            )
        if step:
            step.update(done=received, total=size)

    began = time.monotonic()
    logger.debug("scp %s started", path)
    with tempfile.TemporaryDirectory(dir=local.parent, prefix=f".{local.name}.") as folder:
        part = Path(folder) / "part"
        with _client(transport, f"downloading {path.name}", limit, progress) as client:
            client.get(to_wire(str(path)), str(part))
        # The scp protocol lets the camera send a folder or a link instead.
        if part.is_symlink() or not part.is_file():
            raise CameraError(f"{path} on the camera is no file", "Remove or rename it there.")
        part.chmod(0o644)
        size = part.stat().st_size
        part.replace(local)
    logger.info("scp %s: %.3f s, %d bytes out", path, time.monotonic() - began, size)
    return size


@contextlib.contextmanager
def _client(
    transport: Transport, doing: str, limit: int, progress: object
) -> Iterator[scp.SCPClient]:
    """Yield an scp client; turn its failures into CameraError or ConnectionFailedError.

    A timer closes its channel, for scp itself waits for the other end's exit without a limit.
    """
    client = scp.SCPClient(
        transport,
        buff_size=_BUFFER,
        socket_timeout=STALL_SECONDS,
        progress=progress,
        sanitize=quote_bytes,
    )

    def close() -> None:
        if client.channel:
            client.channel.close()

    watchdog = threading.Timer(transfer_seconds(limit), close)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield client
    except (scp.SCPException, AssertionError) as error:
        if not transport.is_active():
            raise connection_lost(doing) from error
        raise CameraError(
            f"{doing} failed: {reason_of(error)}",
            "Check that the file is there, and that the camera has the program `scp`.",
        ) from error
    finally:
        watchdog.cancel()
        close()

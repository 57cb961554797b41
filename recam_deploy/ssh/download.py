"""Fetching a file over scp, which every camera has.

What is sent goes through commands instead (`upload`): those can go on where they were cut off, and
join the lock. Nothing else imports scp.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

import scp

from ..errors import CameraError
from ..progress import Step
from .command import quote_bytes, to_wire
from .tcp import STALL_SECONDS, lost, reason_of
from .upload import transfer_seconds

_BUFFER = 131072


class Transport(Protocol):
    """The SSH connection, which scp opens a channel of its own on."""

    def is_active(self) -> bool:
        """Whether it is still there."""


def fetch(
    transport: Transport, path: PurePosixPath, local: Path, limit: int, step: Step | None
) -> int:
    """Fetch a file as `RemoteFiles.download` promises.

    It arrives beside `local` and is renamed when it is whole.

    Raises CameraError, and ConnectionFailedError or what paramiko raises for a lost connection.
    """

    def progress(_name: bytes, size: int, received: int) -> None:
        if size > limit:
            raise CameraError(
                f"{path.name} on the camera has more than the {limit} bytes expected",
                "That is no result; look at what runs there.",
            )
        if step:
            step.update(done=received, total=size)

    with tempfile.TemporaryDirectory(dir=local.parent, prefix=f".{local.name}.") as folder:
        part = Path(folder) / "part"
        with _client(transport, f"fetching {path.name}", limit, progress) as client:
            client.get(to_wire(str(path)), str(part))
        # A camera that sends a folder or something else is not to be believed.
        if part.is_symlink() or not part.is_file():
            raise CameraError(f"the camera sent no file for {path}", "Look at what is there.")
        part.chmod(0o644)
        size = part.stat().st_size
        part.replace(local)
    return size


@contextlib.contextmanager
def _client(
    transport: Transport, doing: str, limit: int, progress: object
) -> Iterator[scp.SCPClient]:
    """An scp client whose failures become our errors, and whose time is bounded: scp itself waits
    for the other end's exit without a limit."""
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
            raise lost(doing) from error
        raise CameraError(
            f"{doing} failed: {reason_of(error)}", "See whether it is there, and the `scp` program."
        ) from error
    finally:
        watchdog.cancel()
        close()

"""Upload, download, hash and remove files on the camera by running commands there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ..errors import CameraError
from ..files import write_atomically
from ..progress import Step
from .command import RemoteCommand
from .scripts import load
from .session import Input, Result, TooMuchOutputError, TransferMonitor
from .upload import Chunk, transfer_seconds, upload

_Self = TypeVar("_Self", bound="RemoteFiles")

SHORT_SECONDS = 30.0  # for commands that only read or rename


class RemoteFiles(ABC):
    """File operations on top of `run`; they raise what it raises.

    A context manager that closes in the end.
    """

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connection; do nothing when it is closed."""

    @abstractmethod
    def run(
        self,
        command: RemoteCommand,
        *,
        timeout: float = SHORT_SECONDS,
        stdin: Input = b"",
        check: bool = True,
        monitor: TransferMonitor | None = None,
    ) -> Result:
        """Run a program to its end."""

    def upload(
        self, data: bytes, path: PurePosixPath, *, mode: int = 0o644, step: Step | None = None
    ) -> int:
        """Write `data` to the file `path`, replacing it; return the number of bytes.

        `step` shows the bytes sent. Raises CameraError with the camera's own message (such as "No
        space left on device") when it cannot store them; the file is removed then. A lost
        connection leaves a part of it, so check its hash afterwards.
        """

        def write(chunk: Chunk) -> Result:
            return self.run(
                RemoteCommand.script(
                    load("store"), path, f"{mode:o}", str(chunk.offset), chunk.form
                ),
                stdin=chunk.input,
                timeout=chunk.seconds,
                monitor=chunk.monitor,
            )

        upload(data, 0, write, f"uploading {path.name}", step)
        return len(data)

    def download(
        self,
        path: PurePosixPath,
        local: Path,
        *,
        limit: int,
        step: Step | None = None,
    ) -> int:
        """Download the file `path` to `local`, replacing it in one step; return its size in bytes.

        Raises CameraError when it does not exist or is larger than `limit` bytes; `local` stays as
        it was then. The caller checks its contents.
        """

        def received(count: int) -> None:
            if step:
                step.update(done=count)

        try:
            result = self.run(
                RemoteCommand.of("cat", path),
                timeout=transfer_seconds(limit),
                monitor=TransferMonitor(
                    f"downloading {path.name}", on_received=received, output_limit=limit
                ),
            )
        except TooMuchOutputError:
            raise CameraError(
                f"{path.name} on the camera is larger than the {limit} bytes expected",
                "Look at what else runs on the camera, then run the command again.",
            ) from None
        write_atomically(local, result.data)
        return len(result.data)

    def sha256(self, path: PurePosixPath) -> str | None:
        """Hash a file on the camera: its sha256 in hex; None where there is no such file."""
        output = self.run(RemoteCommand.script(load("sha256"), path), timeout=60).stdout.strip()
        return None if output == "absent" else output

    def exists(self, path: PurePosixPath) -> bool:
        """Return whether a file or folder of that name exists."""
        return self.run(RemoteCommand.of("test", "-e", path), check=False).ok

    def remove(self, *paths: PurePosixPath) -> None:
        """Remove files and folders, and ignore those that do not exist."""
        if paths:
            self.run(RemoteCommand.of("rm", "-rf", "--", *paths))

    def make_dir(self, path: PurePosixPath) -> None:
        """Make a folder and its parents; do nothing when it exists."""
        self.run(RemoteCommand.of("mkdir", "-p", "--", path))

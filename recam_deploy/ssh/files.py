"""What is done with files on the camera, in terms of commands there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ..errors import CameraError
from ..files import write_atomically
from ..progress import Step
from .command import RemoteCommand
from .scripts import SHA256, STORE
from .session import Input, Result, TooMuchOutputError, TransferMonitor
from .upload import Chunk, transfer_seconds, upload

_Self = TypeVar("_Self", bound="RemoteFiles")

SHORT_SECONDS = 30.0  # for commands that only look or rename


class RemoteFiles(ABC):
    """The verbs for whatever can run a command there; they raise what `run` raises.

    It is a context manager that closes in the end.
    """

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the connection; nothing if it is gone."""

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
        """Write `data` to the file `path`, replacing it; returns their number.

        `step` is told how many bytes have gone. Raises CameraError when the camera cannot store
        them, with its own words (such as "No space left on device"); nothing is left then. The
        file must be checked afterwards: a broken connection leaves a part of it.
        """

        def write(chunk: Chunk) -> Result:
            return self.run(
                RemoteCommand.script(STORE, path, f"{mode:o}", str(chunk.offset), chunk.form),
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
        """Fetch the file `path` into `local`, written beside and then renamed; returns its size.

        Raises CameraError when it is not there or larger than `limit` bytes; then `local` is as
        it was. Whether it is the right file is for the caller to check.
        """

        def received(count: int) -> None:
            if step:
                step.update(done=count)

        try:
            result = self.run(
                RemoteCommand.of("cat", path),
                timeout=transfer_seconds(limit),
                monitor=TransferMonitor(
                    f"fetching {path.name}", on_received=received, output_limit=limit
                ),
            )
        except TooMuchOutputError:
            raise CameraError(
                f"{path.name} on the camera has more than the {limit} bytes expected",
                "That is no result; look at what runs there.",
            ) from None
        write_atomically(local, result.data)
        return len(result.data)

    def sha256(self, path: PurePosixPath) -> str | None:
        """The sha256 of a file there, in hex; None where there is no such file."""
        said = self.run(RemoteCommand.script(SHA256, path), timeout=60).stdout.strip()
        return None if said == "absent" else said

    def exists(self, path: PurePosixPath) -> bool:
        """Whether anything of that name is there."""
        return self.run(RemoteCommand.of("test", "-e", path), check=False).ok

    def remove(self, *paths: PurePosixPath) -> None:
        """Remove files and folders; those that are not there are passed over."""
        if paths:
            self.run(RemoteCommand.of("rm", "-rf", "--", *paths))

    def make_dir(self, path: PurePosixPath) -> None:
        """Make a folder, and those it lies in; one that is there already is fine."""
        self.run(RemoteCommand.of("mkdir", "-p", "--", path))

"""What is done with files on the camera, in terms of commands there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import PurePosixPath
from typing import TypeVar

from .dialogue import RemoteResult
from .quoting import RemoteCommand
from .scripts import SHA256

_Self = TypeVar("_Self", bound="FileVerbs")

SHORT_SECONDS = 30.0  # for commands that only look or rename


class FileVerbs(ABC):
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
        stdin: bytes = b"",
        check: bool = True,
    ) -> RemoteResult:
        """Run a program to its end."""

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

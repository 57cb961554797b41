"""The folder on the camera that is ours: locks, history, kept flows, and the files of a run."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection

if TYPE_CHECKING:
    from .facts import CameraFacts
    from .paths import CameraPaths


_MAKE_OURS = 'mkdir -p "$1" && chown "$2" "$1"'


def make_work_folder(connection: Connection, facts: CameraFacts, paths: CameraPaths) -> None:
    """Make the work folder ours to write to, through sudo where that takes root.

    Raises CameraError when it is a symbolic link or lies behind one, or sudo does not help.
    """
    if facts.work.is_link:
        raise refused_link(paths.work)
    if not facts.work.writable:
        make_ours(connection, paths.work)
    elif not facts.work.exists:
        connection.make_dir(paths.work)


def make_ours(connection: Connection, folder: PurePosixPath) -> None:
    """Make a folder where we may not write, and make it ours, through sudo.

    Raises CameraError when that does not help either, SudoError.
    """
    command = RemoteCommand.script(_MAKE_OURS, folder, str(connection.uid))
    result = connection.sudo(command, check=False)
    if not result.ok:
        raise CameraError(
            f"the work folder {folder} cannot be made on the camera: {result.tail()}",
            "See what is there and how much space is left, or set camera.work to another folder.",
        )


def refused_link(folder: PurePosixPath) -> CameraError:
    """The error for a work folder that is a symbolic link or lies behind one."""
    return CameraError(
        f"{folder} on the camera is a symbolic link, or lies behind one; recam does not write "
        "through it",
        "Set camera.work to the folder itself.",
    )

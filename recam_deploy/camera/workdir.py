"""Make the work folder on the camera: locks, history, backups of flows, files of test runs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection

if TYPE_CHECKING:
    from .facts import CameraFacts
    from .paths import CameraPaths


def make_work_folder(connection: Connection, facts: CameraFacts, paths: CameraPaths) -> None:
    """Make the work folder, writable for the user; through sudo where needed.

    Raises CameraError when it is a symbolic link or lies behind one, or sudo does not help.
    """
    if facts.work.is_link:
        raise refused_link(paths.work)
    if not facts.work.writable:
        make_with_sudo(connection, paths.work)
    elif not facts.work.exists:
        connection.make_dir(paths.work)


def make_with_sudo(connection: Connection, folder: PurePosixPath) -> None:
    """Make a folder through sudo, and give it to the user.

    Raises CameraError when that fails, SudoError.
    """
    command = RemoteCommand.script("make_folder", folder, str(connection.uid))
    result = connection.sudo(command, check=False)
    if not result.ok:
        raise CameraError(
            f"the work folder {folder} cannot be made on the camera: {result.tail()}",
            "Check what is there and how much space is left, or set camera.work to another folder.",
        )


def refused_link(folder: PurePosixPath) -> CameraError:
    """Return the error for a work folder that is a symbolic link or lies behind one."""
    return CameraError(
        f"{folder} on the camera is a symbolic link, or lies behind one; recam does not write "
        "through it",
        "Set camera.work to the folder that the link leads to.",
    )

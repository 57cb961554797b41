"""The folder on the camera where we may keep files for the length of a command."""

from __future__ import annotations

from ..errors import CameraError
from .facts import CameraFacts
from .layout import CameraLayout
from .quoting import RemoteCommand
from .remote import Remote


def make_work_folder(remote: Remote, facts: CameraFacts, layout: CameraLayout) -> None:
    """Make the work folder ours to write to, through sudo where that takes root.

    Raises CameraError when it is a symbolic link: nothing is written through one.
    """
    if facts.work.is_link:
        raise CameraError(
            f"{layout.work} on the camera is a symbolic link; recam does not write through it",
            "Set camera.work to the folder itself.",
        )
    if facts.work.writable:
        if not facts.work.exists:
            remote.make_dir(layout.work)
        return
    remote.sudo(RemoteCommand.of("mkdir", "-p", "--", layout.work))
    remote.sudo(RemoteCommand.of("chown", str(facts.uid), "--", layout.work))

"""Keeping Node-RED's flows on the camera itself, before they are replaced.

So they can be put back by hand, or from another machine, with nothing but the camera.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from ..ssh.scripts import KEEP
from .facts import CameraFacts
from .paths import CameraPaths
from .workdir import make_work_folder

_KEPT = 20


def keep_flows(
    connection: Connection, facts: CameraFacts, paths: CameraPaths, name: str, data: bytes
) -> PurePosixPath:
    """Store a document in the work folder's `flows`, readable for its owner only; its path there.

    `name` is a file name of ours (`<number>-<hash>.json`). Raises CameraError when it cannot be
    stored whole.
    """
    make_work_folder(connection, facts, paths)
    digest = hashlib.sha256(data).hexdigest()
    staged = paths.staged_flow(digest)
    connection.upload(data, staged, mode=0o600)
    command = RemoteCommand.script(KEEP, paths.flows, staged, name, digest, str(_KEPT))
    result = connection.run(command, check=False)
    if not result.ok:
        raise CameraError(
            f"the flows could not be kept on the camera: {result.tail() or 'no reason was given'}",
            f"Look at {paths.flows} there.",
        )
    return paths.flows / name

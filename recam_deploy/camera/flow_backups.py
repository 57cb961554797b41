"""Back up Node-RED's flows on the camera itself, before they are replaced.

So they can be restored by hand, or from another machine.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from ..errors import CameraError
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection
from .facts import CameraFacts
from .paths import CameraPaths
from .workdir import make_work_folder

_KEPT = 20


def keep_flows(
    connection: Connection, facts: CameraFacts, paths: CameraPaths, name: str, data: bytes
) -> PurePosixPath:
    """Store a document in the work folder's `flows`, with mode 0600; return its path there.

    `name` is `<number>-<hash>.json`. The oldest documents over 20 are removed. Raises CameraError
    when it cannot be stored.
    """
    make_work_folder(connection, facts, paths)
    digest = hashlib.sha256(data).hexdigest()
    staged = paths.staged_flow(digest)
    connection.upload(data, staged, mode=0o600)
    command = RemoteCommand.script("keep_flows", paths.flows, staged, name, digest, str(_KEPT))
    result = connection.run(command, check=False)
    if not result.ok:
        reason = result.tail() or "no reason was given"
        raise CameraError(
            f"the flows could not be backed up on the camera: {reason}",
            f"Look at {paths.flows} there: its storage may be full.",
        )
    return paths.flows / name

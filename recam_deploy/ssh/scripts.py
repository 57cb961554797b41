"""Load the shell scripts that run on the camera.

They are the files of `device/on_camera/`, for busybox and for coreutils alike. Their text is
constant: paths and names are given as arguments, never as part of it.
"""

from __future__ import annotations

import functools
import re

from ..resources import resource
from .command import Script

_SHARED = ". ./lib.sh\n"
# The text is sent with each command, so comments would cost time.
_COMMENT = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)


@functools.cache
def load(name: str) -> Script:
    """Read the script `name`, with the shared functions inserted and the comments removed.

    Raises FileNotFoundError when the installation is incomplete.
    """
    text = _read(name)
    if _SHARED in text:
        text = text.replace(_SHARED, _read("lib"))
    return Script(text.strip(), f"{name}.sh")


def _read(name: str) -> str:
    path = resource(f"device/on_camera/{name}.sh")
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))

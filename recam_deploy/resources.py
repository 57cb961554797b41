"""Find the files of `device/` and `noderedflows/`.

In a wheel both are inside the package; in a checkout they are beside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the path of a file or folder such as `device/on_camera/tpu_run.py`.

    Raises FileNotFoundError when the installation is incomplete, which is a bug.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root / name
        if path.exists():
            return path
    raise FileNotFoundError(f"{name} is missing from this installation of recam-deploy")

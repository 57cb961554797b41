"""Say how a missing package is installed beside this very recam."""

from __future__ import annotations

import contextlib
import shlex
import sys
from importlib.metadata import Distribution, PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .documents import parse_json

_NAME = "recam-deploy"


def install_extra(extra: str) -> str:
    """Return the command that adds an extra of pyproject.toml, such as `heic`, to this recam.

    A recam that was installed from a checkout names the checkout: no index need have the package.
    """
    checkout = _checkout()
    if checkout:
        return install_command("-e", f"{checkout}[{extra}]")
    return install_command(f"{_NAME}[{extra}]")


def install_command(*words: str) -> str:
    """Return a command line that installs packages for this Python, by pip or else by uv."""
    if find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install"]
    else:
        beside = Path(sys.executable).with_name("uv")
        uv = str(beside) if beside.exists() else "uv"
        command = [uv, "pip", "install", "--python", sys.executable]
    return shlex.join([*command, *words])


def _checkout() -> Path | None:
    """Return the folder that this recam runs from; None when it was copied out of a package."""
    with contextlib.suppress(PackageNotFoundError, ValueError, KeyError, TypeError, OSError):
        written = Distribution.from_name(_NAME).read_text("direct_url.json")
        origin = parse_json(written or "{}")
        if origin.get("dir_info", {}).get("editable"):
            folder = Path(unquote(urlsplit(origin["url"]).path))
            return folder if folder.is_dir() else None
    return None

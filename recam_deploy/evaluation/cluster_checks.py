"""Check a Dask cluster before an evaluation: its address, its scheduler and its workers.

Numbers are equal to the last digit only where the same packages computed them.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from ..errors import EvaluationError, UsageError
from ..version import __version__

HOW_TO = (
    "Start one with `dask scheduler`, and give the address that it prints, such as "
    "tcp://10.0.0.5:8786."
)
_PACKAGE = "recam-deploy"
_COMPUTING = ("onnxruntime", "numpy", "pillow")
_OPTIONAL = "pillow-heif"
_SCHEMES = ("tcp", "tls", "ws", "wss")
_NO_SCHEME = re.compile(r"[^/\s]+:\d+")


def check_address(address: str) -> str:
    """Return a scheduler's address with its scheme. Raises UsageError when it is none."""
    whole = f"tcp://{address}" if _NO_SCHEME.fullmatch(address) else address
    try:
        parts = urlsplit(whole)
        complete = bool(parts.scheme in _SCHEMES and parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete or re.search(r"\s", whole):  # urlsplit passes over line breaks
        raise UsageError(f"--scheduler {address!r} is no address of a Dask scheduler", HOW_TO)
    return whole


def check_scheduler(address: str, identity: Mapping[str, Any]) -> None:
    """Raise EvaluationError when what answered at `address` is not a scheduler."""
    kind = str(identity.get("type", "something else"))
    if kind != "Scheduler":
        raise EvaluationError(
            f"at {address} answers no Dask scheduler, but a {kind.lower()}",
            "Give the scheduler's address; `dask scheduler` prints it.",
        )


def check_workers(client: Any) -> None:
    """Raise EvaluationError for a worker that lacks a package, or has another version of one."""
    python = ".".join(platform.python_version_tuple()[:2])
    for worker, version in client.run(platform.python_version, on_error="return").items():
        if not str(version).startswith(f"{python}."):
            raise EvaluationError(
                f"the worker {worker} runs Python {version}, and this is {python}",
                f"Run the workers with Python {python}; it must have the same recam-deploy.",
            )
    for package in (_PACKAGE, *_COMPUTING, _OPTIONAL):
        _check_package(client, package)


def _check_package(client: Any, package: str) -> None:
    wanted = __version__ if package == _PACKAGE else _version(package)
    if wanted is None:
        return
    # A function of the standard library: one of ours could not be loaded where we are missing.
    for worker, found in client.run(metadata.version, package, on_error="return").items():
        if found == wanted:
            continue
        if isinstance(found, metadata.PackageNotFoundError):
            has = "it has none"
        elif isinstance(found, str):
            has = f"it has {found}"
        else:
            has = f"it says {type(found).__name__}"
        raise EvaluationError(
            f"the worker {worker} needs {package} {wanted}, as here: {has}",
            f"Install {package}=={wanted} where the workers run, and start them again.",
        )


def _version(package: str) -> str | None:
    """Return a package's version; None where it is not installed, and so not needed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

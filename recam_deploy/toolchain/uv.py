"""Find and run uv, the program that installs packages, and explain its failures."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from uv import find_uv_bin

from .. import process
from ..errors import ToolchainError
from ..folders import NoHomeError, home
from ..progress import Step
from ..redaction import keep_secret, redact
from .failures import last_lines
from .pip_settings import pip_settings, uv_names_an_index
from .python310 import Run

# Variables that would install the packages elsewhere, or choose others than the lock names.
_UNWANTED = frozenset(
    {
        "UV_BREAK_SYSTEM_PACKAGES",
        "UV_CONSTRAINT",
        "UV_EXCLUDE",
        "UV_EXCLUDE_NEWER",
        "UV_LINK_MODE",
        "UV_NO_BINARY",
        "UV_NO_BINARY_PACKAGE",
        "UV_NO_PROGRESS",
        "UV_ONLY_BINARY",
        "UV_OVERRIDE",
        "UV_PREFIX",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_TARGET",
        "UV_VENV_CLEAR",
        "UV_VENV_SEED",
        "UV_WORKING_DIR",
        "UV_WORKING_DIRECTORY",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYTHONHOME",
        "PYTHONPATH",
    }
)

_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True)
class Uv:
    """The program uv and the environment of its processes; `runner` starts them."""

    program: Path
    environ: Mapping[str, str]
    runner: Run = process.run

    def run(
        self, arguments: Sequence[str | Path], *, timeout: float, step: Step | None = None
    ) -> process.Completed:
        """Run uv to its end, whatever its exit code; show its downloads in `step`."""
        return self.runner(
            [self.program, *arguments],
            env=self.environ,
            timeout=timeout,
            on_line=Downloads(step).line if step else None,
        )


def find_uv(environ: Mapping[str, str], cache_dir: Path, runner: Run = process.run) -> Uv:
    """Find the uv that was installed with recam. Raises ToolchainError when it is missing.

    `cache_dir` takes uv's downloads where the user has no home for them.
    """
    try:
        program = Path(find_uv_bin())
    except FileNotFoundError as error:
        raise ToolchainError(
            "the program uv is missing; it installs the compiler",
            "Run `pip install uv`, or reinstall recam-deploy with its dependencies.",
        ) from error
    own = _with_place(uv_environment(environ), cache_dir)
    _keep_secrets(own)
    return Uv(program, own, runner)


def uv_environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of uv: the caller's without the variables in `_UNWANTED`.

    pip's index, package folders, certificates and proxy, of its files or variables, are used where
    uv has none of its own.
    """
    environ = {name: value for name, value in base.items() if name not in _UNWANTED}
    pip = pip_settings(base)
    if not uv_names_an_index(base):
        environ = _index_of(pip) | environ
    for key, name in (("find-links", "UV_FIND_LINKS"), ("trusted-host", "UV_INSECURE_HOST")):
        separator = "," if name == "UV_FIND_LINKS" else " "
        if pip.get(key) and not base.get(name):
            environ[name] = separator.join(pip[key].split())
    certificates = pip.get("cert") or base.get("REQUESTS_CA_BUNDLE")
    if certificates and not base.get("SSL_CERT_FILE") and not base.get("SSL_CERT_DIR"):
        name = "SSL_CERT_DIR" if Path(certificates).is_dir() else "SSL_CERT_FILE"
        environ[name] = certificates
    if pip.get("proxy") and not any(base.get(name) for name in _PROXIES):
        environ |= {"HTTPS_PROXY": pip["proxy"], "HTTP_PROXY": pip["proxy"]}
    return environ


def _index_of(pip: Mapping[str, str]) -> dict[str, str]:
    """Return uv's variables for pip's index and further indexes.

    With further ones pip takes the best version of all, and uv the first index that has the name:
    it is told to do as pip does. The compiler's packages are locked by their hashes.
    """
    found: dict[str, str] = {}
    if index := pip.get("index-url"):
        found["UV_DEFAULT_INDEX"] = index
    if more := " ".join(pip.get("extra-index-url", "").split()):
        found |= {"UV_INDEX": more, "UV_INDEX_STRATEGY": "unsafe-best-match"}
    return found


def _keep_secrets(environ: Mapping[str, str]) -> None:
    """Register the passwords in the addresses of indexes and proxies, so that none is printed."""
    for name in (*_INDEXES, *_PROXIES):
        for address in environ.get(name, "").split():
            with contextlib.suppress(ValueError):
                keep_secret(unquote(urlsplit(address).password or ""))


def _with_place(environ: dict[str, str], cache_dir: Path) -> dict[str, str]:
    """Give uv places for its files where the home is missing or read-only.

    It would write into the working folder instead, or fail.
    """
    try:
        writable = os.access(home(), os.W_OK | os.X_OK)
    except NoHomeError:
        writable = False
    if not writable:
        for name, usual, own in (
            ("UV_CACHE_DIR", "XDG_CACHE_HOME", "cache"),
            ("UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", "python"),
        ):
            if not environ.get(usual):
                environ.setdefault(name, str(cache_dir / "uv" / own))
    return environ


class Downloads:
    """Turns uv's lines, `Downloading numpy (16.5MiB)` and `Downloaded numpy`, into progress."""

    _START = re.compile(r"Downloading (\S+) \(([\d.]+)(KiB|MiB|GiB)\)")
    _END = re.compile(r"Downloaded (\S+)")
    _MIB: Mapping[str, float] = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}

    def __init__(self, step: Step) -> None:
        self._step = step
        self._sizes: dict[str, float] = {}
        self._done = 0.0

    def line(self, text: str) -> None:
        if match := self._START.search(text):
            self._sizes[match[1]] = float(match[2]) * self._MIB[match[3]]
        elif match := self._END.search(text):
            self._done += self._sizes.get(match[1], 0.0)
        else:
            return
        self._step.update(self._done, sum(self._sizes.values()), note=match[1])


_INSTALL_FAILURES: tuple[tuple[str, str, str], ...] = (
    (
        r"No space left on device|os error 28",
        "there is no space left on the disk",
        "Free 2 GB or more, or set RECAM_CACHE_DIR and UV_CACHE_DIR to folders on a larger disk.",
    ),
    (
        r"(?i)hash mismatch",
        "the hash of a downloaded package is wrong",
        "A proxy or mirror may change files. Use another package index (UV_DEFAULT_INDEX), or "
        "clear uv's cache (`uv cache clean`).",
    ),
    (
        r"(?i)UnknownIssuer|invalid peer certificate|certificate verify",
        "the package index's certificate is not trusted",
        "Set UV_SYSTEM_CERTS=1 to trust the system's certificates as pip does, or SSL_CERT_FILE to "
        "a file with those of your organisation.",
    ),
    (
        r"(?i)\b403 forbidden\b|\b407 proxy|unsuccessful tunnel|tunnel error",
        "the proxy or the package index refuses the connection",
        "Name an index that you may use with UV_DEFAULT_INDEX (or `index-url` in pip.conf), or a "
        "proxy with its user and password in HTTPS_PROXY.",
    ),
    (
        r"(?i)dns error|failed to (fetch|connect)|connection refused|timed? ?out"
        r"|error sending request|network",
        "the package index cannot be reached",
        "Check the network, the proxy if one is set (HTTPS_PROXY, ALL_PROXY), and UV_DEFAULT_INDEX "
        "(or PIP_INDEX_URL) if you use an index of your own (pip.conf and uv.toml are read too); "
        "then run this again.",
    ),
    (
        r"(?i)no solution found|no version of|not found in the package registry",
        "the package index lacks a package that was pinned",
        "Use PyPI or a full mirror of it (UV_DEFAULT_INDEX).",
    ),
)


def install_error(done: process.Completed, what: str = "the compiler") -> ToolchainError:
    """Return the error for a uv that failed to install `what`, with its cause if it is known."""
    for pattern, cause, hint in _INSTALL_FAILURES:
        if re.search(pattern, done.output):
            return ToolchainError(f"{what} could not be installed: {cause}", hint)
    return ToolchainError(
        f"{what} could not be installed: uv ended with exit code {done.returncode}: "
        f"{redact(last_lines(done.output))}",
        "Run this again; if it keeps failing, report these lines.",
    )

"""Remove a host's keys from a known-hosts file; all other lines stay as they are, byte for byte."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HostKeyError
from ..files import write_atomically
from .known_hosts import HostKey, HostLine, labels_of


@dataclass(frozen=True)
class Forgotten:
    """The keys that were found in one file, and the lines' numbers.

    `elsewhere` are the names under which the file has keys of the same host at other ports.
    """

    path: Path
    keys: tuple[tuple[int, HostKey], ...]
    elsewhere: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the file's part of the document of `forget-host --json`."""
        keys = [
            {"line": line, "type": key.key_type, "fingerprint": key.fingerprint}
            for line, key in self.keys
        ]
        return {"file": str(self.path), "keys": keys}


def forget(path: Path, host: str, port: int, *, dry_run: bool = False) -> Forgotten:
    """Remove the keys of a host from a file; with `dry_run`, only find them.

    A line that names other hosts too loses this name alone. Lines that revoke a key stay. Raises
    HostKeyError when the file cannot be read or written.
    """
    real = path.resolve()
    try:
        data = real.read_bytes() if real.exists() else b""
        mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o600
    except OSError as error:
        raise _failed("read", path, error) from error
    labels = labels_of(host, port)
    kept: list[bytes] = []
    keys: list[tuple[int, HostKey]] = []
    elsewhere: list[str] = []
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        parsed = HostLine.parse(line.decode("utf-8", "surrogateescape"))
        if parsed is None or parsed.revoked or not parsed.is_for(labels):
            kept.append(line)
            elsewhere += parsed.other_ports(host) if parsed and not parsed.revoked else []
            continue
        keys.append((number, parsed.key))
        kept.append(parsed.without(labels).encode("utf-8", "surrogateescape"))
    if keys and not dry_run:
        if not os.access(real, os.W_OK):
            raise _failed("written", path, PermissionError(0, "it is read-only"))
        try:
            write_atomically(real, b"".join(kept), mode)
        except OSError as error:
            raise _failed("written", path, error) from error
    return Forgotten(path, tuple(keys), tuple(dict.fromkeys(elsewhere)))


def _failed(what: str, path: Path, error: OSError) -> HostKeyError:
    return HostKeyError(
        f"the known-hosts file {path} cannot be {what}: {error.strerror or error}",
        "Correct its permissions, or name another file (--known-hosts, camera.known_hosts).",
    )

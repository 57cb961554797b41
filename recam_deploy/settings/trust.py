"""Remember which recam.toml of a working folder may say where passwords are sent.

The file in the working folder may come from someone else: with a clone, an archive, or a folder
that others write to. As direnv does for its files, one that names the host or its known keys is
trusted by its path and the hash of what it says of the camera; a change asks again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..files import write_atomically
from ..folders import user_state

_RELEVANT = (
    *("host", "port", "user", "known_hosts", "keyring", "http_port", "node_red_port"),
    *("node_red_user", "node_red_root", "node_red_https", "node_red_ca", "node_red_fingerprint"),
)
"""What decides where a password goes, and who is asked for it there."""
CERTIFICATE = ("node_red_ca", "node_red_fingerprint")
"""What decides who is believed to be Node-RED at a host, whoever named the host."""


@dataclass(frozen=True)
class LocalFile:
    """What the working folder's file decides: `host`, `known_hosts`; `own` are its own secrets.

    `certificate`: it says which certificate of Node-RED is believed (a CA, or a fingerprint).

    Flags and variables that name the same take these away. `digest` is the hash of what it says of
    the camera.
    """

    path: Path
    digest: str
    host: bool = False
    known_hosts: bool = False
    certificate: bool = False
    own: frozenset[str] = frozenset()

    @property
    def trusted(self) -> bool:
        """Whether the user has allowed it before."""
        return self._mark.is_file()

    def trust(self) -> None:
        """Remember that the user allows it. Raises SettingsError when that cannot be written."""
        text = json.dumps({"file": str(self.path), "sha256": self.digest}) + "\n"
        try:
            self._mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._mark, text.encode("utf-8", "backslashreplace"), 0o600)
        except OSError as error:
            raise SettingsError(
                f"{self._mark} cannot be written: {error.strerror}",
                "Make that folder writable, or name the camera with --host.",
            ) from error

    def forget(self) -> bool:
        """Take the permission back; return whether there was one."""
        found = self.trusted
        self._mark.unlink(missing_ok=True)
        return found

    @property
    def _mark(self) -> Path:
        name = hashlib.sha256(f"{self.path}\0{self.digest}".encode("utf-8", "backslashreplace"))
        return user_state() / "trusted" / f"{name.hexdigest()[:32]}.json"


def digest_of(table: Mapping[str, Any]) -> str:
    """Return the hash of what a camera's table says of where passwords go."""
    said = {key: str(table[key]) for key in _RELEVANT if key in table}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

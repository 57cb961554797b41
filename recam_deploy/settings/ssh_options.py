"""Hold what `~/.ssh/config` says of a camera besides host, port and user; `ssh.config` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .schema import CameraSettings


@dataclass(frozen=True)
class SshOptions:
    """The options of one host; the names follow ssh_config(5).

    `alias` is the host as the user wrote it. `keys` are its IdentityFiles. `known_hosts` is its
    UserKnownHostsFile. `agent` is the socket of its IdentityAgent, "none" for no agent, and "" for
    the agent of SSH_AUTH_SOCK. `host_key_policy` is its StrictHostKeyChecking in lower case, "" for
    none: `yes` and `accept-new` are followed, `no` and `off` are not. `jumps` are the hosts to
    connect through, the nearest first; none where there is a `proxy_command`, whose words are run
    without a shell.
    """

    alias: str = ""
    keys: tuple[Path, ...] = ()
    identities_only: bool = False
    host_key_alias: str | None = None
    known_hosts: tuple[Path, ...] = ()
    agent: str = ""
    host_key_policy: str = ""
    proxy_command: tuple[str, ...] = ()
    jumps: tuple[CameraSettings, ...] = ()

    @property
    def way(self) -> str:
        """How the host is reached, for messages; empty when directly."""
        if self.proxy_command:
            return f"the ProxyCommand {self.proxy_command[0]}"
        return " and ".join(f"the jump host {jump.ssh.alias or jump.host}" for jump in self.jumps)

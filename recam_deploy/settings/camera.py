"""Define the settings of a camera, and what every table of the settings has."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from ..address import Address, for_url
from ..bounds import BOUNDS
from ..errors import ConnectionFailedError
from .hosts import ADDRESS, refuse_foreign_port, with_host
from .ssh_options import SshOptions
from .trust import LocalFile


def bounded(name: str) -> Any:
    """Return pydantic's field with the bounds of a number; `name` is its key in `BOUNDS`."""
    return Field(**BOUNDS[name].field)


class Section(BaseModel):
    """One table of the file; its environment variables begin with `prefix`."""

    # Otherwise pydantic's errors show the value, which may be a secret.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    prefix: ClassVar[str]


class CameraSettings(Section):
    """The camera's address, paths and ports; the defaults are those of reCamera's OS.

    `host` may be written with a user and a port, which become those fields. Times are in seconds.
    """

    prefix: ClassVar[str] = "RECAM_"

    host: str | None = None
    port: Annotated[int, bounded("camera.port")] = 22
    user: str = "recamera"
    password: SecretStr | None = None
    keyring: bool = False
    key: Path | None = None
    models: PurePosixPath = PurePosixPath("/userdata/Models")
    work: PurePosixPath = PurePosixPath("/userdata/recam")
    runner: PurePosixPath = PurePosixPath("/home/recamera/sscma-model")
    library_path: str = (
        "/lib:/usr/lib:/usr/lib64:/mnt/system/lib:/mnt/system/usr/lib:/mnt/system/usr/lib/3rd"
    )
    system: PurePosixPath = PurePosixPath("/")
    history: Annotated[int, bounded("camera.history")] = 3
    known_hosts: Path | None = None
    flow_backups: Path | None = None
    timeout: Annotated[float, bounded("camera.timeout")] = 15.0
    run_timeout: Annotated[float, bounded("camera.run_timeout")] = 120.0
    http_port: Annotated[int, bounded("camera.http_port")] = 80
    mqtt_port: Annotated[int, bounded("camera.mqtt_port")] = 1883
    node_red_port: Annotated[int, bounded("camera.node_red_port")] = 1880
    preview_port: Annotated[int, bounded("camera.preview_port")] = 8090
    node_red_user: str | None = None
    node_red_password: SecretStr | None = None
    node_red_token: SecretStr | None = None

    _address: Address = PrivateAttr(default=Address(""))
    _ssh: SshOptions = PrivateAttr(default=SshOptions())
    _local: LocalFile | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _take_host_apart(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        found = with_host(values, str)
        found.pop(ADDRESS, None)
        return found

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were set anywhere, with what the host's text said."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        return fields | ({ADDRESS: self._address} if self._address.host else {})

    def remember(self, address: Address) -> None:
        """Keep what the host's text said, for `given`; called once, when these are made.

        Raises SettingsError when that was a URL with a port that is none of the camera's.
        """
        refuse_foreign_port(address, self.ports)
        self._address = address

    @property
    def local(self) -> LocalFile | None:
        """What the file in the working folder decides of these; None when there is no such file."""
        return self._local

    def come_from(self, file: LocalFile | None) -> None:
        """Note what the working folder's file decides; called when these are made."""
        self._local = file

    @property
    def ssh(self) -> SshOptions:
        """What the user's `~/.ssh/config` adds; nothing until `ssh.config` has read it."""
        return self._ssh

    def with_ssh(self, options: SshOptions, **fields: Any) -> CameraSettings:
        """Return these settings with what `~/.ssh/config` says of the host."""
        changed = self.model_copy(update=fields)
        changed._ssh = options
        return changed

    @property
    def ports(self) -> dict[str, int]:
        """The ports of the camera's other services, by name."""
        return {
            "HTTP": self.http_port,
            "Node-RED": self.node_red_port,
            "MQTT": self.mqtt_port,
            "the preview": self.preview_port,
        }

    @property
    def direct_host(self) -> str:
        """The host for HTTP, MQTT and websockets, which go no way that ssh's config names.

        Raises ConnectionFailedError, with the tunnel that helps, for a camera behind a jump host.
        """
        if not self.ssh.way:
            return str(self.host)
        pairs = [(2222, self.port), (8080, self.http_port)]
        pairs += [(port, port) for port in (self.node_red_port, self.mqtt_port, self.preview_port)]
        tunnels = " ".join(f"-L {here}:127.0.0.1:{there}" for here, there in pairs)
        raise ConnectionFailedError(
            f"{self.ssh.alias} is reached through {self.ssh.way}, and Node-RED, the web API and "
            "live results need a direct way",
            "Deploying, testing and the history work as they are. For the rest run in another "
            f"terminal: ssh -N {tunnels} {self.user}@{self.ssh.alias}; then give --host 127.0.0.1 "
            "--port 2222, with RECAM_HTTP_PORT=8080 set.",
        )

    @property
    def web_page(self) -> str:
        """The URL of the camera's own web page, without a path."""
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return f"http://{for_url(str(self.host))}{port}"

    @property
    def editor(self) -> str:
        """The URL of the camera's Node-RED editor."""
        return f"http://{for_url(str(self.host))}:{self.node_red_port}"

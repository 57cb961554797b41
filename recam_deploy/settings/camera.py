"""Define the settings of a camera, and combine those of several sources.

The user and the port in `host = "me@cam:2222"` count as settings of the same source. They belong to
that host: another source's host replaces all three.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from ..address import Address, for_url, parse_address
from ..bounds import BOUNDS
from ..errors import ConnectionFailedError, SettingsError
from .ssh_options import SshOptions
from .trust import LocalFile


def bounded(name: str) -> Any:
    """Return pydantic's field with the bounds of a number; `name` is its key in `BOUNDS`."""
    return Field(**BOUNDS[name].field)


ADDRESS = "_address"
"""The key under which `with_host` keeps what it read of a host's text."""


class Section(BaseModel):
    """One table of the file; its environment variables begin with `prefix`."""

    # Otherwise pydantic's errors show the value, which may be a secret.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    prefix: ClassVar[str]


def _root(value: Any) -> Any:
    """Return a path before those of the Admin API with a slash before and none behind."""
    text = value.strip().strip("/") if isinstance(value, str) else value
    if not isinstance(text, str) or not re.fullmatch(r"([A-Za-z0-9._~%-]+(/(?!$))?)*", text):
        raise ValueError("give a path, such as /admin")
    if ".." in text.split("/"):
        raise ValueError("give a path without ..")
    return f"/{text}" if text else ""


def _fingerprint(value: Any) -> Any:
    """Return a certificate's SHA-256 in 64 lower-case digits, as openssl and browsers show it."""
    digits = re.sub(r"(?i)sha-?256|fingerprint|[\s:=]", "", str(value)).lower()
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError("give the certificate's SHA-256: 64 hexadecimal digits")
    return digits


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
    node_red_root: Annotated[str, BeforeValidator(_root)] = ""
    node_red_https: bool = False
    node_red_ca: Path | None = None
    node_red_fingerprint: Annotated[str, BeforeValidator(_fingerprint)] | None = None
    node_red_timeout: Annotated[float, bounded("camera.node_red_timeout")] = 180.0
    node_red_user: str | None = None
    node_red_password: SecretStr | None = None
    node_red_token: SecretStr | None = None
    node_red_basic_user: str | None = None
    node_red_basic_password: SecretStr | None = None

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
        _refuse_foreign_port(address, self.ports)
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
    def node_red_tls(self) -> bool:
        """Whether Node-RED is spoken to over TLS."""
        return self.node_red_https or bool(self.node_red_ca or self.node_red_fingerprint)

    @property
    def editor(self) -> str:
        """The URL of the camera's Node-RED editor."""
        scheme = "https" if self.node_red_tls else "http"
        return f"{scheme}://{for_url(str(self.host))}:{self.node_red_port}{self.node_red_root}"


def refuse_plain_tls(camera: CameraSettings, flags: Mapping[str, Any]) -> None:
    """Raise SettingsError for a flag that chooses plain HTTP beside a certificate.

    A certificate implies TLS, so the flag would do nothing.
    """
    if flags.get("node_red_https") is not False:
        return
    for name in ("node_red_ca", "node_red_fingerprint"):
        if getattr(camera, name):
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(
                f"--node-red-http chooses plain HTTP, and {name} needs TLS",
                f"Leave one of them out: {name} is set by {flag}, RECAM_{name.upper()} or "
                f"camera.{name}.",
            )


def with_host(values: Mapping[str, Any], named: Callable[[str], str]) -> dict[str, Any]:
    """Return one source's camera settings with its host's text taken apart.

    `named` returns how a field is called there, for messages. Raises SettingsError for a text that
    is no address, and for a user or a port that the same source gives differently.
    """
    text = values.get("host")
    if not isinstance(text, str) or isinstance(values.get(ADDRESS), Address):
        return dict(values)
    try:
        address = parse_address(text)
    except SettingsError as error:
        raise SettingsError(f"{named('host')}: {error.message}", error.hint) from error
    found: dict[str, Any] = {"host": address.host, ADDRESS: address}
    for field, value in (("user", address.user), ("port", address.port)):
        if value is None:
            continue
        given = values.get(field)
        if given is not None and str(given) != str(value):
            raise SettingsError(
                f"{named('host')} names the {field} {value}, and {named(field)} is {given}",
                f"Leave one of them out: the {field} in the host's text is enough.",
            )
        found[field] = value
    return {**values, **found}


def overlay(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Combine two sources' settings; `upper` wins.

    A host of `upper` also replaces the user and the port that `lower` had in its host's text.
    """
    if upper.get("host") is None:
        return {**lower, **upper}
    stale = _from_text(lower.get(ADDRESS))
    kept = {key: value for key, value in lower.items() if key not in (*stale, ADDRESS)}
    return {**kept, **upper}


def _refuse_foreign_port(address: Address, ports: Mapping[str, int]) -> None:
    """Raise SettingsError for a URL whose port is none of the camera's `ports`.

    Such a port is not SSH's, and ignoring it would hide a mistake.
    """
    if address.other_port in (None, 443, *ports.values()):
        return
    known = ", ".join(f"{name} {port}" for name, port in ports.items())
    raise SettingsError(
        f"the host is a URL with port {address.other_port}, which is none of the camera's ports "
        f"({known})",
        "Give the host alone; --port is SSH's port, and the others are settings of [camera].",
    )


def _from_text(address: Address | None) -> tuple[str, ...]:
    if address is None:
        return ()
    return tuple(field for field in ("user", "port") if getattr(address, field) is not None)

"""Apply `~/.ssh/config` to the settings of a camera, as `ssh` does.

Settings that the user made (flags, environment, recam.toml) are stronger, defaults are weaker. The
file is read only when HOME is set.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..address import parse_address
from ..errors import SettingsError
from ..folders import expanded
from ..settings import CameraSettings, SshOptions
from .config_text import malformed, read_config, split_words

Options = Mapping[str, "str | list[str] | None"]

_MOST_JUMPS = 8
_WORD = re.compile(r"[\w.@+-]+")


def with_ssh_config(
    camera: CameraSettings, environment: Mapping[str, str] | None = None
) -> CameraSettings:
    """Return the settings with what the user's ssh config says of the host.

    `host` becomes its HostName. Raises SettingsError for a file that is malformed, a value that
    cannot be used, and jump hosts that lead back to one another.
    """
    home = (os.environ if environment is None else environment).get("HOME")
    path = Path(home or "") / ".ssh" / "config"
    if not camera.host or not home or not path.is_file():
        return camera
    return _resolve(camera, path, CameraSettings().user, ())


def _resolve(
    camera: CameraSettings, path: Path, default_user: str, through: tuple[str, ...]
) -> CameraSettings:
    alias = str(camera.host)
    found = _look_up(camera, path, default_user)
    fields: dict[str, object] = {"host": _host(found, alias, path)}
    if "port" not in camera.model_fields_set and "port" in found:
        fields["port"] = _port(_text(found, "port"), alias, path)
    if "user" not in camera.model_fields_set:
        fields["user"] = _text(found, "user") or default_user
    resolved = camera.model_copy(update=fields)
    tokens = {
        "%": "%",
        "d": str(path.parent.parent),
        "h": str(resolved.host),
        "n": alias,
        "p": str(resolved.port),
        "r": resolved.user,
        "u": _local_user(),
    }
    jumps: tuple[CameraSettings, ...] = ()
    command: tuple[str, ...] = ()
    if _proxy(found) == "proxyjump":
        jumps = _jumps(_expand(_text(found, "proxyjump"), tokens), camera, path, (*through, alias))
    elif _proxy(found) == "proxycommand":
        command = _command(_text(found, "proxycommand"), tokens, alias, path)
    keys = found.get("identityfile") or ()
    files = _words(_text(found, "userknownhostsfile"), path)
    options = SshOptions(
        alias=alias,
        keys=tuple(_path(key, tokens) for key in keys if key.lower() != "none"),
        identities_only=_text(found, "identitiesonly").lower() == "yes",
        host_key_alias=_text(found, "hostkeyalias") or None,
        known_hosts=tuple(_path(name, tokens) for name in files if name.lower() != "none"),
        agent=_agent(_text(found, "identityagent"), tokens),
        host_key_policy=_host_key_policy(found, alias, path),
        proxy_command=command,
        jumps=jumps,
    )
    return resolved.with_ssh(options)


def _look_up(camera: CameraSettings, path: Path, default_user: str) -> Options:
    from .transport import look_up_options

    alias = str(camera.host)
    # The first value of an option counts: what the user set goes first, the default last.
    first = [
        f"{key} {getattr(camera, key)}"
        for key in ("user", "port")
        if key in camera.model_fields_set and _WORD.fullmatch(str(getattr(camera, key)))
    ]
    last = ["Host *", f"User {default_user}"] if _WORD.fullmatch(default_user) else []

    def is_active(lines: list[str]) -> bool:
        return "recamprobe" in look_up_options([*first, *lines, "RecamProbe yes"], alias)

    try:
        return look_up_options([*first, *read_config(path, is_active), *last], alias)
    except ValueError as error:
        raise malformed(path, str(error)) from error


def _jumps(
    text: str, camera: CameraSettings, path: Path, through: tuple[str, ...]
) -> tuple[CameraSettings, ...]:
    """Resolve the jump hosts of `text`, and theirs in turn; the nearest comes first."""
    hops: tuple[CameraSettings, ...] = ()
    for word in (part.strip() for part in text.split(",")):
        try:
            address = parse_address(word)
        except SettingsError as error:
            raise malformed(path, f"ProxyJump: {error.message}") from error
        if not address.host or address.host in through or len(through) > _MOST_JUMPS:
            raise malformed(path, f"ProxyJump of {through[-1]} leads nowhere, or back to itself")
        given = {"user": address.user, "port": address.port, "known_hosts": camera.known_hosts}
        hop = _resolve(
            CameraSettings(
                host=address.host,
                timeout=camera.timeout,
                **{key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
            ),
            path,
            _local_user(),
            through,
        )
        # As for ssh: only the first host of a list uses the jump hosts of its own.
        before = hops or hop.ssh.jumps
        if before and hop.ssh.proxy_command:
            raise malformed(path, f"{hop.ssh.alias} has a ProxyCommand and lies behind a jump host")
        hops = (*before, hop)
    return hops


def _proxy(found: Options) -> str:
    """Return which of ProxyJump and ProxyCommand counts, the first; "" where that is `none`."""
    first = next((key for key in found if key in ("proxyjump", "proxycommand")), "")
    return "" if not first or _text(found, first).lower() in ("", "none") else first


def _command(text: str, tokens: Mapping[str, str], alias: str, path: Path) -> tuple[str, ...]:
    """Split a ProxyCommand into words, since no shell runs it."""
    text = text.replace("2>/dev/null", "")
    words = _words(text, path)
    if words[:1] == ["exec"]:
        words = words[1:]
    if not words or _needs_shell(text):
        raise malformed(
            path,
            f"the ProxyCommand of {alias} needs a shell, and recam runs it without one; put it "
            "into a script, or use ProxyJump",
        )
    return tuple(
        str(_path(word, tokens)) if word[:1] == "~" else _expand(word, tokens) for word in words
    )


def _needs_shell(text: str) -> bool:
    """Return whether a shell would do more with a command line than split it into words."""
    unquoted = re.sub("'[^']*'", "", text)
    expands = re.search(r"`|\$[\w({]", unquoted)
    joins = re.search(r"[|&;<>]", re.sub('"[^"]*"', "", unquoted))
    return bool(expands or joins)


def _host(found: Options, alias: str, path: Path) -> str:
    name = _text(found, "hostname")
    if name in ("", alias):
        return alias
    try:
        address = parse_address(_expand(name, {"%": "%", "h": alias}))
    except SettingsError as error:
        raise malformed(path, f"HostName of {alias}: {error.message}") from error
    if address.user or address.port:
        raise malformed(path, f"HostName of {alias} holds more than a host; use User and Port")
    return address.host or alias


def _port(text: str, alias: str, path: Path) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise malformed(path, f"the Port of {alias} is no number from 1 to 65535")
    return int(text)


def _agent(text: str, tokens: Mapping[str, str]) -> str:
    """Return the socket that an IdentityAgent names, `none`, or "" for that of SSH_AUTH_SOCK."""
    if text.lower() == "none":
        return "none"
    if text in ("", "SSH_AUTH_SOCK"):
        return ""
    filled = re.sub(r"\$\{(\w+)\}", lambda name: os.environ.get(name[1], ""), text)
    variable = re.fullmatch(r"\$(\w+)", filled)
    if variable:
        filled = os.environ.get(variable[1], "")
    # As for ssh: a variable that is not set names no agent, and not another one.
    return str(_path(filled, tokens)) if filled else "none"


def _host_key_policy(found: Options, alias: str, path: Path) -> str:
    policy = _text(found, "stricthostkeychecking").lower()
    if policy not in ("", "yes", "true", "no", "false", "off", "ask", "accept-new"):
        raise malformed(path, f"the StrictHostKeyChecking of {alias} is {policy[:40]}")
    return {"true": "yes", "false": "no"}.get(policy, policy)


def _path(text: str, tokens: Mapping[str, str]) -> Path:
    return expanded(Path(_expand(text, tokens)))


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """Replace the tokens of ssh_config(5); leave unknown ones as they are."""
    return re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _text(found: Options, key: str) -> str:
    value = found.get(key)
    return value.strip() if isinstance(value, str) else ""


def _words(value: str, path: Path) -> list[str]:
    try:
        return split_words(value)
    except ValueError:
        raise malformed(path, "a quote is left open") from None


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "nobody"  # a container's user without a name

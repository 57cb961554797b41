"""Read a camera's address as people write it: `user@host:port`, a URL, IPv6 with brackets or not.

`parse_address` is the only reader of such text; every connection uses the plain host that it
returns. `for_url` and `host_and_port` are the only writers.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote

from .errors import SettingsError

_LONGEST = 1024
_LONGEST_NAME = 253  # RFC 1035, section 2.3.4
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SSH_SCHEMES = ("ssh", "sftp", "scp")
_OTHER_SCHEMES = ("http", "https", "ws", "wss", "mqtt", "mqtts")
_NAME = re.compile(r"\w[\w.-]*")
_SCOPE = re.compile(r"[\w.~-]+")
_USER = re.compile(r"[^\s:@/%\\'\"\x00-\x1f\x7f-\x9f-][^\s:@/\\'\"\x00-\x1f\x7f-\x9f]*")
_DIGITS = re.compile(r"[0-9]{1,5}")
# Blanks that str.strip() leaves, which copying from a web page brings along.
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff"
_EXAMPLES = "Write it as 192.168.42.1, recamera.local, user@host:port or [fe80::1%usb0]:22."


@dataclass(frozen=True)
class Address:
    """A host without brackets or blanks, and what its text said besides.

    `user` and `port` are those for SSH. `other_port` is the port of a web or MQTT URL, which is
    not SSH's; None where the URL leaves it out.
    """

    host: str
    user: str | None = None
    port: int | None = None
    other_port: int | None = None


def parse_address(text: str) -> Address:
    """Parse a camera's address. Raises SettingsError when it is none, or holds a password."""
    written = text.strip().strip(_INVISIBLE).strip()
    if not written:
        return Address("")
    shown = _shown(written)
    if len(written) > _LONGEST:
        raise SettingsError(f"the host {shown} is too long", _EXAMPLES)
    scheme, rest = _split_scheme(written)
    place = _without_path(rest, shown, is_url=bool(scheme))
    login, at, server = place.rpartition("@")
    host, port = _split_port(server, shown, is_url=bool(scheme))
    user = _user(login, shown, is_url=bool(scheme)) if at else None
    if scheme in _OTHER_SCHEMES:
        return Address(host, user, other_port=port)
    return Address(host, user, port)


def for_url(host: str) -> str:
    """Return a host as a URL holds it: IPv6 in brackets, without its scope.

    A scope such as `%usb0` means something on this machine alone, so no server is told.
    """
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def host_and_port(host: str, port: int, usual: int = 22) -> str:
    """Write a host and its port so that `parse_address` reads it back; leave out the usual port."""
    if port == usual:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _shown(written: str) -> str:
    """Return the text for a message: short, printable, and without anything before an `@`."""
    login, at, rest = written.rpartition("@")
    if at and ":" in _SCHEME.sub("", login, count=1):
        written = f"…@{rest}"  # a password may be among it
    return repr(written[:80])


def _split_scheme(written: str) -> tuple[str, str]:
    found = _SCHEME.match(written)
    if not found:
        return "", written
    scheme = found[1].lower()
    if scheme not in _SSH_SCHEMES and scheme not in _OTHER_SCHEMES:
        raise SettingsError(f"a camera has no address that begins with {scheme}://", _EXAMPLES)
    return scheme, written[found.end() :]


def _without_path(rest: str, shown: str, *, is_url: bool) -> str:
    """Cut off a URL's path; without a scheme, only the end that a browser's address bar adds."""
    place, path = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if path and not is_url and not re.fullmatch(r"/(#.*)?", path):
        raise SettingsError(f"the host {shown} holds a path or a network, not one host", _EXAMPLES)
    return str(place)


def _split_port(server: str, shown: str, *, is_url: bool) -> tuple[str, int | None]:
    """Split `host:port`. A bare IPv6 address has no port."""
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](:(.*))?", server, re.DOTALL)
    if bracketed:
        # Known-hosts files write any host so, and messages from there get copied.
        inner, port = bracketed[1], _port(bracketed[3] or "", shown)
        six = ":" in inner
        return (_ipv6(inner, shown, is_url=is_url) if six else _name(inner, shown)), port
    if server.count(":") > 1:
        return _ipv6(server, shown, is_url=is_url), None
    name, _, port_text = server.partition(":")
    return _name(unquote(name) if is_url else name, shown), _port(port_text, shown)


def _port(text: str, shown: str) -> int | None:
    if not text:
        return None
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise SettingsError(
            f"the host {shown} ends in no usable port", "A port is a number from 1 to 65535."
        )
    return int(text)


def _ipv6(text: str, shown: str, *, is_url: bool) -> str:
    address, mark, scope = text.partition("%")
    if is_url and scope.startswith("25"):
        scope = scope[2:] or scope  # a URL writes % as %25 (RFC 6874)
    while scope.startswith("25") and not scope.isdigit():  # and so does what was copied from one
        scope = scope[2:]
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        raise SettingsError(
            f"the host {shown} is no IPv6 address, and holds more than one colon",
            "Write a port after an IPv6 address as [fe80::1%usb0]:22.",
        ) from None
    if mark and not _SCOPE.fullmatch(scope):
        raise SettingsError(
            f"the host {shown} names no network interface after the %",
            "Write it as fe80::1%usb0, and with a port as [fe80::1%usb0]:22.",
        )
    return address.lower() + mark + scope


def _name(name: str, shown: str) -> str:
    if "." in name[:-1]:
        name = name.removesuffix(".")
    empty_label = ".." in name or (name.endswith(".") and "." in name[:-1])
    if empty_label or not (_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME and _is_idna(name)):
        raise SettingsError(f"{shown} is no name or address of a host", _EXAMPLES)
    if re.fullmatch(r"[0-9.]*\.[0-9.]*", name):
        try:
            # The system's resolver reads 192.168.1 as 192.168.0.1, and 010 as 8.
            ipaddress.IPv4Address(name)
        except ValueError:
            raise SettingsError(
                f"the host {shown} is no IPv4 address", "It has four numbers, each 0 to 255."
            ) from None
    return name


def _is_idna(name: str) -> bool:
    """Return whether the resolver can encode a name: no label is empty or longer than 63."""
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


def _user(login: str, shown: str, *, is_url: bool) -> str:
    if ":" in login:
        raise SettingsError(
            f"the host {shown} holds a password, which other users of this machine can see",
            "Leave it out of the host: set RECAM_PASSWORD, or run the command on a terminal to be "
            "asked.",
        )
    user = unquote(login) if is_url else login
    if not _USER.fullmatch(user):
        raise SettingsError(f"the host {shown} begins with no usable user name", _EXAMPLES)
    return user

"""Take user and port out of a host's text, and combine settings of several sources accordingly.

The user and the port in `host = "me@cam:2222"` count as settings of the same source. They belong to
that host: another source's host replaces all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..address import Address, parse_address
from ..errors import SettingsError

ADDRESS = "_address"
"""The key under which `with_host` keeps what it read."""


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


def refuse_foreign_port(address: Address, ports: Mapping[str, int]) -> None:
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

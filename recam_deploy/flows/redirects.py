"""Name the settings with which a redirect of Node-RED's would not happen; it is never followed."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

_ELSEWHERE = (
    "Check the host and the port: is this the camera itself? No password is sent to another host."
)


def redirect_hint(base: str, path: str, location: str) -> str:
    """Return the next step after a request of `base` + `path` that was sent to `location`."""
    try:
        asked, to = urlsplit(base), urlsplit(urljoin(base + path, location))
        ports = [part.port or (443 if part.scheme == "https" else 80) for part in (asked, to)]
    except ValueError:
        return _ELSEWHERE
    if to.hostname != asked.hostname:
        return _ELSEWHERE
    settings = []
    if (asked.scheme, to.scheme) == ("http", "https"):
        settings.append(("https", "true"))
    if ports[0] != ports[1]:
        settings.append(("port", str(ports[1])))
    root = to.path.removesuffix(path).rstrip("/")
    if root != asked.path.rstrip("/"):
        settings.append(("root", f'"{root}"'))
    if not settings:
        return _ELSEWHERE
    named = ", ".join(f"camera.node_red_{name} = {value}" for name, value in settings)
    variables = " ".join(f"RECAM_NODE_RED_{name.upper()}={value}" for name, value in settings)
    return f"Set {named} ({variables})."

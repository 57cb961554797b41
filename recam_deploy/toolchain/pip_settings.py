"""Read pip's own settings: a package index, certificates and a proxy that uv does not read.

The places and their order are pip's (pip/_internal/configuration.py, `get_configuration_files` and
`iter_config_files`): later files win, `[install]` wins over `[global]`, and a variable PIP_… over
all files. Files of conda's and system packages' pips are the same ones.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..documents import parse_toml
from ..folders import NoHomeError, home

_SECTIONS = ("global", "install")
_KEYS = ("index-url", "extra-index-url", "find-links", "cert", "trusted-host", "proxy", "no-index")


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of `pip install` by their names in pip.conf; empty ones are left out.

    A file that cannot be read counts as empty.
    """
    found: dict[str, str] = {}
    for section in _SECTIONS:
        for path in _files(environ):
            found |= _section(path, section)
    for key in _KEYS:
        if value := environ.get(f"PIP_{key.upper().replace('-', '_')}"):
            found[key] = value
    return {key: value for key, value in found.items() if value.strip()}


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield pip's configuration files, the weakest first."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    yield from (Path(folder) / "pip/pip.conf" for folder in reversed(shared.split(os.pathsep)))
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        yield from _own_files(environ)
    for prefix in (environ.get("VIRTUAL_ENV"), environ.get("CONDA_PREFIX"), sys.prefix):
        if prefix:
            yield Path(prefix) / ("pip.ini" if os.name == "nt" else "pip.conf")
    if named:
        yield Path(named)


def _own_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if os.name == "nt":
        yield Path(environ.get("APPDATA", "")) / "pip/pip.ini"
        return
    try:
        own = Path(environ["HOME"]) if environ.get("HOME") else home()
    except NoHomeError:
        return
    yield own / ".pip/pip.conf"
    config = environ.get("XDG_CONFIG_HOME")
    yield (Path(config) if config else own / ".config") / "pip/pip.conf"
    if sys.platform == "darwin":
        yield own / "Library/Application Support/pip/pip.conf"


def _section(path: Path, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        return {}
    if not parser.has_section(section):
        return {}
    items = ((key.replace("_", "-"), value or "") for key, value in parser.items(section))
    return {key: value for key, value in items if key in _KEYS}


def uv_names_an_index(environ: Mapping[str, str]) -> bool:
    """Say whether uv's variables or its own file uv.toml name an index: pip's are left alone then.

    uv reads both itself, and a variable would win over the file.
    """
    if environ.get("UV_INDEX_URL") or environ.get("UV_DEFAULT_INDEX"):
        return True
    return any(_names_an_index(path) for path in _uv_files(environ))


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("UV_CONFIG_FILE"):
        yield Path(named)
        return
    if environ.get("UV_NO_CONFIG"):
        return
    own = environ.get("HOME")
    config = environ.get("XDG_CONFIG_HOME") or (own and f"{own}/.config")
    if config:
        yield Path(config) / "uv/uv.toml"
    yield Path("/etc/uv/uv.toml")


def _names_an_index(path: Path) -> bool:
    try:
        document = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    pip = document.get("pip")
    tables = (document, pip if isinstance(pip, dict) else {})
    return any(table.get(key) for table in tables for key in ("index", "index-url"))

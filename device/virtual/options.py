"""Hold what the virtual camera was asked for on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .nodered.settings import NEWEST
from .pictures import DEFAULT as DEFAULT_PICTURES
from .pictures import HOLD_SECONDS
from .releases import CURRENT

METHODS = frozenset({"password", "publickey"})


@dataclass(frozen=True)
class Options:
    """Hold what ``serve`` was asked for."""

    folder: Path
    tpu_libraries: tuple[Path, ...]
    emulated: Path | None = None
    port: int = 0
    password_file: Path | None = None
    factory_model: Path | None = None
    factory_info: Path | None = None
    release: str = CURRENT.name
    firmware: str = "stock"
    http_port: int = 0
    mqtt_port: int = 0
    preview_port: int = 0
    video_port: int = 0
    node_red_port: int = 0
    node_red_cache: Path | None = None
    nodes: Path | None = None
    nodes_version: str = NEWEST
    dashboard: bool = False
    broker: str = "auto"
    pictures: Path = DEFAULT_PICTURES
    hold: float = HOLD_SECONDS
    methods: frozenset[str] = METHODS
    announce: bool = False
    ssh: bool = True
    address: str | None = None
    """Where it listens on the camera's own ports; None: on 127.0.0.1, on free ones."""

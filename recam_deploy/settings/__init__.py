"""Settings: flags over environment over recam.toml over defaults."""

from .schema import (
    CameraSettings,
    ConvertSettings,
    DiscoverSettings,
    Settings,
    default_flow_backups,
    default_known_hosts,
    load_settings,
)

__all__ = [
    "CameraSettings",
    "ConvertSettings",
    "DiscoverSettings",
    "Settings",
    "default_flow_backups",
    "default_known_hosts",
    "load_settings",
]

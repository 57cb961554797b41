"""Load settings: flags override the environment, recam.toml and the defaults, in this order."""

from .schema import (
    CameraSettings,
    ConvertSettings,
    DiscoverSettings,
    Settings,
    default_flow_backups,
    default_known_hosts,
    load_settings,
)
from .ssh_options import SshOptions

__all__ = [
    "CameraSettings",
    "ConvertSettings",
    "DiscoverSettings",
    "Settings",
    "SshOptions",
    "default_flow_backups",
    "default_known_hosts",
    "load_settings",
]

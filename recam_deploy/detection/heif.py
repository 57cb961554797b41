"""Read HEIC pictures, as iPhones take them, where the package `pillow-heif` is installed."""

from __future__ import annotations

import functools

from ..extras import install_command, install_extra


def heic_hint() -> str:
    """Say how HEIC pictures come to be read."""
    return f"Run: {install_extra('heic')}. Or convert the pictures to JPEG."


def avif_hint() -> str:
    """Say how AVIF pictures come to be read."""
    return f"Run: {install_command('--upgrade', 'pillow')}. Or convert the pictures to JPEG."


@functools.cache
def heic_is_read() -> bool:
    """Let Pillow open HEIC; say whether it can."""
    try:
        import pillow_heif
    except (ImportError, OSError):  # OSError: a library of the system that it needs is missing
        return False
    pillow_heif.register_heif_opener()
    return True


def avif_is_read() -> bool:
    """Say whether this Pillow was built with AVIF, as its wheels are since 11.3."""
    from PIL import features

    try:
        return bool(features.check("avif"))
    except ValueError:  # a Pillow that has not heard of it
        return False

"""Name the exit codes with which the scripts on the camera report what went wrong."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """An exit code of the scripts; `device/on_camera/lib.sh` has the same.

    They lie above those of the camera's own programs and below the shell's (from 126 on).
    """

    INSTALL_DAMAGED = 65
    INSTALL_IN_THE_WAY = 66
    STORAGE_FAILED = 67
    CHANGED_MEANWHILE = 68
    NOT_READ_BACK = 69
    LOCK_BUSY = 75

"""Read passwords from the system's keyring, an optional extra; the only module that imports it.

The user stores them with that library's program: `keyring set recam USER@HOST`.
"""

from __future__ import annotations

from pydantic import SecretStr

from ..errors import SettingsError
from ..extras import install_extra
from ..redaction import keep_secret

SERVICE = "recam"


def stored_password(user: str, host: str) -> SecretStr | None:
    """Return the password stored for a camera's user; None where there is none.

    Raises SettingsError when the extra is not installed, or the keyring cannot be read.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise SettingsError(
            "the settings need the system keyring, but its library is not installed",
            f"Run: {install_extra('keyring')}, or remove `keyring = true`.",
        ) from error
    try:
        password = keyring.get_password(SERVICE, f"{user}@{host}")
    except (KeyringError, OSError) as error:
        # Without the error's text, even in a traceback: some stores repeat secrets in it.
        raise SettingsError(
            f"the system keyring cannot be read: {type(error).__name__}",
            "Unlock it, or set RECAM_PASSWORD instead.",
        ) from None
    keep_secret(password)
    return SecretStr(password) if password else None

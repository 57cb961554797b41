"""The one door to the system's keyring, an optional extra: passwords that others keep for us.

They are stored with that library's own program, `keyring set recam USER@HOST`; we only look.
"""

from __future__ import annotations

from pydantic import SecretStr

from ..errors import SettingsError

SERVICE = "recam"


def stored_password(user: str, host: str) -> SecretStr | None:
    """The password kept for a camera's user; None where none is.

    Raises SettingsError when the extra is not installed, or the keyring cannot be asked.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise SettingsError(
            "the settings ask for the system keyring, and its library is not installed",
            "Run: pip install 'recam-deploy[keyring]', or remove `keyring = true`.",
        ) from error
    try:
        password = keyring.get_password(SERVICE, f"{user}@{host}")
    except (KeyringError, OSError) as error:
        # Without what it says, even in a traceback: some stores repeat what they were given.
        raise SettingsError(
            f"the system keyring cannot be asked: {type(error).__name__}",
            "Unlock it, or set RECAM_PASSWORD instead.",
        ) from None
    return SecretStr(password) if password else None

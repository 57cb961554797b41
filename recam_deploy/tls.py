"""Trust a server's TLS certificate, and say why it is not trusted.

A camera's own certificate is self-signed as a rule, so a user may name the authority that signed
it, or pin the certificate itself by its SHA-256 fingerprint. A pinned certificate may be expired or
made out to another name: it is known.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from .errors import SettingsError

_HTTP = b"GET / HTTP/1.0\r\n\r\n"
# Codes of X509_verify_cert_error_string in OpenSSL.
_NOT_YET, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_CHAIN, _NO_ISSUER = 9, 10, 18, 19, 20
_WRONG_NAME, _WRONG_ADDRESS = 62, 64


@dataclass(frozen=True)
class Trust:
    """What a server's certificate must be: signed by `ca` (a PEM file), or the pinned one.

    `fingerprint` is the SHA-256 of the certificate in 64 lower-case hexadecimal digits. Without
    either, an authority that this machine trusts must have signed it.
    """

    ca: Path | None = None
    fingerprint: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for connections. Raises SettingsError for an unusable `ca`."""
        if self.fingerprint:
            return _unverified()
        try:
            context = ssl.create_default_context(cafile=self.ca and str(self.ca.expanduser()))
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the server's own will do
            return context
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise SettingsError(
                f"{self.ca} is no file of certificates: {reason or 'it is not in PEM form'}",
                "Give the certificate of the authority in PEM form (-----BEGIN CERTIFICATE-----).",
            ) from error


def problems_of(
    error: ssl.SSLCertVerificationError, host: str, port: int, timeout: float
) -> list[str]:
    """Say why a server's certificate was refused: all reasons, of which OpenSSL tells one."""
    found = [_problem(error, host)]
    for check_name in (False, True):
        other = _refused_for(host, port, timeout, check_name=check_name)
        if other and (reason := _problem(other, host)) not in found:
            found.append(reason)
            break
    return found


def _refused_for(
    host: str, port: int, timeout: float, *, check_name: bool
) -> ssl.SSLCertVerificationError | None:
    """Return why the certificate is refused even by one who trusts whoever signed it."""
    shown = _certificate(host, port, timeout)
    if shown is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_name
    context.load_verify_locations(cadata=shown)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with (
            socket.create_connection((host, port), timeout) as link,
            context.wrap_socket(link, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return error
    except (OSError, ValueError):
        return None


def _problem(error: ssl.SSLCertVerificationError, host: str) -> str:
    """Say why a certificate was refused, by OpenSSL's code."""
    code = error.verify_code
    if code == _EXPIRED:
        return "its certificate has expired"
    if code == _NOT_YET:
        return "its certificate is not valid yet: check the clocks of this machine and the camera"
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        return f"its certificate is made out to another name than {host}"
    if code in (_SELF_SIGNED, _SELF_SIGNED_CHAIN):
        return "its certificate is self-signed, so nobody vouches for it"
    if code == _NO_ISSUER:
        return "its certificate is signed by an authority that this machine does not know"
    return f"its certificate is refused ({error.verify_message})"


def fingerprint_of(host: str, port: int, timeout: float) -> str | None:
    """Return the SHA-256 of the certificate that a server shows; None where it speaks no TLS."""
    shown = _certificate(host, port, timeout)
    return hashlib.sha256(shown).hexdigest() if shown else None


def _certificate(host: str, port: int, timeout: float) -> bytes | None:
    """Return the certificate that a server shows, in DER form, without trusting it."""
    try:
        with (
            socket.create_connection((host, port), timeout) as link,
            _unverified().wrap_socket(link, server_hostname=host) as wrapped,
        ):
            return wrapped.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None


def speaks_http(host: str, port: int, timeout: float) -> bool:
    """Return whether a server answers in plain HTTP."""
    try:
        with socket.create_connection((host, port), timeout) as link:
            link.sendall(_HTTP)
            return link.recv(5) == b"HTTP/"
    except (OSError, ValueError):
        return False


def _unverified() -> ssl.SSLContext:
    """Return a context that accepts any certificate, for one that is compared or shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

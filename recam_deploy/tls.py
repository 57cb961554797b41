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

from .errors import CameraError, CertificateError, ConnectionFailedError, SettingsError
from .folders import expanded

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
            context = ssl.create_default_context(cafile=self.ca and str(expanded(self.ca)))
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the server's own will do
            return context
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise SettingsError(
                f"{self.ca} is no file of certificates: {reason or 'it is not in PEM form'}",
                "Give the certificate of the authority in PEM form (-----BEGIN CERTIFICATE-----).",
            ) from error


@dataclass(frozen=True)
class Server:
    """A server to look at without trusting it, each time for `timeout` seconds at most.

    `where` names it in messages; `settings` begins the names of its settings, as
    "camera.node_red_".
    """

    host: str
    port: int
    timeout: float
    where: str = ""
    settings: str = ""

    def refusal(
        self, trust: Trust, cause: ssl.SSLCertVerificationError | None, reason: str
    ) -> CameraError | None:
        """Return the error for a TLS connection that failed; None where nothing explains it."""
        shown = self.fingerprint()
        if shown is None:
            return self._plain() if self._speaks_http() else None
        pin = f"{_variable(self.settings)}FINGERPRINT={shown}"
        if trust.fingerprint and trust.fingerprint != shown:
            return CertificateError(
                f"the certificate of {self.where} is not the pinned one: its SHA-256 fingerprint "
                f"is {shown}",
                "Someone may be in between, or the certificate was renewed. If it was renewed, "
                f"pin the new one: {pin}",
            )
        problem = ", and ".join(self._problems(cause)) if cause else f"TLS fails ({reason})"
        return CertificateError(
            f"{self.where} is not trusted: {problem}",
            f"Its SHA-256 fingerprint is {shown}. Compare it on the camera (openssl x509 -noout "
            f"-fingerprint -sha256 -in its certificate). If it is the same, pin it with {pin} "
            f"(setting {self.settings}fingerprint), or name the authority that signed it with "
            f"{self.settings}ca.",
        )

    def fingerprint(self) -> str | None:
        """Return the SHA-256 of the certificate that it shows; None where it speaks no TLS."""
        shown = self._certificate()
        return hashlib.sha256(shown).hexdigest() if shown else None

    def _certificate(self) -> bytes | None:
        """Return the certificate that it shows, in DER form."""
        try:
            with (
                socket.create_connection((self.host, self.port), self.timeout) as link,
                _unverified().wrap_socket(link, server_hostname=self.host) as wrapped,
            ):
                return wrapped.getpeercert(binary_form=True)
        except (OSError, ValueError):
            return None

    def _speaks_http(self) -> bool:
        """Return whether it answers in plain HTTP."""
        try:
            with socket.create_connection((self.host, self.port), self.timeout) as link:
                link.sendall(_HTTP)
                return link.recv(5) == b"HTTP/"
        except (OSError, ValueError):
            return False

    def _plain(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self.where} speaks plain HTTP on this port, not TLS (https)",
            f"Take {self.settings}https, {self.settings}ca and {self.settings}fingerprint out of "
            f"the settings, or check {self.settings}port.",
        )

    def _problems(self, error: ssl.SSLCertVerificationError) -> list[str]:
        """Say why its certificate was refused: all reasons, of which OpenSSL tells one."""
        found = [_problem(error, self.host)]
        for check_name in (False, True):
            other = self._refused_for(check_name=check_name)
            if other and (reason := _problem(other, self.host)) not in found:
                found.append(reason)
                break
        return found

    def _refused_for(self, *, check_name: bool) -> ssl.SSLCertVerificationError | None:
        """Return why the certificate is refused even by one who trusts whoever signed it."""
        shown = self._certificate()
        if shown is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = check_name
        context.load_verify_locations(cadata=shown)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            with (
                socket.create_connection((self.host, self.port), self.timeout) as link,
                context.wrap_socket(link, server_hostname=self.host),
            ):
                return None
        except ssl.SSLCertVerificationError as error:
            return error
        except (OSError, ValueError):
            return None


def https_hint(settings: str) -> str:
    """Return the next step where a port speaks TLS and was spoken to in plain HTTP."""
    if not settings:
        return "Check the port: recam speaks plain HTTP with this service."
    return f"Set {settings}https = true ({_variable(settings)}HTTPS=true)."


def _variable(settings: str) -> str:
    """Return the beginning of the environment's names of settings: RECAM_NODE_RED_."""
    return f"RECAM_{settings.partition('.')[2].upper()}"


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


def _unverified() -> ssl.SSLContext:
    """Return a context that accepts any certificate, for one that is compared or shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

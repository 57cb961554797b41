"""The readers of what leads to a host: addresses, ssh's config, known hosts, key files (case 5)."""

from __future__ import annotations

from rig import Rig, nothing_but_refusals

from recam_deploy.address import host_and_port, parse_address
from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.config import with_ssh_config
from recam_deploy.ssh.forgetting import forget
from recam_deploy.ssh.keys import LockedKeyError, UnusableKeyError
from recam_deploy.ssh.known_hosts import KnownHosts
from recam_deploy.ssh.transport import load_key

ADDRESSES = (
    b"recamera@192.168.42.1:22",
    b"ssh://me@recamera.local:2222/",
    b"http://[fe80::1%25usb0]:80/#/security",
    b"[fe80::1%usb0]:22",
    b" ::1 ",
)


def read_address(_rig: Rig, data: bytes) -> None:
    """What is taken can be written, and is then read as the same."""
    with nothing_but_refusals():
        address = parse_address(data.decode("utf-8", "surrogateescape"))
        assert address.host == address.host.strip()
        assert not set(address.host) & set("[]@/ \n\0")
        assert not address.host.startswith("-")
        if address.host:
            again = parse_address(host_and_port(address.host, address.port or 22))
            assert (again.host, again.port or 22) == (address.host, address.port or 22)


SSH_CONFIG = (
    b'Include more/*\nHost porch cam-*  # two\n  HostName 10.0.0.1\n  Port=2222\n  User "bob"\n'
    b"  IdentityFile ~/.ssh/%h_%r\n  ProxyJump a,b@c:9\nMatch host 10.* user bob\n"
    b'  UserKnownHostsFile ~/k /dev/null\nMatch exec "true"\n  Port 7\nHost a\n'
    b"  ProxyCommand nc -X 5 %h %p 2>/dev/null\nHost *\n  IdentitiesOnly yes\n"
)


def read_ssh_config(rig: Rig, data: bytes) -> None:
    """The config of a home, for hosts that it names and others."""
    home = rig.folder / "home"
    (home / ".ssh" / "more").mkdir(parents=True, exist_ok=True)
    (home / ".ssh" / "config").write_bytes(data)
    (home / ".ssh" / "more" / "a").write_bytes(data[: len(data) // 2])
    for host in ("porch", "cam-1", "a", "fe80::1%usb0"):
        with nothing_but_refusals():
            found = with_ssh_config(CameraSettings(host=host), {"HOME": str(home)})
            assert found.host
            assert 1 <= found.port <= 65535


_BLOB = b"AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
KNOWN_HOSTS = (
    b"# mine\r\ncam,[cam]:22 ssh-ed25519 "
    + _BLOB
    + b" c\r\n@revoked cam ssh-ed25519 "
    + _BLOB
    + b"\n"
    b"|1|dHdlbnR5IGJ5dGVzIG9mIHNhbHQ=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= ssh-ed25519 " + _BLOB + b"\n"
)


def read_known_hosts(rig: Rig, data: bytes) -> None:
    """A file from which a host is forgotten: no key of it is left, and nothing else is gone."""
    path = rig.folder / "known_hosts"
    path.write_bytes(data)
    with nothing_but_refusals():
        before = KnownHosts.read(path).keys_for("cam", 22)
        found = forget(path, "cam", 22, dry_run=True)
        assert path.read_bytes() == data
        assert [key.blob for _, key in found.keys] == [key.blob for key in before]
        forget(path, "cam", 22)
        assert KnownHosts.read(path).keys_for("cam", 22) == ()
        left, lines = path.read_bytes().splitlines(True), data.splitlines(True)
        numbers = {number for number, _ in found.keys}
        kept = [line for number, line in enumerate(lines, 1) if number not in numbers]
        # In order; what is left of a line with other names may equal a line that was kept.
        rest = iter(left)
        assert all(line in rest for line in kept)


PRIVATE = (
    b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
    b"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACAA\n"
    b"-----END OPENSSH PRIVATE KEY-----\n"
)


def read_key(rig: Rig, data: bytes) -> None:
    """A private key file, and the certificate beside another."""
    path = rig.folder / "key"
    path.write_bytes(data)
    try:
        assert load_key(path)
    except LockedKeyError:
        pass
    except UnusableKeyError as error:
        assert str(error)

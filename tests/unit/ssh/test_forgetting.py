"""Forgetting a host's keys leaves all else as it was (case 41)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest

from recam_deploy.errors import HostKeyError
from recam_deploy.ssh.forgetting import forget
from recam_deploy.ssh.known_hosts import HostKey, KnownHosts

KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"k" * 36).decode()


def hashed(name: str) -> str:
    salt = b"twenty bytes of salt"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


OTHERS = (
    f"# mine\r\n\r\nelse {KEY} c\r\n@revoked cam {KEY}\r\n[cam]:2222 {KEY}\nbroken\r\ncam no-key\n"
)


def written(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "known_hosts"
    lines = "".join(f"{name} {KEY}\r\n" for name in names)
    path.write_bytes((lines + OTHERS + f"{hashed('[cam]:22')} {KEY}").encode())
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("name", ["cam", "CAM", "[cam]:22", ",cam", "cam,", hashed("cam")])
def test_a_key_is_forgotten_in_every_form_case_41(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    before = path.read_bytes()
    assert [line for line, _ in forget(path, "Cam", 22, dry_run=True).keys] == [1, 9]
    assert path.read_bytes() == before
    assert forget(path, "Cam", 22).elsewhere == ("[cam]:2222",)
    assert path.read_bytes() == OTHERS.encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert forget(path, "cam", 22).keys == ()


def test_another_port_is_another_server_case_41(tmp_path: Path) -> None:
    path = written(tmp_path, "cam")
    forget(path, "cam", 2222)
    known = KnownHosts.read(path)
    assert (len(known.keys_for("cam", 22)), known.keys_for("cam", 2222)) == (2, ())


def test_a_line_of_several_hosts_keeps_the_others_case_41(tmp_path: Path) -> None:
    path = written(tmp_path, "porch,cam,192.168.42.1")
    forget(path, "cam", 22)
    assert path.read_bytes().startswith(f"porch,192.168.42.1 {KEY}\r\n".encode())


def test_a_link_stays_a_link_case_41(tmp_path: Path) -> None:
    path = written(tmp_path, "cam")
    link = tmp_path / "link"
    link.symlink_to(path)
    forget(link, "cam", 22)
    assert link.is_symlink()
    assert path.read_bytes() == OTHERS.encode()


def test_a_file_that_cannot_be_written_is_named_in_one_line_case_41(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "cam")
    if os.getuid() == 0:  # whom no mode stops
        monkeypatch.setattr(os, "access", lambda *_: False)
    path.chmod(0o400)
    with pytest.raises(HostKeyError, match=f"{path} cannot be written: it is read-only"):
        forget(path, "cam", 22)
    with pytest.raises(HostKeyError, match="cannot be read"):
        forget(tmp_path, "cam", 22)
    assert forget(tmp_path / "none", "cam", 22).keys == ()


def test_the_error_names_the_command_case_41(tmp_path: Path) -> None:
    path = written(tmp_path, "[fe80::1%usb0]:2222")
    other = HostKey("ssh-ed25519", b"another")
    with pytest.raises(HostKeyError, match="changed") as caught:
        KnownHosts.read(path).trusts("fe80::1%usb0", 2222, other)
    expected = f"recam forget-host '[fe80::1%usb0]:2222' --known-hosts {path}. "
    assert expected in caught.value.hint
    forget(path, "fe80::1%usb0", 2222)
    assert KnownHosts.read(path).trusts("fe80::1%usb0", 2222, other) is False

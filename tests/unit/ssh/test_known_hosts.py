"""Host keys: known, unknown, changed, revoked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.errors import HostKeyError
from recam_deploy.settings import CameraSettings, SshOptions
from recam_deploy.ssh.known_hosts import (
    HostKey,
    KnownHosts,
    known_hosts_of,
    label,
    preferred_types,
    remember,
    verify,
)

ED = HostKey("ssh-ed25519", b"an ed25519 key")
OTHER = HostKey("ssh-ed25519", b"another ed25519 key")
RSA = HostKey("ssh-rsa", b"an rsa key")


def hosts(tmp_path: Path, *lines: str) -> KnownHosts:
    path = tmp_path / "known_hosts"
    path.write_text("".join(lines))
    return KnownHosts.read(path)


def test_fingerprints_look_like_those_of_ssh_keygen() -> None:
    digest = base64.b64encode(hashlib.sha256(ED.blob).digest()).decode()
    assert f"{ED.fingerprint}=" == f"SHA256:{digest}"


def test_a_remembered_key_is_known_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "known_hosts"
    remember(path, "Camera.local", 22, ED)
    remember(path, "camera.local", 2222, RSA)
    known = KnownHosts.read(path)
    assert known.trusts("camera.LOCAL", 22, ED)
    assert known.keys_for("camera.local", 2222) == (RSA,)
    assert not known.trusts("elsewhere", 22, ED)
    assert path.stat().st_mode & 0o777 == 0o600


def test_remembering_mends_the_mode_and_a_missing_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(ED.line("one").rstrip())
    path.chmod(0o644)
    remember(path, "two", 22, RSA)
    known = KnownHosts.read(path)
    assert known.trusts("one", 22, ED)
    assert known.trusts("two", 22, RSA)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_changed_key_names_both_fingerprints_and_the_remedy(tmp_path: Path) -> None:
    known = hosts(tmp_path, ED.line("[cam]:2222"))
    for offered in (OTHER, RSA):
        with pytest.raises(HostKeyError, match="has changed") as caught:
            verify(known, "cam", 2222, offered, accept=True, confirm=lambda *_: True)
        assert ED.fingerprint in caught.value.message
        assert offered.fingerprint in caught.value.message
        assert str(known.path) in caught.value.hint
        assert "firmware updated" in caught.value.hint
        assert f"recam forget-host cam:2222 --known-hosts {known.path}" in caught.value.hint
    assert KnownHosts.read(known.path).entries == known.entries


def test_an_unknown_key_needs_a_yes(tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "none")
    with pytest.raises(HostKeyError, match=re.escape(ED.fingerprint)):
        verify(known, "cam", 22, ED, accept=False, confirm=None)
    with pytest.raises(HostKeyError, match="--accept-host-key|not known"):
        verify(known, "cam", 22, ED, accept=False, confirm=lambda *_: False)
    assert not known.path.exists()
    verify(known, "cam", 22, ED, accept=False, confirm=lambda *asked: asked[0] == "cam")
    assert KnownHosts.read(known.path).trusts("cam", 22, ED)


def test_hashed_names_are_found(tmp_path: Path) -> None:
    salt = b"twenty bytes of salt"
    digest = hmac.new(salt, b"[cam]:2222", hashlib.sha1).digest()
    name = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    known = hosts(tmp_path, ED.line(name))
    assert known.trusts("cam", 2222, ED)
    assert not known.trusts("cam", 2223, ED)


def test_a_revoked_key_is_refused_even_when_also_known(tmp_path: Path) -> None:
    known = hosts(tmp_path, ED.line("cam"), "@revoked " + ED.line("cam"))
    with pytest.raises(HostKeyError, match="revoked"):
        verify(known, "cam", 22, ED, accept=True, confirm=None)


def test_several_names_and_comments_are_read(tmp_path: Path) -> None:
    known = hosts(tmp_path, "# cameras\n\n", ED.line("one,[two]:22").rstrip() + " a comment\n")
    assert known.trusts("one", 22, ED)
    assert known.trusts("two", 22, ED)


def test_an_unreadable_file_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="cannot be read"):
        KnownHosts.read(tmp_path)


def test_known_key_types_are_asked_for_first() -> None:
    offered = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]
    assert preferred_types(offered, [RSA])[:3] == ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]
    assert preferred_types(offered, []) == offered
    assert sorted(preferred_types(offered, [ED, RSA])) == sorted(offered)


def test_labels_are_openssh_s() -> None:
    assert (label("Cam", 22), label("Cam", 2222)) == ("cam", "[cam]:2222")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("known-hosts") / "known_hosts"


@given(st.text())
def test_any_text_can_be_read(scratch: Path, text: str) -> None:
    scratch.write_text(text, encoding="utf-8", errors="replace", newline="")
    assert KnownHosts.read(scratch).trusts("cam", 22, ED) is False


def test_accept_new_of_sshs_config_accepts_unknown_keys_and_no_changed_ones(tmp_path: Path) -> None:
    known = hosts(tmp_path)
    verify(known, "camera", 22, ED, accept=False, confirm=None, policy="accept-new")
    known = KnownHosts.read(known.path)
    with pytest.raises(HostKeyError, match="has changed"):
        verify(known, "camera", 22, OTHER, accept=True, confirm=None, policy="accept-new")


def test_accept_new_counts_what_ssh_itself_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(OTHER.line("camera"))
    camera = CameraSettings(host="camera").with_ssh(SshOptions(host_key_policy="accept-new"))
    known, name, port = known_hosts_of(camera)
    assert known.path.parent != tmp_path / ".ssh"
    with pytest.raises(HostKeyError, match="has changed"):
        verify(known, name, port, ED, accept=False, confirm=None, policy="accept-new")


@pytest.mark.parametrize(
    ("policy", "said"), [("yes", "lets recam ask no question"), ("no", "recam does not follow")]
)
def test_other_policies_of_sshs_config_accept_nothing_unasked(
    tmp_path: Path, policy: str, said: str
) -> None:
    known = hosts(tmp_path)
    asked: list[str] = []

    def refuse(*words: str) -> bool:
        asked.extend(words)
        return False

    with pytest.raises(HostKeyError, match="is not known") as caught:
        verify(known, "camera", 22, ED, accept=False, confirm=refuse, policy=policy)
    assert said in caught.value.hint
    assert "--accept-host-key" in caught.value.hint
    assert bool(asked) == (policy != "yes")
    verify(known, "camera", 22, ED, accept=True, confirm=None, policy=policy)
    assert KnownHosts.read(known.path).trusts("camera", 22, ED)

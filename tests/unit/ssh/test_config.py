"""What ~/.ssh/config says of a camera, and what is not evaluated there (case 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recam_deploy.errors import ConnectionFailedError, SettingsError
from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.config import with_ssh_config


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def resolved(home: Path, text: str, **fields: Any) -> CameraSettings:
    (home / ".ssh" / "config").write_text(text)
    return with_ssh_config(CameraSettings(**{"host": "porch", **fields}))


def test_settings_are_stronger_than_the_config_and_defaults_weaker_case_5(home: Path) -> None:
    text = "Host porch\n  HostName 10.0.0.1\n  Port 2\n  User bob\n"
    found = resolved(home, text)
    assert (found.host, found.port, found.user, found.ssh.alias) == ("10.0.0.1", 2, "bob", "porch")
    found = resolved(home, text, user="ann", port=3)
    assert (found.host, found.port, found.user) == ("10.0.0.1", 3, "ann")
    found = resolved(home, "Host other\n  User bob\n")
    assert (found.host, found.port, found.user) == ("porch", 22, "recamera")


def test_tokens_are_those_of_the_camera_case_5(home: Path) -> None:
    text = (
        "Host porch\n  HostName %h.lan\n  Port 2\n  IdentityFile ~/k/%h_%p_%r_%n\n"
        '  IdentityFile "~/a b"\n  IdentityFile none\n  UserKnownHostsFile ~/one "~/t wo"\n'
        "  ProxyCommand nc 100%% %h %p %r\n  IdentitiesOnly yes\n  HostKeyAlias key\n"
    )
    options = resolved(home, text).ssh
    assert options.keys == (home / "k" / "porch.lan_2_recamera_porch", home / "a b")
    assert options.known_hosts == (home / "one", home / "t wo")
    assert options.proxy_command == ("nc", "100%", "porch.lan", "2", "recamera")
    assert (options.identities_only, options.host_key_alias) == (True, "key")


def test_nothing_is_read_without_a_home_case_5(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert resolved(home, "Host *\n  User bob\n").user == "recamera"
    assert with_ssh_config(CameraSettings(), {"HOME": str(home)}).host is None


def test_no_program_is_run_to_read_it_case_5(home: Path) -> None:
    trace = home / "trace"
    found = resolved(home, f'Match exec "touch {trace}"\n  User eve\nMatch !exec x\n  User eve\n')
    assert (found.user, trace.exists()) == ("recamera", False)


@pytest.mark.parametrize("criterion", ["tagged x", "localnetwork 10.0.0.0/8", "version x"])
def test_a_criterion_that_is_not_known_applies_to_nobody_case_5(home: Path, criterion: str) -> None:
    assert resolved(home, f"Match {criterion}\n  User eve\nHost *\n  Port 3\n").user == "recamera"


def test_included_files_keep_to_the_block_they_stand_in_case_5(home: Path) -> None:
    (home / ".ssh" / "one").write_bytes(b"\xef\xbb\xbf  Port 7\r\nHost other\r\n  User eve\r\n")
    found = resolved(home, "Host porch\n  Include one missing*\n  User bob\n")
    assert (found.port, found.user) == (7, "bob")
    found = resolved(home, "Host elsewhere\n  Include one\nHost *\n  Port 8\n")
    assert (found.port, found.user) == (8, "recamera")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Host", "line 1 has no value"),
        ("\n\n???\n", "line 3"),
        ('Host "a', "quote is left open in line 1"),
        ("Match host", "Match host has no value"),
        ("Host porch\n  Port ssh\n", "the Port of porch"),
        ("Host porch\n  HostName a b\n", "HostName of porch"),
        ("Host porch\n  ProxyJump porch\n", "back to itself"),
        ("Host porch\n  ProxyJump one\nHost one\n  ProxyJump porch\n", "back to itself"),
        ("Host porch\n  ProxyJump a b\n", "ProxyJump"),
        ("Host porch\n  ProxyCommand exec\n", "ProxyCommand of porch"),
        ("Include config\n", "include each other"),
        ("Match all host x\n", "all"),
        ("CanonicalizeHostname yes\n", "cannot be used"),
        ("x" * (1 << 20) + "yy", "larger than"),
    ],
)
def test_a_malformed_file_is_named_in_one_line_case_5(home: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        resolved(home, text)
    assert "\n" not in caught.value.message
    assert str(home / ".ssh") in caught.value.message


def test_the_first_of_jump_and_command_counts_case_5(home: Path) -> None:
    command, jump = "  ProxyCommand nc %h %p\n", "  ProxyJump one\n"
    assert resolved(home, f"Host porch\n{command}{jump}").ssh.proxy_command
    assert resolved(home, f"Host porch\n{jump}{command}").ssh.jumps
    none = "Host porch\n  ProxyJump none\nHost *\n  ProxyJump one\n"
    assert resolved(home, none).ssh.way == ""


def test_only_ssh_leads_to_a_camera_behind_a_jump_host_case_5(home: Path) -> None:
    camera = resolved(home, "Host porch\n  ProxyJump gate\n", user="me", http_port=8000)
    with pytest.raises(ConnectionFailedError, match="the jump host gate") as caught:
        _ = camera.direct_host
    assert "-L 8080:127.0.0.1:8000" in caught.value.hint
    assert "me@porch" in caught.value.hint
    assert resolved(home, "Host x\n").direct_host == "porch"


def test_a_match_may_use_an_equals_sign_case_5(home: Path) -> None:
    assert resolved(home, "Match host=porch !user=eve\n  Port 4\n").port == 4


@pytest.mark.parametrize("name", ["10.0.0.1:2222", "bob@10.0.0.1"])
def test_a_host_name_with_a_port_or_a_user_is_refused_case_5(home: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="HostName of porch holds more than a host"):
        resolved(home, f"Host porch\n  HostName {name}\n")


def test_a_config_in_utf_16_is_named_case_5(home: Path) -> None:
    (home / ".ssh" / "config").write_bytes("Host porch\n".encode("utf-16"))
    with pytest.raises(SettingsError, match="UTF-16"):
        with_ssh_config(CameraSettings(host="porch"))


def test_quotes_of_both_kinds_are_those_of_ssh_case_5(home: Path) -> None:
    text = (
        "Host 'porch' # it's home\n  HostName '10.0.0.1'\n  Port='2222'\n  User 'bob'\n"
        "  IdentityFile '~/a b # c'\n  IdentityFile \"~/d e\"\n  HostKeyAlias 'k' # 'x'\n"
        "  UserKnownHostsFile \"~/o ne\" '~/t wo'\n  ProxyCommand nc '%h' %p\n"
        "  RemoteCommand echo 'open\n"
    )
    found = resolved(home, text)
    assert (found.host, found.port, found.user) == ("10.0.0.1", 2222, "bob")
    assert found.ssh.keys == (home / "a b # c", home / "d e")
    assert found.ssh.known_hosts == (home / "o ne", home / "t wo")
    assert found.ssh.host_key_alias == "k"
    assert found.ssh.proxy_command == ("nc", "10.0.0.1", "2222")
    with pytest.raises(SettingsError, match="quote is left open in line 2"):
        resolved(home, "Host porch\n  User 'bob\n")


@pytest.mark.parametrize(
    ("written", "socket"),
    [
        ("~/one.sock", "{home}/one.sock"),
        ("'%d/a b'", "{home}/a b"),
        ("$ANOTHER", "/run/another"),
        ("${ANOTHER}.2", "/run/another.2"),
        ("SSH_AUTH_SOCK", ""),
        ("none", "none"),
        ("$NOT_SET", "none"),
    ],
)
def test_the_agent_is_the_one_that_is_named_case_5(
    home: Path, monkeypatch: pytest.MonkeyPatch, written: str, socket: str
) -> None:
    monkeypatch.setenv("ANOTHER", "/run/another")
    monkeypatch.delenv("NOT_SET", raising=False)
    found = resolved(home, f"Host porch\n  IdentityAgent {written}\n").ssh.agent
    assert found == socket.format(home=home)


def test_the_policy_for_host_keys_is_read_case_5(home: Path) -> None:
    for written, policy in [("Accept-New", "accept-new"), ("true", "yes"), ("'off'", "off")]:
        text = f"Host porch\n  StrictHostKeyChecking {written}\n"
        assert resolved(home, text).ssh.host_key_policy == policy
    assert resolved(home, "Host x\n  StrictHostKeyChecking yes\n").ssh.host_key_policy == ""
    with pytest.raises(SettingsError, match="StrictHostKeyChecking of porch is perhaps"):
        resolved(home, "StrictHostKeyChecking perhaps\n")

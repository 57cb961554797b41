"""Keys from a real agent and from files of every kind, against a real sshd (cases 16 and 56)."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from planted import secret
from sshd_parts import (
    CONFIG,
    SYSTEM_PATH,
    find_sshd,
    free_port,
    make_key,
    start_plain,
    wait_until_up,
)

from recam_deploy.errors import AuthenticationError, RecamError, SettingsError
from recam_deploy.settings import CameraSettings, SshOptions
from recam_deploy.ssh.connection import connect

PASSPHRASE = secret("the passphrase of a key")


@dataclass
class Picky:
    """An sshd that hangs up after `MaxAuthTries` keys."""

    settings: CameraSettings
    log: Path

    def connections(self) -> int:
        return self.log.read_text().count("Connection from")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "right")


@pytest.fixture
def start_picky(tmp_path: Path, home: Path, key: Path) -> Iterator[Callable[[str], Picky]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(options: str) -> Picky:
        folder = tmp_path / "server"
        folder.mkdir()
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        authorized, config = folder / "authorized", folder / "sshd_config"
        shutil.copy(f"{key}.pub", authorized)
        host_key = make_key(folder / "host_key")
        config.write_text(
            CONFIG.format(host_key=host_key, authorized=authorized)
            + f"UsePAM no\nPasswordAuthentication no\nSetEnv HOME={folder} PATH={SYSTEM_PATH}\n"
            + options
        )
        port, log = free_port(), folder / "log"
        with log.open("wb") as out:
            command = [find_sshd(), "-D", "-e", "-f", str(config), "-p", str(port)]
            process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        running.append(process)
        wait_until_up(process, port, log)
        kind, blob = Path(f"{host_key}.pub").read_text().split()[:2]
        (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")
        log.write_text("")
        settings = CameraSettings(
            host="127.0.0.1", port=port, user=getpass.getuser(), known_hosts=tmp_path / "known"
        )
        return Picky(settings, log)

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def agent(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real SSH agent with seven keys that open nothing."""
    if not shutil.which("ssh-agent"):
        pytest.skip("OpenSSH's agent is not installed")
    place = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    for _ in range(200):
        if place.exists():
            break
        subprocess.run(["sleep", "0.02"], check=True)
    keys = [str(make_key(tmp_path / f"agents-{number}")) for number in range(7)]
    subprocess.run(["ssh-add", "-q", *keys], check=True, stdin=subprocess.DEVNULL)
    yield
    process.kill()
    process.wait()


@pytest.mark.parametrize(("tries", "connections"), [(3, 3), (6, 2)])
def test_the_right_key_comes_after_seven_of_the_agents_case_16(
    start_picky: Callable[[str], Picky],
    agent: None,
    home: Path,
    key: Path,
    tries: int,
    connections: int,
) -> None:
    server = start_picky(f"MaxAuthTries {tries}\n")
    (home / ".ssh").mkdir()
    shutil.copy(key, home / ".ssh" / "id_ed25519")
    connect(server.settings).close()
    assert server.connections() == connections


def test_a_named_key_needs_one_connection_case_16(
    start_picky: Callable[[str], Picky], agent: None, key: Path
) -> None:
    server = start_picky("MaxAuthTries 3\n")
    connect(server.settings.model_copy(update={"key": key})).close()
    connect(server.settings.with_ssh(SshOptions(keys=(key,)))).close()
    assert server.connections() == 2


def test_connections_are_bounded_and_what_is_left_is_told_case_16(
    start_picky: Callable[[str], Picky], agent: None
) -> None:
    server = start_picky("MaxAuthTries 1\n")
    with pytest.raises(AuthenticationError, match=r"5 key\(s\) refused, 2 left untried") as caught:
        connect(server.settings)
    assert "--key" in caught.value.hint
    assert server.connections() <= 6


def test_the_agent_that_sshs_config_names_is_used_instead_of_the_other(
    start_picky: Callable[[str], Picky], agent: None, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True, stdin=subprocess.DEVNULL)
    place = os.environ["SSH_AUTH_SOCK"]
    server = start_picky("MaxAuthTries 20\n")
    connect(server.settings).close()
    with pytest.raises(AuthenticationError, match="no key to offer"):
        connect(server.settings.with_ssh(SshOptions(agent="none")))
    with pytest.raises(AuthenticationError, match="no key to offer"):
        connect(server.settings.with_ssh(SshOptions(agent=f"{place}.gone")))
    monkeypatch.delenv("SSH_AUTH_SOCK")
    connect(server.settings.with_ssh(SshOptions(agent=place))).close()


def test_a_certificate_beside_the_key_opens_the_door_case_56(
    start_picky: Callable[[str], Picky], tmp_path: Path, key: Path
) -> None:
    authority, own = make_key(tmp_path / "ca"), make_key(tmp_path / "own")
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", getpass.getuser()]
    subprocess.run([*command, f"{own}.pub"], check=True)
    server = start_picky(f"TrustedUserCAKeys {authority}.pub\n")
    connect(server.settings.model_copy(update={"key": own})).close()
    shutil.copy(f"{own}-cert.pub", f"{key}-cert.pub")  # of another key: it must not be in the way
    connect(server.settings.model_copy(update={"key": key})).close()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def _crlf(path: Path) -> int:
    return path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


KINDS: dict[str, Callable[[Path], object]] = {
    "crlf and bom": lambda path: (make_key(path), _crlf(path)),
    "mode 0644": lambda path: make_key(path).chmod(0o644),
    "rsa of 1024 bits": lambda path: _run(
        "ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", str(path)
    ),
    "rsa as PEM": lambda path: _run(
        "ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", str(path)
    ),
    "PKCS8": lambda path: _run(
        "ssh-keygen", "-q", "-t", "ecdsa", "-m", "PKCS8", "-N", "", "-f", str(path)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_key_files_of_every_form_open_the_door_case_56(
    tmp_path: Path, home: Path, kind: str
) -> None:
    path = tmp_path / "a key"
    KINDS[kind](path)
    folder = tmp_path / "server"
    folder.mkdir()
    process, port = start_plain(folder, path, SYSTEM_PATH)
    try:
        settings = CameraSettings(
            host="127.0.0.1",
            port=port,
            user=getpass.getuser(),
            key=path,
            known_hosts=tmp_path / "known",
        )
        connect(settings, accept_host_key=True).close()
    finally:
        process.kill()
        process.wait()


def refusal(start: Callable[[str], Picky], path: Path) -> str:
    server = start("")
    with pytest.raises(RecamError) as caught:
        connect(server.settings.model_copy(update={"key": path}))
    text = f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in text
    return text


SECURITY_KEY = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAASgAAABpzay1zc2gtZWQyNTUxOUBvcGVuc3NoLmNvbQ==
-----END OPENSSH PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "PuTTY-User-Key-File-2: ssh-rsa\r\n",
            r"PPK version 2.*puttygen .*key.* -O private",
        ),
        ("PuTTY-User-Key-File-3: ssh-rsa\n", r"PPK version 3.*puttygen "),
        ("ssh-ed25519 AAAA me@here\n", "public key"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA me\n", "certificate"),
        ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", "ssh-keygen -i"),
        (SECURITY_KEY, "security key.*ssh-add "),
        ("", "empty"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "damaged.*ssh-keygen -y -f"),
    ],
)
def test_other_files_are_told_apart_case_56(
    start_picky: Callable[[str], Picky], tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "my key"
    path.write_text(text)
    assert re.search(said, refusal(start_picky, path))


def test_a_passphrase_without_an_agent_names_both_ways_out_case_56(
    start_picky: Callable[[str], Picky], tmp_path: Path
) -> None:
    path = make_key(tmp_path / "locked")
    whole = serialization.load_ssh_private_key(path.read_bytes(), None)
    path.write_bytes(
        whole.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.BestAvailableEncryption(PASSPHRASE.encode()),
        )
    )
    said = refusal(start_picky, path)
    assert f"ssh-add {path}" in said
    assert f"ssh-keygen -p -f {path}" in said
    assert "ssh-agent" in said


def test_the_public_half_of_an_agents_key_may_be_named(
    start_picky: Callable[[str], Picky], agent: None, key: Path
) -> None:
    server = start_picky("MaxAuthTries 2\n")
    public = Path(f"{key}.pub")
    with pytest.raises(SettingsError, match="not in the SSH agent"):
        connect(server.settings.model_copy(update={"key": public}))
    _run("ssh-add", "-q", str(key))
    connect(server.settings.model_copy(update={"key": public})).close()

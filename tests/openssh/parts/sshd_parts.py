"""Starting a real OpenSSH server on loopback."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from planted import secret

USERS_PASSWORD = secret("the password of the user of sshd")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_sshd() -> str:
    """Where OpenSSH's server is; the test is skipped where it is not."""
    found = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    if not found:
        pytest.skip("OpenSSH's server is not installed (Debian: openssh-server)")
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A private key without a passphrase, its public half beside it."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server greets; the test fails when it does not."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as link:
                if link.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    process.kill()
    pytest.fail(f"sshd did not start: {log.read_text(errors='replace')[-2000:]}")


def shadowed(password: str) -> str:
    """A password as /etc/shadow holds it: crypt(3) of it, which Python has no more."""
    try:
        crypt = ctypes.CDLL("libcrypt.so.1").crypt
    except OSError:
        pytest.skip("there is no libcrypt to make an entry of /etc/shadow with")
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), b"$6$recamsalt")
    return hashed.decode()


CONFIG = """
ListenAddress 127.0.0.1
HostKey {host_key}
AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
LogLevel VERBOSE
PermitRootLogin yes
UseDNS no
"""


def known_hosts(folder: Path, port: int, host_key: Path) -> Path:
    """A known-hosts file with the key of the server at `port`."""
    path = folder / "known_hosts"
    kind, blob = Path(f"{host_key}.pub").read_text().split()[:2]
    path.write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")
    return path


def start_plain(
    folder: Path, client_key: Path, search_path: str
) -> tuple[subprocess.Popen[bytes], int]:
    """An sshd as the current user that takes `client_key` alone; its process and port.

    Its host key is `folder/host_key`, its log `folder/log`. Commands have `search_path` as PATH
    and `folder` as HOME: what the user of the tests has in ~/.bashrc must not matter.
    """
    sshd = find_sshd()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    host_key = make_key(folder / "host_key")
    shutil.copy(f"{client_key}.pub", folder / "authorized")
    config = folder / "sshd_config"
    config.write_text(
        CONFIG.format(host_key=host_key, authorized=folder / "authorized")
        + "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        + f"SetEnv HOME={folder} PATH={search_path}\n"
        + "Subsystem sftp internal-sftp\n"
    )
    port = free_port()
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(config), "-p", str(port)],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    wait_until_up(process, port, log)
    return process, port

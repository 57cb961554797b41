"""How fast do files travel, beside OpenSSH's own `scp`? All ways in turn, on one machine.

    python tests/bench/transfers.py MODEL.cvimodel [--rounds N] [--megabytes N] [--rate N]

A real sshd on loopback, reached straight and over a link that is shaped (`shaped_link`). Each way
sends, or fetches, a file over a connection that stands already: for `scp` and `sftp` OpenSSH's own
multiplexing, so that nobody's login is counted; scp still starts a process, as it does for users.
What arrived is compared, outside the time. Prints the medians, and the ratio of the throughput to
that of `scp` (SFTP mode, its default). The larger file is made of the model's own blocks of 64 KiB
in random order, which gzip packs as well as the model. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import paramiko

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "openssh" / "parts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "secrecy"))
from shaped_link import Shape, shaped
from sshd_parts import SYSTEM_PATH, known_hosts, make_key, start_plain

from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.auth import PasswordOnce, SshLogin
from recam_deploy.ssh.connection import Connection, connect

_BLOCK = 64 * 1024  # beyond gzip's window of 32 KiB, so that a repeated block gains it nothing
_YARDSTICK = "scp"


@dataclass(frozen=True)
class Link:
    """An sshd at `port`, and what stands to it: OpenSSH's connection behind `control`, ours, and
    ours with SSH's own compression."""

    port: int
    known_hosts: Path
    key: Path
    control: Path
    connection: Connection
    bare: paramiko.Transport
    packed: paramiko.Transport

    def openssh(self, program: str, *words: str) -> None:
        """Run `scp` over the connection that stands."""
        options = ("-q", "-o", f"ControlPath={self.control}", "-P", str(self.port))
        subprocess.run([program, *options, *words], check=True, stdin=subprocess.DEVNULL)

    def scp_afresh(self, *words: str) -> None:
        """Run `scp` with a login of its own."""
        options = ["-q", "-F", "none", "-i", str(self.key), "-P", str(self.port)]
        options += ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "ControlPath=none"]
        subprocess.run(["scp", *options, *words], check=True, stdin=subprocess.DEVNULL)

    def sftp(self) -> paramiko.SFTPClient:
        """A session of paramiko's SFTP client."""
        found = paramiko.SFTPClient.from_transport(self.bare)
        if found is None:
            raise RuntimeError("no session was granted")
        return found

    def recam_afresh(self) -> Connection:
        """Log in as recam does."""
        return connect(_settings(self.port, self.known_hosts, self.key))


def _settings(port: int, known: Path, key: Path) -> CameraSettings:
    return CameraSettings(
        host="127.0.0.1", port=port, user=getpass.getuser(), key=key, known_hosts=known
    )


Copy = Callable[[Link, Path, Path], None]
"""Copies the file (here or there: it is one machine) to the path."""


def _target(path: Path) -> str:
    return f"127.0.0.1:{path}"


def _recam_up(link: Link, source: Path, target: Path) -> None:
    link.connection.upload(source.read_bytes(), PurePosixPath(target))


def _recam_up_afresh(link: Link, source: Path, target: Path) -> None:
    with link.recam_afresh() as connection:
        connection.upload(source.read_bytes(), PurePosixPath(target))


def _recam_up_packed(link: Link, source: Path, target: Path) -> None:
    settings = _settings(link.port, link.known_hosts, link.key)
    packed = Connection(
        link.packed, settings, SshLogin("127.0.0.1", settings.user, PasswordOnce(None))
    )
    packed.upload(source.read_bytes(), PurePosixPath(target))


def _recam_down(link: Link, source: Path, target: Path) -> None:
    link.connection.download(PurePosixPath(source), target, limit=1 << 30)


def _sftp_up(link: Link, source: Path, target: Path) -> None:
    with link.sftp() as sftp:
        sftp.put(str(source), str(target))


def _sftp_down(link: Link, source: Path, target: Path) -> None:
    with link.sftp() as sftp:
        sftp.get(str(source), str(target))


def _gzip_up(link: Link, source: Path, target: Path) -> None:
    """Packed while it is sent, as fast as gzip can, and unpacked there by `gzip -d`."""
    packing = zlib.compressobj(1, wbits=31)
    with contextlib.closing(link.bare.open_session()) as channel:
        channel.exec_command(f"gzip -d >{target}")
        data = memoryview(source.read_bytes())
        for start in range(0, len(data), _BLOCK):
            channel.sendall(packing.compress(data[start : start + _BLOCK]))
        channel.sendall(packing.flush())
        channel.shutdown_write()
        if channel.recv_exit_status():
            raise RuntimeError("gzip -d failed")


def _stream_down(link: Link, source: Path, target: Path) -> None:
    """What a command prints."""
    with contextlib.closing(link.bare.open_session()) as channel, target.open("wb") as out:
        channel.exec_command(f"cat {source}")
        while data := channel.recv(1 << 17):
            out.write(data)


UPLOADS: dict[str, Copy] = {
    _YARDSTICK: lambda link, source, target: link.openssh("scp", str(source), _target(target)),
    "scp -O": lambda link, source, target: link.openssh("scp", "-O", str(source), _target(target)),
    "paramiko SFTP": _sftp_up,
    "recam upload": _recam_up,
    "recam, SSH compression": _recam_up_packed,
    "stream | gzip -d": _gzip_up,
    "scp, with login": lambda link, source, target: link.scp_afresh(str(source), _target(target)),
    "recam, with login": _recam_up_afresh,
}
DOWNLOADS: dict[str, Copy] = {
    _YARDSTICK: lambda link, source, target: link.openssh("scp", _target(source), str(target)),
    "scp -O": lambda link, source, target: link.openssh("scp", "-O", _target(source), str(target)),
    "paramiko SFTP": _sftp_down,
    "recam download": _recam_down,
    "cat | stream": _stream_down,
}


@contextlib.contextmanager
def open_link(port: int, server: Path, key: Path) -> Iterator[Link]:
    """Log in by every kind of client."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="link-")))
        known = known_hosts(folder, port, server / "host_key")
        control = folder / "control"
        words = ["ssh", "-F", "none", "-M", "-N", "-S", str(control), "-i", str(key)]
        words += ["-o", f"UserKnownHostsFile={known}", "-p", str(port), "127.0.0.1"]
        master = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        stack.callback(master.wait)
        stack.callback(master.terminate)
        until = time.monotonic() + 10
        while not control.exists():
            if time.monotonic() > until:
                raise RuntimeError("ssh did not connect")
            time.sleep(0.05)
        connection = stack.enter_context(connect(_settings(port, known, key)))
        bare, packed = (_transport(port, key, pack) for pack in (False, True))
        stack.callback(bare.close)
        stack.callback(packed.close)
        yield Link(port, known, key, control, connection, bare, packed)


def _transport(port: int, key: Path, compress: bool) -> paramiko.Transport:
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.use_compression(compress)
    transport.connect(username=getpass.getuser(), pkey=paramiko.PKey.from_path(key))
    return transport


def measure(
    ways: dict[str, Copy], link: Link, source: Path, folder: Path, rounds: int
) -> dict[str, float]:
    """The median seconds of each way, after a round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    content = source.read_bytes()
    for number in range(rounds + 1):
        for name in random.sample(list(ways), len(ways)):
            target = folder / f"arrived-{secrets.token_hex(4)}"
            started = time.perf_counter()
            ways[name](link, source, target)
            took = time.perf_counter() - started
            if target.read_bytes() != content:
                raise RuntimeError(f"{name}: other bytes arrived")
            target.unlink()
            if number:
                seconds[name].append(took)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _tell(title: str, size: int, medians: dict[str, float]) -> None:
    print(f"\n{title}\n{'':24}{'seconds':>9}{'MB/s':>9}{'of scp':>8}")
    for name, seconds in medians.items():
        ratio = medians[_YARDSTICK] / seconds
        print(f"{name:24}{seconds:9.3f}{size / seconds / 1e6:9.2f}{ratio:8.2f}", flush=True)


def _larger(model: bytes, size: int) -> bytes:
    blocks = [model[start : start + _BLOCK] for start in range(0, len(model), _BLOCK)]
    chosen = random.Random(0)
    return b"".join(chosen.choice(blocks) for _ in range(size // _BLOCK))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--megabytes", type=float, default=12.0, help="of the larger file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=5.0, help="of the shaped link, MB/s")
    parser.add_argument("--delay", type=float, default=5.0, help="each way, ms")
    options = parser.parse_args()
    shape = Shape(options.rate * 1e6, options.delay / 1e3)
    model = options.model.read_bytes()
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
        folder = Path(scratch)
        (folder / "server").mkdir()
        key = make_key(folder / "key")
        process, port = start_plain(folder / "server", key, SYSTEM_PATH)
        sources = {
            options.model.name: model,
            "larger": _larger(model, int(options.megabytes * 1e6)),
        }
        try:
            with shaped(port, shape) as shaped_port:
                slow = f"{options.rate:g} MB/s, {options.delay:g} ms each way"
                for where, at in (("loopback", port), (slow, shaped_port)):
                    with open_link(at, folder / "server", key) as link:
                        for name, data in sources.items():
                            source = folder / "source"
                            source.write_bytes(data)
                            for what, ways in (("up", UPLOADS), ("down", DOWNLOADS)):
                                medians = measure(ways, link, source, folder, options.rounds)
                                title = f"{what}, {where}, {name} ({len(data) / 1e6:.2f} MB)"
                                _tell(title, len(data), medians)
        finally:
            process.terminate()
            process.wait()
    print(f"\nload {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()

"""Set a virtual camera up, listen, say so, and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator

import asyncssh

from . import layout as setup
from . import services
from .commands import Commands
from .layout import USER, Layout, SetupError
from .options import Options
from .ports import Ports
from .processes import start_of
from .releases import RELEASES
from .services import Addresses
from .ssh import listen

log = logging.getLogger("virtual")


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the folder for this process. Raises SetupError when another one does."""
    layout.base.mkdir(mode=0o700, parents=True, exist_ok=True)
    with layout.lock.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise SetupError(
                    f"the file system of {layout.base} has no locks ({error.strerror}); name a "
                    "folder on a local disk"
                ) from error
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise SetupError(
                f"{layout.base} belongs to a running virtual camera (process {holder})"
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def start_log(layout: Layout) -> None:
    handler = logging.FileHandler(layout.log, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def public_host_key(layout: Layout) -> str:
    """Return the host key's public line; the key is made at the first start."""
    try:
        if not layout.host_key.exists():
            text = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
            setup.write_private(layout.host_key, text)
        layout.host_key.chmod(0o600)
        return asyncssh.read_private_key(layout.host_key).export_public_key().decode()
    except (OSError, asyncssh.KeyImportError) as error:
        raise SetupError(f"the host key {layout.host_key}: {error}") from error


def prepare(layout: Layout, options: Options) -> None:
    """Prepare everything on disk that does not depend on the port. Raises SetupError."""
    try:
        setup.create(layout, RELEASES[options.release])
        setup.link_libraries(layout, [folder.resolve() for folder in options.tpu_libraries])
        setup.install_password(layout, options.password_file)
        setup.install_factory_model(layout, options.factory_model, options.factory_info)
        layout.emulated.write_text(f"{options.emulated or ''}\n", encoding="utf-8")
        (layout.base / "firmware").write_text(options.firmware + "\n", encoding="utf-8")
    except OSError as error:
        raise SetupError(str(error)) from error


@contextlib.asynccontextmanager
async def ssh_server(
    layout: Layout, options: Options, commands: Commands, ports: Ports
) -> AsyncIterator[int]:
    """Listen for SSH connections; yield the port, at which nobody answers where SSH is off.

    Raises SetupError when the port cannot be had.
    """
    bound = ports.bind("ssh", options.port)
    port = bound.getsockname()[1]
    with contextlib.closing(bound):
        if not options.ssh:
            yield port
            return
        try:
            acceptor = await listen(layout, bound, commands, options.methods)
        except OSError as error:
            raise ports.refusal(port, error) from error
        try:
            yield port
        finally:
            acceptor.close()
            await commands.end_all()


def publish(
    layout: Layout, options: Options, port: int, public_key: str, addresses: Addresses
) -> None:
    """Write what clients read; the state last, in one step: it says "ready"."""
    host = addresses.host
    setup.write_private(layout.known_hosts, setup.known_hosts_text(public_key, host, port))
    settings = setup.settings_text(layout, host, {"port": port, **addresses.settings()})
    setup.write_private(layout.settings, settings)
    state = {
        "pid": os.getpid(),
        "started": start_of(os.getpid()),
        "host": host,
        "ssh_port": port,
        **addresses.state(),
        "firmware": options.release,
        "user": USER,
        "settings": str(layout.settings),
        "known_hosts": str(layout.known_hosts),
        "root": str(layout.root),
        "log": str(layout.log),
    }
    setup.write_private(layout.state, json.dumps(state, indent=2) + "\n")


async def _run(layout: Layout, options: Options) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    commands = Commands(layout)
    public_key = public_host_key(layout)
    ports = Ports(layout.ports, options.address)
    try:
        async with (
            ssh_server(layout, options, commands, ports) as port,
            services.running(layout, options, ports) as addresses,
        ):
            publish(layout, options, port, public_key, addresses)
            log.info("ready on %s port %s", addresses.host, port)
            await stopped.wait()
            layout.state.unlink(missing_ok=True)
    finally:
        layout.state.unlink(missing_ok=True)
        log.info("stopped")


def serve(options: Options) -> None:
    """Play a camera until SIGTERM or SIGINT. Raises SetupError when it cannot start."""
    os.umask(0o022)
    layout = Layout.at(options.folder)
    try:
        with locked(layout):
            layout.state.unlink(missing_ok=True)
            start_log(layout)
            prepare(layout, options)
            asyncio.run(_run(layout, options))
    except OSError as error:
        raise SetupError(str(error)) from error

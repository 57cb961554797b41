"""The camera's MQTT broker: a real mosquitto where one is installed, else one in this process.

Either listens on the loopback, asks nobody for a name and keeps nothing on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from typing import TYPE_CHECKING, Any, Protocol

from .layout import SetupError
from .sscma.engine import die_with_parent

if TYPE_CHECKING:
    from .layout import Layout

log = logging.getLogger("virtual")

ATTEMPTS = 300
ATTEMPT_SECONDS = 0.02
END_SECONDS = 3.0

# Started by root it would otherwise become a user who may not read our folder; started by
# anybody else it takes no notice.
MOSQUITTO_CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
persistence false
user root
log_dest stderr
"""

EMBEDDED_CONFIGURATION: dict[str, Any] = {
    "timeout_disconnect_delay": 0,
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


class Broker(Protocol):
    """An MQTT broker that can be started once and stopped once."""

    async def start(self, host: str, port: int) -> None:
        """Start, and return when it answers. Raises SetupError."""

    async def stop(self) -> None: ...


def mosquitto_program() -> str | None:
    """Find mosquitto; Debian keeps it out of an ordinary user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/sbin")


def choose(layout: Layout, kind: str) -> Broker:
    """Return the broker asked for: ``mosquitto``, ``embedded``, or ``auto``. Raises SetupError."""
    program = None if kind == "embedded" else mosquitto_program()
    if program is not None:
        return Mosquitto(layout, program)
    if kind == "mosquitto":
        raise SetupError("mosquitto is not installed")
    return Embedded()


class Mosquitto:
    """A mosquitto process with a configuration of ours."""

    def __init__(self, layout: Layout, program: str) -> None:
        self._layout = layout
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, host: str, port: int) -> None:
        text = MOSQUITTO_CONFIGURATION.format(port=port, host=host)
        self._layout.mosquitto_configuration.write_text(text, encoding="utf-8")
        with self._layout.mosquitto_log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(self._program, "-c", str(self._layout.mosquitto_configuration)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )
        for _ in range(ATTEMPTS):
            if self._process.returncode is not None:
                raise SetupError(f"mosquitto did not start: {_last_line(self._layout)}")
            if await _answers(host, port):
                return
            await asyncio.sleep(ATTEMPT_SECONDS)
        await self.stop()
        raise SetupError(f"mosquitto does not answer on {host} port {port}")

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()


class Embedded:
    """The broker of the amqtt library, in this process."""

    def __init__(self) -> None:
        self._broker: Any = None

    async def start(self, host: str, port: int) -> None:
        try:
            from amqtt.broker import Broker as Amqtt
            from amqtt.errors import BrokerError
        except ImportError as error:
            raise SetupError("neither mosquitto nor the package amqtt is installed") from error

        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        listener = {"type": "tcp", "bind": f"{host}:{port}"}
        configuration = {**EMBEDDED_CONFIGURATION, "listeners": {"default": listener}}
        self._broker = Amqtt(configuration)
        try:
            await self._broker.start()
        except (BrokerError, OSError) as error:
            raise SetupError(f"the embedded MQTT broker did not start: {error}") from error

    async def stop(self) -> None:
        if self._broker is not None:
            await self._broker.shutdown()


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _last_line(layout: Layout) -> str:
    lines = layout.mosquitto_log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"

"""An SSH server that asks what OpenSSH's cannot be made to ask, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncssh

Prompts = Sequence[tuple[str, bool]]
Challenge = bool | tuple[str, str, str, Prompts]


class Asking(asyncssh.SSHServer):
    """Ask `rounds` of prompts one after the other; record the answers, and let nobody in."""

    def __init__(self, rounds: Sequence[Prompts], answers: list[str], demands: str) -> None:
        self._rounds = list(rounds)
        self._answers = answers
        self._demands = demands

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return False

    def password_auth_supported(self) -> bool:
        return bool(self._demands)

    def validate_password(self, username: str, password: str) -> bool:
        self._answers.append(password)
        raise asyncssh.PasswordChangeRequired(self._demands)

    def kbdint_auth_supported(self) -> bool:
        return bool(self._rounds)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        return "", "", "", list(self._rounds.pop(0))

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Challenge:
        self._answers.extend(responses)
        return ("", "", "", list(self._rounds.pop(0))) if self._rounds else False


@contextmanager
def asking(host_key: Path, *rounds: Prompts, demands: str = "") -> Iterator[tuple[int, list[str]]]:
    """A server that asks `rounds`, or `demands` a new password; its port and what it was told."""
    answers: list[str] = []
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    ports: list[int] = []

    async def listen() -> None:
        server = await asyncssh.create_server(
            lambda: Asking(rounds, answers, demands),
            "127.0.0.1",
            0,
            server_host_keys=[str(host_key)],
        )
        ports.append(server.get_port())
        listening.set()

    def run() -> None:
        loop.run_until_complete(listen())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield ports[0], answers
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)

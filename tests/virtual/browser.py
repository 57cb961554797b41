"""A page in headless Chromium, driven through the DevTools protocol.

What an editor or a report shows is only known when a browser has drawn it: a page here can be
asked (JavaScript), waited for, and photographed.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
START_SECONDS = 60.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.1


class PageError(AssertionError):
    """A page failed, or did not come to show what it should."""


def chromium() -> str | None:
    """The Chromium on PATH, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One open page. `failures` are the exceptions that its scripts did not catch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.failures: list[str] = []

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise of it."""
        options = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **options)
        if "exceptionDetails" in answer:
            raise PageError(_told(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 30.0) -> None:
        """Wait until a JavaScript expression is true; PageError when it does not become so."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > deadline:
                raise PageError(f"not within {seconds:.0f} s: {expression} {self.failures}")
            time.sleep(POLL_SECONDS)

    def screenshot(self, path: Path) -> Path:
        """Write what the page shows now, as a PNG."""
        picture = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(picture["data"]))
        return path

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call of the DevTools protocol; what happens meanwhile is noted."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(self._connection.recv(ANSWER_SECONDS))
            if answer.get("method") == "Runtime.exceptionThrown":
                self.failures.append(_told(answer["params"]["exceptionDetails"]))
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result


def _told(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details["text"])


@contextlib.contextmanager
def open_page(url: str, width: int = 1600, height: int = 1000) -> Iterator[Page]:
    """Open `url` in a Chromium of its own, with an empty profile, and wait until it is loaded."""
    program = chromium()
    if program is None:
        raise PageError("there is no Chromium on PATH")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        size = f"--window-size={width},{height}"
        with _running(program, size, f"--user-data-dir={profile}") as process:
            address = _page_address(Path(profile), process)
            with connect(address, max_size=None, open_timeout=START_SECONDS) as socket:
                page = Page(socket)
                page.call("Runtime.enable")
                page.call("Page.enable")
                page.call("Page.navigate", url=url)
                page.wait_for("location.href != 'about:blank' && document.readyState == 'complete'")
                yield page


@contextlib.contextmanager
def _running(program: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [program, *FLAGS, *options, "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _page_address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """The websocket of the only page; Chromium writes that of the browser into its profile."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            port, path = (profile / "DevToolsActivePort").read_text().splitlines()
            return f"ws://127.0.0.1:{port}/devtools/page/{_first_page(port, path)}"
        time.sleep(POLL_SECONDS)
    raise PageError(f"Chromium did not start (exit {process.poll()})")


def _first_page(port: str, path: str) -> str:
    with connect(f"ws://127.0.0.1:{port}{path}", open_timeout=START_SECONDS) as socket:
        socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(socket.recv(ANSWER_SECONDS))["result"]["targetInfos"]
    return str(next(target["targetId"] for target in targets if target["type"] == "page"))

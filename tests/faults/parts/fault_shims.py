"""Programs put before the camera's own, by which faults are made and steps are stopped at."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_BREAKPOINT = """#!/bin/sh
# Stops once at a call whose words match, {when} it does its work.
wait_for_go() {{ echo $$ >{pid}; while [ ! -e {go} ]; do sleep 0.02; done; }}
case "$*" in
{pattern})
    if mkdir {hit} 2>/dev/null; then
        if [ {when} = after ]; then {real} "$@"; code=$?; wait_for_go; exit $code; fi
        wait_for_go
    fi ;;
esac
exec {real} "$@"
"""

_ONCE = """#!/bin/sh
case "$*" in
{pattern})
    if mkdir {once} 2>/dev/null; then
{body}
    fi ;;
esac
exec {real} "$@"
"""


@dataclass
class Shims:
    """A folder that comes first in the camera's PATH, and one for what the shims remember."""

    folder: Path
    remembered: Path
    generation: int = 0

    @property
    def state(self) -> Path:
        """What the present shims remember; a stopped one of before still finds its own."""
        return self.remembered / str(self.generation)

    @property
    def hit(self) -> Path:
        """Is there once a shim has done its part."""
        return self.state / "hit"

    def clear(self) -> None:
        """Remove every shim; what has stopped goes on."""
        if self.state.is_dir():
            self.go()
        self.generation += 1
        self.state.mkdir(parents=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if _is_shim(path):
                path.unlink()
        for own in self.folder.glob(".own-*"):
            own.rename(self.folder / own.name.removeprefix(".own-"))

    def stop_at(self, tool: str, pattern: str, when: str = "before") -> None:
        """Make `tool` stop, once, when it is called with words that match a shell pattern."""
        self._write(
            tool,
            _BREAKPOINT.format(
                when=when,
                pattern=pattern,
                hit=self._quoted("hit"),
                go=self._quoted("go"),
                pid=self._quoted("pid"),
                real=real(tool),
            ),
        )

    def go(self) -> None:
        """Let what has stopped go on."""
        (self.state / "go").touch()

    def kill_stopped(self) -> None:
        """End what has stopped, and the script that called it: as a power cut would."""
        told = self.state / "pid"
        deadline = time.monotonic() + 5
        while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        with contextlib.suppress(OSError, ValueError):
            stopped = int(told.read_text())
            caller = int(Path(f"/proc/{stopped}/stat").read_text().rpartition(")")[2].split()[1])
            for pid in (caller, stopped):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def once(self, tool: str, pattern: str, body: str) -> None:
        """Make `tool` run `body` once in its place; {real} in it is the tool itself."""
        self._write(
            tool,
            _ONCE.format(
                pattern=pattern,
                once=self._quoted("once"),
                body=body.replace("{real}", real(tool))
                .replace("{hit}", self._quoted("hit"))
                .replace("{go}", self._quoted("go")),
                real=real(tool),
            ),
        )

    def replace(self, tool: str, body: str) -> None:
        """Make `tool` be `body`, always."""
        self._write(tool, f"#!/bin/sh\n{body.replace('{real}', real(tool))}\n")

    def wait(self, seconds: float = 20.0) -> None:
        """Until a shim has done its part; AssertionError when none does."""
        deadline = time.monotonic() + seconds
        while not self.hit.exists():
            assert time.monotonic() < deadline, "the step was never reached"
            time.sleep(0.01)

    def _quoted(self, name: str) -> str:
        return shlex.quote(str(self.state / name))

    def _write(self, tool: str, text: str) -> None:
        path = self.folder / tool
        if path.exists() and not _is_shim(path):
            path.rename(path.with_name(f".own-{tool}"))
        new = path.with_name(f"{tool}.new")
        new.write_text(text.replace("#!/bin/sh\n", "#!/bin/sh\n#shim\n", 1))
        new.chmod(0o755)
        new.replace(path)


def _is_shim(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(b"#!/bin/sh\n#shim\n")


def real(tool: str) -> str:
    """The system's own program of that name."""
    found = shutil.which(tool, path="/usr/bin:/bin:/usr/sbin:/sbin")
    assert found, f"{tool} is not installed"
    return found


# Takes so many bytes of an upload, then stops: the rest never arrives.
def taking(count: int) -> str:
    """The body of a `cat` that stops after `count` bytes."""
    return (
        f"        head -c {count}; touch {{hit}}; while [ ! -e {{go}} ]; do sleep 0.02; done; exit"
    )


FLIPPING = (
    f"        touch {{hit}}; {{real}} | {shlex.quote(sys.executable)} -c 'import sys\n"
    "data = bytearray(sys.stdin.buffer.read())\n"
    "data[len(data) // 2] ^= 1\n"
    "sys.stdout.buffer.write(data)'; exit"
)
"""The body of a `cat` that damages one bit."""

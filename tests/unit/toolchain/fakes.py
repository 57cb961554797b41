"""A runner of programs that runs none, and a listener that remembers: for tests without network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recam_deploy.errors import ProcessError
from recam_deploy.process import Completed

CAPTURED = Path(__file__).with_name("captured")


def captured(name: str) -> str:
    """What a real tool printed."""
    return (CAPTURED / f"{name}.txt").read_text(encoding="utf-8")


def completed(returncode: int = 0, stdout: str = "", output: str | None = None) -> Completed:
    return Completed(("program",), returncode, stdout, stdout if output is None else output)


def answer(**facts: object) -> str:
    """What a candidate interpreter answers when it is asked what it is."""
    good: dict[str, object] = {
        "executable": "/opt/python3.10/bin/python3.10",
        "implementation": "CPython",
        "version": "3.10.13",
        "machine": "x86_64",
        "system": "Linux",
        "bits": 64,
        "libc": "glibc 2.36",
    }
    return json.dumps({**good, **facts})


@dataclass
class Call:
    words: tuple[str, ...]
    env: Mapping[str, str] | None
    cwd: Path | None


@dataclass
class FakeRun:
    """Stands for process.run: `respond` maps the words of a command to what it does."""

    respond: Callable[[tuple[str, ...]], Completed]
    calls: list[Call] = field(default_factory=list)

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
    ) -> Completed:
        words = tuple(str(word) for word in command)
        self.calls.append(Call(words, env, cwd))
        done = self.respond(words)
        for line in done.output.replace("\r", "\n").splitlines():
            if on_line and line.strip():
                on_line(line)
        if log:
            with log.open("a", encoding="utf-8") as file:
                file.write(done.output)
        return done

    def commands(self, word: str) -> list[tuple[str, ...]]:
        """The calls whose words contain `word`."""
        return [call.words for call in self.calls if word in call.words]


def cannot_start(words: tuple[str, ...]) -> Completed:
    raise ProcessError(f"{words[0]} could not be started: no such file")


@dataclass
class Recorder:
    """A Progress that remembers titles and updates."""

    titles: list[str] = field(default_factory=list)
    updates: list[tuple[float | None, float | None, str | None]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[Recorder]:
        self.titles.append(title)
        yield self

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        self.updates.append((done, total, note))

    def say(self, message: str) -> None:
        self.titles.append(message)

    def notes(self) -> list[str]:
        """The notes in the order they first came."""
        return list(dict.fromkeys(note for _, _, note in self.updates if note))

"""What is recorded while tests run: all that is printed, and every command line of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

PROCESSES = Path("/proc")
NOBODY = "(no test)"


@dataclass
class Recorder:
    """All that it was told of, each thing once, with the test that ran then."""

    test: str = NOBODY
    records: dict[tuple[str, bytes], str] = field(default_factory=dict)
    _begun: list[tuple[float, str]] = field(default_factory=list)

    def begin(self, test: str) -> None:
        self.test = test
        self._begun.append((time.time(), test))

    def note(self, place: str, data: object) -> None:
        """What was printed, or a process's words; whatever is no text is passed over."""
        raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
        if isinstance(raw, bytes) and raw:
            self.records.setdefault((place, raw), self.test)

    def running_at(self, moment: float) -> str:
        """The test that ran when a file was written."""
        before = [test for begun, test in self._begun if begun <= moment]
        return before[-1] if before else NOBODY


def listen(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    """Note what comes through the doors by which tests take what was printed or raised.

    They are opened here rather than in each test, lest one be forgotten.
    """

    def through(door: type, method: str, note: Callable[[Any, tuple[Any, ...]], None]) -> None:
        original = getattr(door, method)

        def heard(*words: Any, **options: Any) -> Any:
            result = original(*words, **options)
            note(result, words)
            return result

        patch.setattr(door, method, heard)

    def by_process(result: Any, _: object) -> None:
        for text in result:
            recorder.note("what a process printed", text)

    def captured(result: Any, _: object) -> None:
        for text in result:
            recorder.note("what was captured", text)

    def by_command(result: Any, _: object) -> None:
        for text in (result.stdout, result.stderr):
            recorder.note("what a command printed", text)

    def raised(_: object, words: tuple[Any, ...]) -> None:
        recorder.note("an error that was raised", "".join(traceback.format_exception(*words[1])))

    through(subprocess.Popen, "communicate", by_process)
    through(pytest.CaptureFixture, "readouterr", captured)
    through(CliRunner, "invoke", by_command)
    # This is where `pytest.raises` keeps what it caught.
    through(pytest.ExceptionInfo, "fill_unfilled", raised)


def note_own_processes(recorder: Recorder, is_on: Callable[[], bool]) -> None:
    """Note the words of every process that this one starts; hooks of Python's are for good."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and is_on():
            words = arguments[1]
            listed = [words] if isinstance(words, (str, bytes, os.PathLike)) else words
            recorder.note("a command line", b"\0".join(map(os.fsencode, listed)))

    sys.addaudithook(hook)


class ProcessList(threading.Thread):
    """Looks at the command lines of all processes of this machine, as `ps` would.

    A process is looked at often while it is young, for it becomes another by exec; and now and
    then for the rest of its life, for it may change its own words. That takes about 1 % of a core.
    """

    OFTEN, NOW_AND_THEN, YOUNG = 0.05, 2.0, 1.0

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(daemon=True, name="process list")
        self._recorder = recorder
        self._ended = threading.Event()
        self._born: dict[str, float] = {}

    def run(self) -> None:
        looked = 0.0
        while not self._ended.wait(self.OFTEN):
            now = time.monotonic()
            thorough = now - looked > self.NOW_AND_THEN
            looked = now if thorough else looked
            self._look(now, thorough)

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _look(self, now: float, thorough: bool) -> None:
        with os.scandir(PROCESSES) as entries:
            numbers = [entry.name for entry in entries if entry.name.isdigit()]
        for number in numbers:
            if thorough or now - self._born.setdefault(number, now) < self.YOUNG:
                try:
                    words = (PROCESSES / number / "cmdline").read_bytes()
                except OSError:
                    continue
                self._recorder.note("a command line", words)
        if thorough:
            self._born = {number: self._born.get(number, now) for number in numbers}

"""No password of the tests may appear anywhere: a plugin that fails the run where one does.

While tests run it notes what they and their processes print, their tracebacks, and every command
line of this machine. When all have ended it looks for the secrets of `planted.py` in all of that,
and in each file that was left: logs, reports, manifests, flows. `lawful` files are left out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from left_files import files_below, secret_in
from planted import found_in
from platformdirs import user_log_path
from recording import PROCESSES, ProcessList, Recorder, listen, note_own_processes

from recam_deploy.settings import load_settings

INSTALLED = frozenset({"toolchain", "frameworks", "node-red", "uv"})
"""Folders of the cache in which programs lie, not what was made with them."""


VERDICT = "secrecy"


class Secrecy:
    """What is recorded in a session, and the judgement in its end."""

    def __init__(self) -> None:
        self._recorder = Recorder()
        self._patch = pytest.MonkeyPatch()
        self._processes = ProcessList(self._recorder) if PROCESSES.is_dir() else None
        self._began = time.time()
        self._folders = {load_settings().cache_dir, user_log_path("recam")}
        self._recording = False
        self._verdict = ""

    def look_in(self, folder: Path) -> None:
        """Look for secrets in this folder too, in the end."""
        self._folders.add(folder)

    def pytest_sessionstart(self) -> None:
        self._recording = True
        listen(self._recorder, self._patch)
        note_own_processes(self._recorder, lambda: self._recording)
        if self._processes:
            self._processes.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._recorder.begin(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._recording:
            self._recorder.note("a traceback", report.longreprtext)
            for title, text in report.sections:
                self._recorder.note(title.lower(), text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._recording:
            return
        self._recording = False
        self._patch.undo()
        if self._processes:
            self._processes.end()
        found = sorted(set(self._findings()))
        for test, place, secret in found:
            report = _report(test, f"{secret}, was found in {place}")
            session.config.hook.pytest_runtest_logreport(report=report)
        if found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if is_worker(session.config):
            session.config.workeroutput[VERDICT] = self._verdict  # type: ignore[attr-defined]

    def _findings(self) -> Iterator[tuple[str, str, str]]:
        """The test, the place and the secret of each leak."""
        records = self._recorder.records
        for (place, data), test in records.items():
            if secret := found_in(data):
                yield test, place, secret
        count = 0
        for path in self._files():
            count += 1
            if secret := secret_in(path):
                yield self._recorder.running_at(path.stat().st_mtime), str(path), secret
        commands = sum(place == "a command line" for place, _ in records)
        self._verdict = (
            f"looked for passwords in {len(records) - commands} texts that were printed, "
            f"{commands} command lines and {count} files"
        )

    def _files(self) -> Iterator[Path]:
        for folder in self._folders:
            yield from files_below(folder, self._began, INSTALLED)
        for pattern in ("recam-*", "bug-*.log"):
            for path in Path(tempfile.gettempdir()).glob(pattern):
                yield from files_below(path, self._began, INSTALLED)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._verdict:
            terminalreporter.write_line(self._verdict)


class WorkersVerdicts:
    """What pytest-xdist's workers looked through; each draws and looks for its own secrets."""

    def __init__(self) -> None:
        self._verdicts: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._verdicts.append(getattr(node, "workeroutput", {}).get(VERDICT, "a worker crashed"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for verdict in self._verdicts:
            terminalreporter.write_line(verdict)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for another one that shows their results."""
    return hasattr(config, "workerinput")


def _report(test: str, message: str) -> pytest.TestReport:
    """The leak as an error of the test in which it was seen."""
    return pytest.TestReport(
        nodeid=test,
        location=(test.partition("::")[0], None, test),
        keywords={},
        outcome="failed",
        longrepr=f"a password got out: {message}",
        when="teardown",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Record what tests print, in the process that runs them; nothing when they are only listed."""
    if config.option.collectonly:
        return
    has_workers = bool(config.getoption("numprocesses", None))
    recorder = Secrecy() if is_worker(config) or not has_workers else WorkersVerdicts()
    config.pluginmanager.register(recorder, "secrecy")


@pytest.fixture(scope="session", autouse=True)
def _folders_of_the_tests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secrecy = request.config.pluginmanager.get_plugin("secrecy")
    assert isinstance(secrecy, Secrecy)
    secrecy.look_in(tmp_path_factory.getbasetemp())

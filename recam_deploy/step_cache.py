"""Keep finished steps under the hash of all their inputs.

A step is built in a temporary folder and renamed when it is complete. Its record, with the hash of
every file, is written last. A killed run therefore leaves nothing that looks finished, and a
damaged file is found when the step is looked up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .artifact import sha256_of
from .documents import parse_json
from .errors import CacheBusyError
from .files import building
from .locks import Lock
from .progress import Progress, SilentProgress
from .system_errors import is_refused

_RECORD = "step.json"


@dataclass(frozen=True)
class StepResult:
    """A finished step: its folder, the `seconds` of this run, and whether it was `cached`."""

    name: str
    folder: Path
    seconds: float
    cached: bool

    def as_json(self) -> dict[str, Any]:
        """Return the step as `convert --json` and the manifest show it; `key` finds it again."""
        return {
            "name": self.name,
            "key": self.folder.name,
            "seconds": round(self.seconds, 2),
            "cached": self.cached,
        }


def step_key(name: str, version: int, inputs: dict[str, Any]) -> str:
    """Return the key of a step: its name and the hash of name, version and inputs as JSON.

    `version` is raised when recam's own part of the step changes its result.
    """
    text = json.dumps([name, version, inputs], sort_keys=True, ensure_ascii=False)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


@dataclass(frozen=True)
class Entry:
    """A step in the cache: its size in bytes, and when it was last used, in seconds since 1970."""

    name: str
    folder: Path
    size: int
    used: float


class StepCache:
    """The steps below `root`, safe for several processes.

    One process builds a step; the others wait, which `progress` shows. Nothing is removed while a
    conversion runs.
    """

    def __init__(self, root: Path, progress: Progress | None = None) -> None:
        self._root = root
        self._progress = progress or SilentProgress()

    def run(self, name: str, key: str, build: Callable[[Path], None]) -> StepResult:
        """Return the step under `key`, from the cache or built now by `build(folder)`.

        Raises whatever `build` raises; the cache then stays as it was.
        """
        started = time.monotonic()
        folder = self._root / key
        cached = _is_whole(folder)
        if not cached:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._locked(name, key):
                cached = _is_whole(folder)
                if not cached:
                    self._build(folder, build)
        with contextlib.suppress(OSError):  # another user's, or read-only
            (folder / _RECORD).touch()
        return StepResult(name, folder, time.monotonic() - started, cached)

    @contextmanager
    def _locked(self, name: str, key: str) -> Iterator[None]:
        lock = Lock(self._root / f"{key}.lock")
        if not lock.try_acquire():
            with self._progress.step(f"Waiting for another recam to finish the step {name}"):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def find(self, key: str) -> Path | None:
        """Return the folder of the finished step under `key`; None when it is not there."""
        folder = self._root / key
        return folder if _is_whole(folder) else None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep `clean` from removing any step while the block runs.

        Where the cache can only be read, as another user's, its finished steps are used unmarked.
        Raises NoLocksError.
        """
        run = self._mark_run()
        try:
            yield
        finally:
            if run:
                run.release()
                run.path.unlink(missing_ok=True)

    def _mark_run(self) -> Lock | None:
        run = Lock(self._runs / f"{uuid.uuid4().hex}.lock")
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._gate:
                self._runs.mkdir(parents=True, exist_ok=True)
                run.acquire()
        except OSError as error:
            if not is_refused(error) or not self._root.is_dir():
                raise
            return None
        return run

    @property
    def _gate(self) -> Lock:
        """Lock the start of a run, and the removal of steps, against each other."""
        return Lock(self._root.with_name(f"{self._root.name}.lock"))

    @property
    def _runs(self) -> Path:
        return self._root / ".runs"

    def entries(self) -> list[Entry]:
        """List all steps, the least recently used first."""
        found = []
        for folder in self._root.glob("*-*") if self._root.is_dir() else ():
            record = folder / _RECORD
            if record.is_file():
                size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                name = folder.name.partition("-")[0]
                found.append(Entry(name, folder, size, record.stat().st_mtime))
        return sorted(found, key=lambda entry: entry.used)

    def clean(self, keep_bytes: int = 0) -> int:
        """Remove the least recently used steps until the rest takes at most `keep_bytes`.

        Also remove temporary folders of killed runs. Return the bytes of the removed steps. Raises
        CacheBusyError while a conversion runs.
        """
        if not self._root.is_dir():
            return 0
        with self._gate:
            self._refuse_while_in_use()
            return self._remove(keep_bytes)

    def _remove(self, keep_bytes: int) -> int:
        for leftover in self._root.glob(".*-building-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        entries = self.entries()
        size = before = sum(entry.size for entry in entries)
        for entry in entries:
            if size <= keep_bytes:
                break
            shutil.rmtree(entry.folder)
            entry.folder.with_suffix(".lock").unlink(missing_ok=True)
            size -= entry.size
        if keep_bytes == 0:
            shutil.rmtree(self._root)
        return before - size

    def _refuse_while_in_use(self) -> None:
        for path in self._runs.glob("*.lock"):
            lock = Lock(path)
            if not lock.try_acquire():
                raise CacheBusyError(
                    "the cache is in use: a conversion is running",
                    "Try again when it has ended.",
                )
            path.unlink(missing_ok=True)
            lock.release()

    @staticmethod
    def _build(folder: Path, build: Callable[[Path], None]) -> None:
        # The caller holds the step's lock, so an unfinished folder is that of a killed run.
        for leftover in (folder, *folder.parent.glob(f".{folder.name}-building-*")):
            if leftover.is_symlink() or leftover.is_file():
                leftover.unlink()
            shutil.rmtree(leftover, ignore_errors=True)
        with building(folder) as place:
            build(place)
            files = sorted(p for p in place.rglob("*") if p.is_file())
            record = {str(p.relative_to(place)): sha256_of(p) for p in files}
            (place / _RECORD).write_text(json.dumps({"files": record}, indent=1))


def _is_whole(folder: Path) -> bool:
    try:
        record = parse_json((folder / _RECORD).read_bytes())
        files = record["files"].items()
        return all(sha256_of(folder / name) == digest for name, digest in files)
    except PermissionError:
        raise  # another user's, which cannot be built again either
    # A record of another form, such as null or a list, is a damaged one.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False

"""File systems without locks, and caches that other users made: cases 15 and 44."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recam_deploy.errors import RecamError
from recam_deploy.installed import Installed
from recam_deploy.locks import Lock
from recam_deploy.progress import SilentProgress
from recam_deploy.step_cache import StepCache
from recam_deploy.system_errors import NoLocksError, explain

# flock() as on NFS mounted with nolock, afp, FUSE and gVisor, also in programs that recam starts.
WITHOUT_LOCKS = """
import fcntl, os
def flock(descriptor, operation):
    if not operation & fcntl.LOCK_UN:
        number = int(os.environ["FLOCK_ERRNO"])
        raise OSError(number, os.strerror(number))
fcntl.flock = flock
"""
NUMBERS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ESTALE, errno.EIO, errno.ENOSYS, errno.EINVAL)


def _recam(tmp_path: Path, number: int, *words: str) -> subprocess.CompletedProcess[str]:
    patch = tmp_path / "patch"
    patch.mkdir(exist_ok=True)
    (patch / "sitecustomize.py").write_text(WITHOUT_LOCKS)
    return subprocess.run(
        [sys.executable, "-m", "recam_deploy", *words],
        env={
            **os.environ,
            "PYTHONPATH": str(patch),
            "FLOCK_ERRNO": str(number),
            "RECAM_CACHE_DIR": str(tmp_path / "cache"),
        },
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_a_file_system_without_locks_is_named_case_15(number: int, tmp_path: Path) -> None:
    (tmp_path / "cache" / "steps").mkdir(parents=True)
    done = _recam(tmp_path, number, "cache", "clean")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: the file system of {tmp_path}/cache has no locks: ")
    assert "RECAM_CACHE_DIR" in done.stderr
    assert len(done.stderr.splitlines()) == 2, "nothing else, such as Python's warnings"


def test_every_user_of_locks_names_it_case_15(tmp_path: Path) -> None:
    done = _recam(tmp_path, errno.ENOSYS, "toolchain", "install", "--json")
    assert json.loads(done.stdout)["error"]["kind"] == "system"
    assert "Warning" not in done.stderr
    folder = tmp_path / "camera"
    done = _recam(tmp_path, errno.ENOLCK, "virtual", "up", "--dir", str(folder), "--no-node-red")
    assert done.returncode == 1
    assert "no locks" in done.stderr or "[virtual]" in done.stderr
    assert "belongs to a running" not in done.stderr


def test_a_lock_is_held_by_one_and_given_back(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "a"), Lock(tmp_path / "a")
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    with second:
        assert not first.try_acquire()


def _make(folder: Path) -> None:
    (folder / "result").write_text("made")


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="other users' files cannot be made without root"
)


@pytest.fixture
def as_stranger() -> Iterator[None]:
    """Become another user for the test: file accesses are judged by the effective id."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(54321)
    os.seteuid(54321)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def cache_of_root() -> Iterator[Path]:
    """A cache as root leaves it with the usual umask, in a folder that all can reach."""
    import shutil
    import tempfile

    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    before = os.umask(0o022)
    cache = StepCache(place / "steps")
    with cache.in_use():
        cache.run("made", "made-1", _make)
    os.umask(before)
    yield place
    shutil.rmtree(place)


@needs_root
def test_a_finished_step_of_another_user_is_read_case_44(
    cache_of_root: Path, as_stranger: None
) -> None:
    cache = StepCache(cache_of_root / "steps")
    with cache.in_use():
        result = cache.run("made", "made-1", _make)
    assert result.cached
    assert (result.folder / "result").read_text() == "made"


@needs_root
def test_what_another_user_made_is_named_with_owner_and_umask_case_44(
    cache_of_root: Path, as_stranger: None
) -> None:
    cache = StepCache(cache_of_root / "steps")
    with pytest.raises(PermissionError) as caught:
        cache.run("made", "made-2", _make)
    error = explain(caught.value)
    assert error is not None
    assert "belongs to root with mode d" in error.message
    assert "you are user 54321" in error.message
    assert "umask 002" in error.hint
    with pytest.raises(PermissionError, match=r"steps\.lock"):
        cache.clean()


@needs_root
def test_a_step_that_may_not_be_read_is_not_built_over_case_44(
    cache_of_root: Path, request: pytest.FixtureRequest
) -> None:
    (cache_of_root / "steps" / "made-1" / "result").chmod(0o600)
    request.getfixturevalue("as_stranger")
    with pytest.raises(PermissionError, match="result"):
        StepCache(cache_of_root / "steps").run("made", "made-1", _make)


def test_new_folders_follow_umask_and_setgid_for_a_group_case_44(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    before = os.umask(0o002)
    try:
        StepCache(shared / "steps").run("made", "made-1", _make)
    finally:
        os.umask(before)
    mode = (shared / "steps" / "made-1").stat().st_mode
    assert stat.S_IMODE(mode) == 0o2775


def test_a_cache_that_is_a_file_is_an_expected_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(OSError, match="cache") as caught, StepCache(tmp_path / "cache").in_use():
        pass
    assert explain(caught.value) is not None
    with (
        pytest.raises(RecamError, match="cannot be created"),
        Installed(tmp_path / "cache" / "x", "the compiler").locked(SilentProgress()),
    ):
        pass


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EINVAL])
def test_what_a_file_system_refuses_is_no_bug(number: int) -> None:
    """ENOTCONN: the FUSE process has died. EINVAL: a name that the file system does not take."""
    assert explain(OSError(number, os.strerror(number), "/mnt/a:b")) is not None


def test_our_own_mistakes_stay_bugs() -> None:
    for error in (
        OSError(errno.EBADF, "Bad file descriptor"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/made/by/us"),
        UnicodeEncodeError("cp437", "\u65e5", 0, 1, "no"),
        KeyError("x"),
    ):
        assert explain(error) is None


def test_a_lock_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as caught:
        Lock(tmp_path / "file" / "a").acquire()
    assert not isinstance(caught.value, NoLocksError)

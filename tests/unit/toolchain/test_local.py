"""Where things lie, and what a tool's process is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from planted import secret

from recam_deploy.toolchain import local
from recam_deploy.toolchain.local import Toolchain, lock_digest, lock_path, toolchain_root

SECRET = secret("a password in the environment")
ROOT = Path("/cache/toolchain/x")
TOOLCHAIN = Toolchain.at(ROOT)


def test_every_requirement_is_pinned_to_one_version_and_one_hash() -> None:
    text = lock_path().read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    names = lines[0::2]
    assert len(names) > 5
    for name, digest in zip(names, lines[1::2], strict=True):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+ \\", name)
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", digest)
    assert "tpu-mlir==1.7 \\" in names


def test_another_lock_or_layout_is_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = toolchain_root(tmp_path)
    assert before.name.startswith("tpu_mlir-1.7-")
    assert before.name.endswith(lock_digest()[:12])
    monkeypatch.setattr(local, "LAYOUT_VERSION", local.LAYOUT_VERSION + 1)
    assert toolchain_root(tmp_path) != before
    monkeypatch.undo()
    monkeypatch.setattr(local, "requirements_lock", lambda: b"other")
    assert toolchain_root(tmp_path) != before


def test_a_tool_inherits_nothing_that_could_break_it() -> None:
    base = {
        "PYTHONHOME": "/broken",
        "PYTHONPATH": "/broken",
        "LD_LIBRARY_PATH": "/broken",
        "LD_PRELOAD": "/broken.so",
        "VIRTUAL_ENV": "/broken",
        "RECAM_PASSWORD": SECRET,
        "PATH": "/usr/bin",
    }
    environ = TOOLCHAIN.environment(base)
    assert "/broken" not in " ".join(environ.values())
    assert SECRET not in environ.values()
    assert environ["TPUC_ROOT"] == str(TOOLCHAIN.package)
    assert environ["PATH"].endswith(":/usr/bin")


def test_a_tool_inherits_home_language_and_thread_counts() -> None:
    base = {"HOME": "/h", "LANG": "de_DE.UTF-8", "OMP_NUM_THREADS": "3", "TMPDIR": "/t"}
    assert TOOLCHAIN.environment(base).items() >= base.items()


def test_own_programs_come_first_on_path() -> None:
    path = TOOLCHAIN.environment({"PATH": "/usr/bin"})["PATH"].split(":")
    assert path == [
        f"{ROOT}/stand-ins/bin",
        f"{TOOLCHAIN.package}/bin",
        f"{TOOLCHAIN.package}/python/tools",
        f"{ROOT}/env/bin",
        "/usr/bin",
    ]


def test_without_a_path_the_systems_own_is_used() -> None:
    assert TOOLCHAIN.environment({})["PATH"].endswith(":/usr/local/bin:/usr/bin:/bin")


def test_the_environment_does_not_depend_on_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    before = TOOLCHAIN.environment({"PATH": "/bin"})
    monkeypatch.setenv("HOME", "/elsewhere")
    assert TOOLCHAIN.environment({"PATH": "/bin"}) == before


def test_the_simulator_needs_one_folder_only() -> None:
    assert TOOLCHAIN.simulator_libraries == (TOOLCHAIN.package / "lib",)
    assert TOOLCHAIN.simulator_libraries[0] in TOOLCHAIN.libraries


def test_glibc_is_never_taken_from_the_wheel() -> None:
    glibc = re.compile(r"^(libc|libm|libpthread|libdl|librt|libgcc_s|ld-linux.*|libpython.*)\.so")
    assert not [name for name in local.BUNDLED_LIBRARIES if glibc.match(name)]

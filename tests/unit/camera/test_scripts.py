"""The shell programs for the camera do what they say, in every shell they may meet."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from shells import Run

from recam_deploy.camera.exit_codes import ExitCode
from recam_deploy.errors import CameraError
from recam_deploy.ssh.command import RemoteCommand, load
from recam_deploy.ssh.session import CommandSession, parse_introduction


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_program_is_installed_executable(run: Run, tmp_path: Path) -> None:
    staged, target = tmp_path / "staged", tmp_path / "program"
    staged.write_bytes(b"#!")
    assert run(load("install_program"), staged, target, sha(b"other")).returncode == 65
    assert not target.exists()
    assert run(load("install_program"), staged, target, sha(b"#!")).returncode == 0
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_new_run_removes_older_ones_and_refuses_to_share(run: Run, tmp_path: Path) -> None:
    old = tmp_path / ".recam-run-old"
    old.mkdir()
    new = tmp_path / ".recam-run-new"
    assert run(load("new_run"), tmp_path, new).returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == [".recam-run-new"]
    assert new.stat().st_mode & 0o777 == 0o700
    other = tmp_path / "kept"
    other.mkdir()
    assert run(load("new_run"), tmp_path, other).returncode != 0


def test_hashes_are_told_also_of_files_with_odd_names(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a \\ b\n"
    path.write_bytes(b"x")
    assert run(load("sha256"), path).stdout == f"{sha(b'x')}\n"
    assert run(load("sha256"), tmp_path / "none").stdout == "absent\n"


def test_hashes_are_told_without_sha256sum_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    assert run("command() { return 1; }\n" + load("sha256"), path).stdout == (
        f"{sha(path.read_bytes())}\n"
    )


def test_ending_a_process_ends_its_group(run: Run) -> None:
    sleep = str(shutil.which("sleep"))
    process = subprocess.Popen([sleep, "300"], start_new_session=True)
    try:
        assert run(load("end_process"), str(process.pid)).returncode == 0
        assert process.wait(5) != 0
        assert run(load("end_process"), str(process.pid)).returncode == 0
    finally:
        process.kill()


def test_the_first_command_tells_who_we_are_and_then_does_its_work(run: Run) -> None:
    done = run(
        load("introduce"), "TOKEN", "5", "sh", "-c", 'cat; echo "$1"', "sh", "a b", data="in"
    )
    line, _, rest = done.stdout.partition("\n")
    user, limit = parse_introduction(line, "TOKEN")
    assert (user, rest) == (os.getuid(), "ina b\n")
    words = CommandSession(RemoteCommand.of("x"), seconds=2.4, limit=limit).limited().words
    assert words in (("x",), (*limit, "2", "x"))


@pytest.mark.parametrize(
    ("timeout", "limit"),
    [
        ("timeout() { return 127; }", ()),
        ('timeout() { [ "$1" != -k ]; }', ("timeout",)),
        ("timeout() { :; }", ("timeout", "-k", "2")),
    ],
)
def test_each_form_of_timeout_is_found(run: Run, timeout: str, limit: tuple[str, ...]) -> None:
    done = run(timeout + "\n" + load("introduce"), "T", "5", "echo", "a  b")
    line, _, rest = done.stdout.partition("\n")
    assert (parse_introduction(line, "T")[1], rest) == (limit, "a  b\n")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "T",
        "T x kill",
        "T 0 what",
        "motd T 0 kill",
        "U 0 kill",
        "T ٣ kill",
        f"T {'1' * 5000} kill",
    ],
)
def test_a_shell_that_says_something_else_is_no_camera(said: str) -> None:
    with pytest.raises(CameraError, match="plain command"):
        parse_introduction(said, "T")


def keep(run: Run, folder: Path, name: str, data: bytes, limit: int = 20) -> int:
    staged = folder.parent / "staged"
    staged.write_bytes(data)
    return run(load("keep_flows"), folder, staged, name, sha(data), str(limit)).returncode


def test_flows_are_kept_for_their_owner_only_and_the_last_ones_stay(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "my flows"
    for number in range(1, 6):
        assert keep(run, folder, f"{number:04d}-abc.json", b"%d" % number, limit=3) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{number:04d}-abc.json" for number in (3, 4, 5)
    ]
    assert (folder / "0005-abc.json").stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_row_17_the_highest_numbers_stay_past_9999(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    for number in range(9_997, 10_003):
        assert keep(run, folder, f"{number:04d}-abc.json", b"%d" % number, limit=3) == 0
    assert {path.name for path in folder.iterdir()} == {
        f"{number}-abc.json" for number in (10_000, 10_001, 10_002)
    }


def test_what_another_machine_keeps_stays_though_its_number_is_low(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "flows"
    for number in (100, 101, 102):
        assert keep(run, folder, f"{number:04d}-abc.json", b"%d" % number, limit=3) == 0
    assert keep(run, folder, "0001-abc.json", b"1", limit=3) == 0
    assert {path.name[:4] for path in folder.iterdir()} == {"0001", "0101", "0102"}


def test_damaged_flows_are_not_kept_and_nothing_is_written_through_a_link(
    run: Run, tmp_path: Path
) -> None:
    folder, elsewhere = tmp_path / "flows", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "staged").write_bytes(b"cut o")
    done = run(
        load("keep_flows"), folder, tmp_path / "staged", "0001-a.json", sha(b"cut off"), "20"
    )
    assert done.returncode == ExitCode.INSTALL_DAMAGED
    assert not folder.exists()
    assert not (tmp_path / "staged").exists()
    folder.symlink_to(elsewhere)
    assert keep(run, folder, "0001-a.json", b"x") == ExitCode.INSTALL_IN_THE_WAY
    assert not list(elsewhere.iterdir())


def test_a_record_names_no_address_of_the_network(run: Run, tmp_path: Path) -> None:
    zeros, linked = "0" * 32, "80FE00000000000022222222FEFF2222"
    kept = ["00000000:0016", "0100007F:075B", f"{zeros}:0016", f"{zeros[8:]}01000000:1F90"]
    kept.append(f"{zeros[16:]}FFFF00000100007F:2711")
    found = [*kept, "012AA8C0:0035", f"{linked}:0035"]
    lines = [f"0: {local} 00000000:0000 0A 0" for local in found]
    table = "\n".join([*lines, "9: 012AA8C0:0016 022AA8C0:C001 01 0"])
    script = f"cat() {{ echo '{table}'; }}\n" + load("record")
    printed = run(script, "nonce", tmp_path, tmp_path, "").stdout
    expected = " ".join([*kept, "other:0035", "other:0035"])
    assert f"nonce listening={expected} \n" in printed
    assert printed.endswith("nonce end=yes\n")

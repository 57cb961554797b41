"""The camera's answer is read strictly, and its script runs in every shell it may meet."""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shells import Run

from recam_deploy.camera.facts import CameraFacts, parse_facts, parse_ion
from recam_deploy.errors import CameraError, RecamError
from recam_deploy.ssh.command import load

SHA256 = "a" * 64
# As the script prints it on a camera; N stands for the word that is fresh for each call.
CAPTURED = f"""N machine=riscv64
N device=Cvitek. CV181X
N firmware=reCamera V0.2.4
N clock=1750000000
N uid=1000
N has_timeout=yes
N has_sha256sum=yes
N has_python3=yes
N has_sudo=yes
N missing=
N ram_kib=90000
N ion_total=
N ion_reserved=0000000003c00000
N models_exists=yes
N models_is_link=no
N models_writable=yes
N models_size_kib=6291456
N models_free_kib=5242880
N models_mount=/userdata
N models_read_only=no
N models_leftover_bytes=12
N work_exists=no
N work_is_link=no
N work_writable=yes
N work_size_kib=6291456
N work_free_kib=5242880
N work_mount=/userdata
N work_read_only=no
N work_leftover_bytes=0
N history_exists=no
N history_is_link=no
N history_writable=yes
N history_size_kib=6291456
N history_free_kib=5242880
N history_mount=/userdata
N history_read_only=no
N history_leftover_bytes=0
N active_sha256={SHA256}
N active_bytes=4000
N active_is_folder=no
N info_sha256=absent
N runner_sha256=absent
N runner_runs=no
N has_library=yes
N kept= 00000002-bbbbbbbbbbbb:{"b" * 64} 00000001-aaaaaaaaaaaa:{SHA256} 3-x:y
N record={{"id": "aaaaaaaaaaaa"}}
N pending={{"id": "bbbbbbbbbbbb"}}
N lock=anna@desk deploying shapes
N info=present
{{"classes": ["a"]}}

N end=yes
"""


def test_a_captured_answer_is_read() -> None:
    facts = parse_facts(CAPTURED, "N")
    assert (facts.machine, facts.uid, facts.has_timeout) == ("riscv64", 1000, True)
    assert (facts.models.free, facts.models.size) == (5242880 * 1024, 6291456 * 1024)
    assert (facts.clock, facts.runner_runs, facts.has_runtime) == (1750000000, False, True)
    assert (facts.models.leftover_bytes, facts.work.exists) == (12, False)
    assert (facts.active_sha256, facts.runner_sha256) == (SHA256, None)
    assert facts.info == '{"classes": ["a"]}\n'
    assert (facts.device, facts.firmware) == ("Cvitek. CV181X", "reCamera V0.2.4")
    assert facts.ion_bytes == 60 << 20
    assert [kept.name for kept in facts.kept] == [
        "00000001-aaaaaaaaaaaa",
        "00000002-bbbbbbbbbbbb",
    ]
    broken = CAPTURED.replace(f"bbbbbbbbbbbb:{'b' * 64}", "bbbbbbbbbbbb:")
    assert [kept.sha256 for kept in parse_facts(broken, "N").kept] == [SHA256, ""]
    assert facts.pending == '{"id": "bbbbbbbbbbbb"}'
    assert (facts.record, facts.lock) == ('{"id": "aaaaaaaaaaaa"}', "anna@desk deploying shapes")


def test_the_tpu_drivers_own_figure_goes_before_the_device_trees() -> None:
    assert parse_facts(CAPTURED.replace("ion_total=", "ion_total=78643200"), "N").ion_bytes == (
        78643200
    )
    for unknown in ("", "xyz", "00"):
        text = CAPTURED.replace("ion_reserved=0000000003c00000", f"ion_reserved={unknown}")
        assert parse_facts(text, "N").ion_bytes is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("62914560\n", 62914560),
        ("[0] carveout heap size:78643200 bytes, used:41254912 bytes usage rate:53%,", 78643200),
        ("", None),
        ("-1", None),
    ],
)
def test_what_the_tpus_driver_says_to_root(text: str, size: int | None) -> None:
    assert parse_ion(text) == size


def test_a_clock_and_a_size_that_are_not_told_keep_from_nothing() -> None:
    silent = CAPTURED.replace("clock=1750000000", "clock=").replace("size_kib=6291456", "size_kib=")
    facts = parse_facts(silent, "N")
    assert (facts.clock, facts.models.size) == (None, None)


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    hostile = CAPTURED.replace("anna@desk", "\x1b]0;x\x07anna\u202e")
    assert parse_facts(hostile, "N").lock == "]0;x anna deploying shapes"


def test_what_else_is_printed_is_passed_over() -> None:
    noisy = "motd of the day\nuid=0\n" + CAPTURED.replace("N uid", "warning: x\nN uid")
    assert parse_facts(noisy + "bye\n", "N") == parse_facts(CAPTURED, "N")


def test_a_camera_with_nothing_on_it_is_read() -> None:
    head, _, _ = CAPTURED.partition("N info=")
    facts = parse_facts(head.replace(SHA256, "absent") + "N info=absent\n\nN end=yes\n", "N")
    assert (facts.active_sha256, facts.info) == (None, None)


def test_a_file_we_may_not_read_is_neither_absent_nor_equal() -> None:
    assert parse_facts(CAPTURED.replace(SHA256, "unreadable"), "N").active_sha256 == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("N uid=1000\n", ""),
        ("N uid=1000\n", "N uid=1000\nN uid=0\n"),
        ("uid=1000", "uid=-1"),
        ("uid=1000", "uid=" + "9" * 40),
        ("has_timeout=yes", "has_timeout=maybe"),
        (SHA256, SHA256[:-1]),
        (SHA256, SHA256.upper()),
        ("models_free_kib=5242880", "models_free_kib="),
        ("N end=yes", ""),
        ("N info=present", "N info=what"),
    ],
)
def test_an_answer_with_anything_wrong_is_refused(old: str, new: str) -> None:
    assert old in CAPTURED
    with pytest.raises(CameraError, match="could not be read"):
        parse_facts(CAPTURED.replace(old, new), "N")


@pytest.mark.parametrize("length", range(0, len(CAPTURED) - 2, 7))
def test_an_answer_cut_short_is_refused(length: int) -> None:
    with pytest.raises(CameraError):
        parse_facts(CAPTURED[:length], "N")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for said in (text, CAPTURED.replace("riscv64", text), CAPTURED.replace("1000", text)):
        with contextlib.suppress(RecamError):
            parse_facts(said, "N")


def gathered(
    run: Run,
    models: Path,
    work: Path,
    runner: Path,
    libraries: str = "/none",
    system: str | Path = "",
) -> CameraFacts:
    words = (models, work, work / "history", runner, libraries, "libcviruntime.so", "65536", system)
    done = run(load("facts"), "N", *words)
    assert done.stderr == ""
    return parse_facts(done.stdout, "N")


def test_the_script_tells_the_truth_in_this_shell(run: Run, tmp_path: Path) -> None:
    models, work, system = tmp_path / "Mo dels", tmp_path / "work", tmp_path / "system"
    kept = work / "history/00000001-aaaaaaaaaaaa"
    for path in (models, kept, system / "etc", system / "proc/device-tree/reserved-memory/ion"):
        path.mkdir(parents=True)
    (models / "model.cvimodel").write_bytes(b"model")
    (models / "model.json").write_bytes(b'{"name": "x"}\n\n')
    (models / ".recam-0123456789ab.cvimodel").write_bytes(bytes(77))
    (kept / "model.cvimodel").write_bytes(b"old")
    (kept / "sha256").write_text(SHA256 + "\n")
    (kept.parent / "00000002-bbbbbbbbbbbb").mkdir()
    (kept.parent / "00000003-cccccccccccc").symlink_to(kept)
    (kept.parent / "2024-holidays").mkdir()
    (work / "history/active.json").write_text('{"id": "x"}\n')
    (work / "lock.claim.otherboot.5.1").write_text("nobody\n")
    (system / "etc/issue").write_text("reCamera V9\nmore\n")
    (system / "proc/device-tree/model").write_bytes(b"Cvitek\0")
    (system / "proc/device-tree/reserved-memory/ion/size").write_bytes(
        (60 << 20).to_bytes(8, "big")
    )
    facts = gathered(run, models, work, tmp_path / "none", "/none", system)
    assert facts.models.exists
    assert facts.models.writable
    assert not facts.models.is_link
    assert facts.models.leftover_bytes == 77
    assert facts.models.free > 0
    assert (facts.active_sha256, facts.active_bytes) == (hashlib.sha256(b"model").hexdigest(), 5)
    assert facts.runner_sha256 is None
    assert facts.info == '{"name": "x"}\n\n'
    assert facts.info_sha256 == hashlib.sha256(b'{"name": "x"}\n\n').hexdigest()
    assert (facts.device, facts.firmware, facts.ion_bytes) == (
        "Cvitek",
        "reCamera V9 more",
        60 << 20,
    )
    assert [entry.sha256 for entry in facts.kept] == [SHA256, "", ""]
    assert (facts.record, facts.lock, facts.missing) == ('{"id": "x"}', "", ())
    assert facts.ram_bytes > 0
    assert (facts.runner_runs, facts.has_runtime) == (False, False)
    assert abs((facts.clock or 0) - time.time()) < 60
    assert (facts.models.size or 0) > facts.models.free


def test_what_runs_models_is_looked_for(run: Run, tmp_path: Path) -> None:
    runner, libraries = tmp_path / "runner", tmp_path / "li b"
    libraries.mkdir()
    (libraries / "libcviruntime.so").touch()
    runner.touch(mode=0o644)
    facts = gathered(run, tmp_path, tmp_path, runner, f"/none:{libraries}:/usr")
    assert (facts.runner_runs, facts.has_runtime) == (False, True)
    assert facts.runner_sha256 == hashlib.sha256(b"").hexdigest()
    runner.chmod(0o755)
    assert gathered(run, tmp_path, tmp_path, runner, "/none").runner_runs
    assert not gathered(run, tmp_path, tmp_path, libraries, "/none").runner_runs


def test_a_folder_behind_a_link_is_told_as_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    facts = gathered(run, tmp_path / "link/none/deep", tmp_path / "none", tmp_path / "none")
    assert (facts.models.is_link, facts.models.exists) == (True, False)
    assert (facts.work.is_link, facts.history.is_link) == (False, False)

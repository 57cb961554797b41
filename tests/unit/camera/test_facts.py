"""The camera's answer is read strictly, and its script runs in every shell it may meet."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.camera.facts import FACTS, parse_facts
from recam_deploy.errors import CameraError, RecamError

SHA256 = "a" * 64
# As the script prints it on a camera; N stands for the word that is fresh for each call.
CAPTURED = f"""N machine=riscv64
N uid=1000
N has_timeout=yes
N has_sha256sum=yes
N has_python3=yes
N models_exists=yes
N models_is_link=no
N models_writable=yes
N models_owner=1000
N models_free_kib=5242880
N models_mount=/userdata
N models_read_only=no
N models_leftover_bytes=12
N work_exists=no
N work_is_link=no
N work_writable=yes
N work_owner=1000
N work_free_kib=5242880
N work_mount=/userdata
N work_read_only=no
N work_leftover_bytes=0
N active_sha256={SHA256}
N active_is_folder=no
N runner_sha256=absent
N info=present
{{"classes": ["a"]}}

N end=yes
"""


def test_a_captured_answer_is_read() -> None:
    facts = parse_facts(CAPTURED, "N")
    assert (facts.machine, facts.uid, facts.has_timeout) == ("riscv64", 1000, True)
    assert facts.models.free == 5242880 * 1024
    assert (facts.models.leftover_bytes, facts.work.exists) == (12, False)
    assert (facts.active_sha256, facts.runner_sha256) == (SHA256, None)
    assert facts.info == '{"classes": ["a"]}\n'


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


SHELLS = [["sh"], ["dash"], ["bash"], ["busybox", "ash"]]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: " ".join(words))
def test_the_script_tells_the_truth_in_this_shell(shell: list[str], tmp_path: Path) -> None:
    program = shutil.which(shell[0])
    if not program:
        pytest.skip(f"{shell[0]} is not installed")
    models = tmp_path / "Mo dels"
    models.mkdir()
    (models / "model.cvimodel").write_bytes(b"model")
    (models / "model.json").write_bytes(b'{"name": "\xff"}\n\n')
    (models / ".recam-0123456789ab.cvimodel.part").write_bytes(bytes(77))
    (tmp_path / "link").symlink_to(models)
    words = ["N", str(models), str(tmp_path / "link/none/deep"), str(tmp_path / "none"), "65536"]
    done = subprocess.run(
        [program, *shell[1:], "-c", FACTS, "sh", *words], capture_output=True, check=False
    )
    assert done.stderr == b""
    facts = parse_facts(done.stdout.decode(errors="backslashreplace"), "N")
    assert facts.models.exists
    assert facts.models.writable
    assert facts.models.leftover_bytes == 77
    assert facts.models.free > 0
    assert not facts.work.exists
    assert facts.active_sha256 == hashlib.sha256(b"model").hexdigest()
    assert facts.runner_sha256 is None
    assert facts.info == '{"name": "\\xff"}\n\n'

"""What goes wrong at the door: rows 6 to 9."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fault_camera import GOOD_RUNNER, SECRET, FaultCamera, StartVirtual
from planted import WRONG
from sshd_parts import make_key

from recam_deploy.ssh import sudo


def with_key(camera: FaultCamera, tmp_path: Path) -> dict[str, str]:
    """The variables for logging in with a key that the camera knows."""
    key = make_key(tmp_path / "key")
    known = camera.runner.parent / ".ssh/authorized_keys"
    known.write_text(Path(f"{key}.pub").read_text())
    return {"RECAM_KEY": str(key)}


def test_row_06_a_changed_host_key_is_refused_before_the_password(
    virtual: FaultCamera, tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other")
    kind, blob = Path(f"{other}.pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{virtual.proxy.port} {kind} {blob}\n")
    tried = virtual.passwords_tried()
    words = ("--accept-host-key",)
    said = virtual.deploy(virtual.artifact("new"), *words, RECAM_KNOWN_HOSTS=str(known)).failed(
        "host_key"
    )
    assert "SHA256:" in said
    assert virtual.passwords_tried() == tried
    virtual.holds_one_of(b"the old model")


def test_row_07_a_wrong_password_is_tried_once(virtual: FaultCamera) -> None:
    tried = virtual.passwords_tried()
    new = virtual.artifact("new")
    ended = virtual.deploy(new, RECAM_PASSWORD=WRONG)
    said = ended.failed("authentication")
    assert "refused the password" in said
    assert "comes from RECAM_PASSWORD" in said
    assert "ssh-copy-id" in said
    assert "wrong-one" not in ended.out + ended.err + virtual.log.read_text()
    assert virtual.passwords_tried() == tried + 1
    virtual.holds_one_of(b"the old model")


def test_row_08_a_server_that_takes_keys_only_is_told_as_that(
    start_virtual: StartVirtual,
) -> None:
    camera = start_virtual("--auth", "publickey")
    camera.reset()
    said = camera.deploy(camera.artifact("new")).failed("authentication")
    assert "accepts only publickey" in said
    assert "authorized_keys" in said
    assert camera.passwords_tried() == 0


def test_row_09_a_wrong_sudo_password_is_tried_once_and_told_apart(
    virtual: FaultCamera, tmp_path: Path
) -> None:
    virtual.put_runner(GOOD_RUNNER)
    asked = tmp_path / "asked"
    new = virtual.artifact("new")
    variables = with_key(virtual, tmp_path) | {"RECAM_PASSWORD": WRONG}
    own = virtual.shims.folder / "sudo"
    virtual.shims.replace(
        "sudo", f'printf "%s\\n" "$*" >>{asked}; exec {own.with_name(".own-sudo")} "$@"'
    )
    ended = virtual.deploy(new, **variables)
    said = ended.failed("sudo")
    assert "sudo on the camera refused the password" in said
    assert "one attempt" in said
    assert "comes from RECAM_PASSWORD" in said
    assert "wrong-one" not in ended.out + ended.err
    calls = [line for line in asked.read_text().splitlines() if line.startswith("-S")]
    assert len(calls) == 1
    virtual.holds_one_of(b"the old model")
    assert virtual.parts() == []


def test_row_09_a_sudo_that_hangs_is_waited_for_in_bounds(
    virtual: FaultCamera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudo, "SUDO_SECONDS", 1.0)
    virtual.put_runner(GOOD_RUNNER)
    virtual.shims.replace("sudo", 'case "$1" in -n) exit 1 ;; esac; exec sleep 4721.5')
    started = time.monotonic()
    said = virtual.deploy(virtual.artifact("new")).failed("sudo")
    assert "sudo on the camera did not start the command" in said
    assert time.monotonic() - started < 15
    virtual.holds_one_of(b"the old model")


def test_row_09_without_a_password_for_sudo_the_model_is_deployed_untried(
    virtual: FaultCamera, tmp_path: Path
) -> None:
    virtual.put_runner(GOOD_RUNNER)
    variables = with_key(virtual, tmp_path) | {"RECAM_PASSWORD": ""}
    ended = virtual.deploy(virtual.artifact("new"), **variables)
    assert ended.fine()["tried"] is False
    assert "was not tested" in ended.err
    assert SECRET not in ended.err
    virtual.holds_one_of(virtual.artifact("new"))

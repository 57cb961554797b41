"""`recam doctor` finds what is wrong with a camera, names the remedy, and changes nothing.

Over real sockets: one virtual camera is broken in one way after another, and mended again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import broken
import pytest
from broken import Breakage, Patient
from planted import WRONG, camera_folder
from recam_runs import Run
from typer.testing import CliRunner

from recam_deploy.cli.main import app
from recam_deploy.errors import CameraError
from recam_deploy.resources import resource
from recam_deploy.settings import load_settings
from recam_deploy.toolchain import find

pytestmark = pytest.mark.toolchain

Checks = dict[str, dict[str, str]]
Examine = Callable[..., tuple[int, Checks]]


@pytest.fixture(scope="module")
def patient(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    folder = camera_folder(tmp_path_factory.mktemp("patient"))
    started = run("virtual", "up", "--dir", folder, "--detach", "--json", cwd=folder)
    assert started.code == 0, started.err + started.out
    yield Patient(folder, started.document)
    run("virtual", "down", "--dir", folder, cwd=folder)


@pytest.fixture(scope="module")
def examine(patient: Patient, environment: dict[str, str]) -> Examine:
    """`recam doctor --json` in this process: its exit code, and its checks by id."""
    hidden: dict[str, str | None] = {name: None for name in os.environ if name.startswith("RECAM_")}
    hidden["SSH_AUTH_SOCK"] = None

    def call(*words: str, **variables: str) -> tuple[int, Checks]:
        given = {**hidden, **environment, "RECAM_SETTINGS": patient.told["settings"], **variables}
        done = CliRunner(env=given).invoke(app, ["doctor", "--json", *words])
        return done.exit_code, {c["id"]: c for c in json.loads(done.stdout)["checks"]}

    return call


def few_names(info: dict[str, Any]) -> None:
    info["classes"] = info["classes"][:-1]


def other_model(info: dict[str, Any]) -> None:
    info["checksum"] = "0" * 32


FULL = """echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "/dev/mmcblk0p6 6000000 5990000 10000 99% /userdata" """
NO_SUDO = "echo 'recamera is not in the sudoers file.' >&2; exit 1"

# What is broken, which check finds it, and words of the fact and of the remedy.
BROKEN: dict[str, tuple[Breakage, str, str, str]] = {
    "a model for another chip": (
        broken.wrong_chip,
        "model.chip",
        "'cv186x'",
        "recam deploy",
    ),
    "a damaged model": (broken.damaged_model, "model.header", "damaged", "recam deploy"),
    "no model": (broken.no_model, "model.file", "no active model", "recam convert"),
    "fewer names than classes": (
        broken.changed_info(few_names),
        "model.labels",
        "4 names, and the model 5",
        "--labels",
    ),
    "names that differ from the flow's": (
        broken.changed_flow(broken.name_a_zebra),
        "model.labels",
        "zebra",
        "recam flow push",
    ),
    "a model.json of another model": (
        broken.changed_info(other_model),
        "model.info",
        "another model",
        "recam deploy",
    ),
    "no model.json": (broken.no_info, "model.info", "no model.json", "recam deploy"),
    "stopped flows": (broken.stopped_flows, "node_red.state", "stopped", "Start them"),
    "nodes of an unknown type": (
        broken.changed_flow(broken.add_unknown_type),
        "node_red.types",
        "no-such-type",
        "Manage palette",
    ),
    "a flow that runs another model": (
        broken.changed_flow(broken.run_a_preset),
        "node_red.model",
        "other.cvimodel",
        "recam flow push",
    ),
    "Node-RED down": (
        broken.closed("RECAM_NODE_RED_PORT"),
        "network.node_red",
        "refused",
        "two minutes",
    ),
    "the web API down": (broken.closed("RECAM_HTTP_PORT"), "network.http", "refused", "Restart"),
    "the broker and the preview down": (
        broken.closed("RECAM_MQTT_PORT", "RECAM_PREVIEW_PORT"),
        "network.mqtt",
        "refused",
        "preview",
    ),
    "SSH behind a firewall": (
        broken.closed("RECAM_PORT"),
        "network.ssh",
        "the camera says that it is switched on",
        "camera.port",
    ),
    "a wrong password": (
        broken.setting(RECAM_PASSWORD=WRONG),
        "ssh.login",
        "one attempt",
        "RECAM_PASSWORD",
    ),
    "no password": (
        broken.setting(RECAM_PASSWORD=""),
        "ssh.login",
        "no password was given",
        "RECAM_PASSWORD",
    ),
    "an unknown user": (
        broken.setting(RECAM_USER="porch"),
        "ssh.login",
        "porch",
        "The camera's factory user is recamera",
    ),
    "a changed host key": (
        broken.known_hosts(broken.another_key),
        "ssh.host_key",
        "has changed",
        "recam forget-host",
    ),
    "an unknown host key": (
        broken.known_hosts(lambda _: ""),
        "ssh.host_key",
        "is not known",
        "--accept-host-key",
    ),
    "no right to use sudo": (
        broken.program("sudo", NO_SUDO),
        "ssh.sudo",
        "sudoers",
        "`sudo true` must work for",
    ),
    "a full disk": (broken.program("df", FULL), "camera.space", "10.2 MB free", "Remove"),
    "a clock at 1970": (
        broken.program("date", "echo 3600"),
        "camera.clock",
        "1970-01-01",
        "date -s",
    ),
    "no test binary": (broken.no_runner, "camera.runner", "is missing", "recam runner fetch"),
    "a wrong library path": (
        broken.setting(RECAM_LIBRARY_PATH="/nowhere:/elsewhere"),
        "camera.libraries",
        "libcviruntime.so",
        "camera.library_path",
    ),
    "a name that none has": (
        broken.setting(RECAM_HOST="no-such-name.invalid"),
        "network.name",
        "cannot be resolved",
        "recam discover",
    ),
}
# These keep nothing from working today.
WARNINGS = {
    "names that differ from the flow's",
    "a model.json of another model",
    "no model.json",
    "a flow that runs another model",
    "the web API down",
    "the broker and the preview down",
    "a clock at 1970",
    "no test binary",
}


def test_a_camera_as_it_comes_has_nothing_wrong_and_is_left_as_it_was(
    examine: Examine, patient: Patient
) -> None:
    before = broken.tree(patient.folder / "root")
    flows = patient.node_red("GET", "/flows")
    code, checks = examine()
    assert {name: c for name, c in checks.items() if c["status"] != "ok"} == {}
    assert code == 0
    assert {c["area"] for c in checks.values()} == {
        *("machine", "network", "ssh", "camera", "model", "node_red")
    }
    assert broken.tree(patient.folder / "root") == before
    assert patient.node_red("GET", "/flows") == flows


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_found_and_the_remedy_named(name: str, examine: Examine, patient: Patient) -> None:
    breakage, check, fact, remedy = BROKEN[name]
    with breakage(patient) as variables:
        code, checks = examine(**variables)
    found = checks[check]
    assert found["status"] == ("warn" if name in WARNINGS else "fail"), checks
    assert fact in found["fact"]
    assert remedy in found["remedy"]
    assert (code == 1) is any(c["status"] == "fail" for c in checks.values())
    assert all(c["remedy"] for c in checks.values() if c["status"] != "ok")
    others = [c for c in checks.values() if c["status"] == "fail" and c["area"] == "machine"]
    assert others == []


def test_a_record_says_what_the_camera_is_and_nothing_secret(
    examine: Examine, patient: Patient, tmp_path: Path
) -> None:
    code, _ = examine("--record", str(tmp_path / "camera.json"))
    assert code == 0
    text = (tmp_path / "camera.json").read_text()
    record = json.loads(text)
    assert record["system"]["coreutils"].startswith("ls (GNU coreutils)")
    assert record["system"]["models_files"].count("model.") == 2
    assert set(record["root"]) == {"ion_total", "ion_summary", "tpu_clock", "cpu_clock"}
    assert record["ssh_server"].startswith("SSH-2.0-")
    assert record["node_red"]["modules"]["node-red"] == record["node_red"]["version"]
    assert "model" in record["node_red"]["types"]
    assert record["ports"] == dict.fromkeys(("ssh", "http", "node_red", "mqtt"), "open")
    assert patient.told["host"] not in text.replace("127.0.0.1:", "")


def test_what_cannot_be_recorded_is_one_more_finding(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, sudo: bool) -> dict[str, str]:
        raise CameraError("cut off", "Run it again.")

    monkeypatch.setattr("recam_deploy.doctor.record._facts_of", cut_off)
    code, checks = examine("--record", str(tmp_path / "camera.json"))
    assert code == 1
    assert [name for name in checks if checks[name]["status"] == "fail"] == ["camera.record"]
    assert json.loads((tmp_path / "camera.json").read_text())["system"] is None


def test_a_record_needs_a_camera_and_a_folder(run: Run, tmp_path: Path) -> None:
    alone = run("doctor", "--record", "a.json", "--json", cwd=tmp_path, RECAM_SETTINGS="")
    assert (alone.code, alone.document["error"]["kind"]) == (1, "settings")
    nowhere = run("doctor", "--record", "no/a.json", "--host", "x", "--json", cwd=tmp_path)
    assert (nowhere.code, nowhere.document["error"]["kind"]) == (1, "input")
    folder = run("doctor", "--record", ".", "--host", "x", "--json", cwd=tmp_path)
    assert (folder.code, folder.document["error"]["kind"]) == (1, "input")
    assert not list(tmp_path.iterdir())


def test_a_wrong_password_is_tried_once(examine: Examine, patient: Patient) -> None:
    log = Path(patient.told["log"])
    before = log.read_text().count("password for recamera")
    examine(RECAM_PASSWORD=WRONG)
    assert log.read_text().count("password for recamera") == before + 1


def test_a_host_key_is_remembered_only_when_it_is_accepted(
    examine: Examine, patient: Patient, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    assert examine(RECAM_KNOWN_HOSTS=str(known))[0] == 1
    assert not known.exists()
    code, checks = examine("--accept-host-key", RECAM_KNOWN_HOSTS=str(known))
    assert (code, checks["ssh.host_key"]["status"]) == (0, "ok")
    assert {"publickey", "password"} <= set(re.findall(r"\w+", checks["ssh.methods"]["fact"]))
    assert known.stat().st_mode & 0o077 == 0


def test_the_model_is_looked_at_over_the_web_where_ssh_is_off(
    examine: Examine, patient: Patient
) -> None:
    with broken.wrong_chip(patient):
        _, checks = examine(RECAM_PORT=broken.closed_port())
    assert checks["model.chip"]["status"] == "fail"
    assert checks["ssh.login"]["status"] == checks["camera.facts"]["status"] == "warn"


def test_without_a_camera_this_machine_alone_is_looked_at(run: Run, tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "machine.toolchain" in done.out
    assert "network." not in done.out
    assert "--host" in done.out.splitlines()[-1]


@pytest.fixture
def keys_only(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A camera that lets nobody in by a password."""
    compiler = find(load_settings().cache_dir)
    assert compiler is not None
    libraries = os.pathsep.join(str(path) for path in compiler.simulator_libraries)
    words = ["-m", "virtual", "serve", "--auth", "publickey", "--tpu-libraries", libraries]
    with subprocess.Popen(
        [sys.executable, *words, "--dir", str(tmp_path / "camera")], cwd=resource("device")
    ) as process:
        state = tmp_path / "camera" / "state.json"
        until = time.monotonic() + 60
        while not state.exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        try:
            yield json.loads(state.read_text())
        finally:
            process.terminate()


def test_a_camera_that_takes_keys_only_says_so(examine: Examine, keys_only: dict[str, Any]) -> None:
    _, checks = examine(RECAM_SETTINGS=keys_only["settings"])
    assert checks["ssh.login"]["status"] == "fail"
    assert "accepts only publickey" in checks["ssh.login"]["fact"]
    assert "authorized_keys" in checks["ssh.login"]["remedy"]

"""What a deployment refuses, the doctor reports as a failed check, in the same words."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from camera_facts import FACTS, FOLDER
from cvimodels import cvimodel_bytes, yolo11_tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.camera.deployment_plan import plan_deployment
from recam_deploy.camera.facts import CameraFacts, parse_facts
from recam_deploy.camera.paths import CameraPaths
from recam_deploy.camera.web_api import DeviceInfo
from recam_deploy.doctor import camera
from recam_deploy.errors import CameraError, SudoError
from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.command import load

SETTINGS = CameraSettings(host="cam")
WEB = camera.WebFacts(DeviceInfo("a", "reCamera", "0.2.4"), {"sscmaNode": 0, "nodeRed": 0})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model of hardly any size: the doctor does not know which one is to come."""
    path = tmp_path_factory.mktemp("artifact") / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(*yolo11_tensors()))
    return dataclasses.replace(load_artifact(path, ("a", "b", "c")), size=100)


def refusal(
    small: Artifact, facts: CameraFacts, camera_settings: CameraSettings
) -> CameraError | None:
    """Why a deployment stops before anything is written; None when it does not."""
    paths = CameraPaths.from_settings(camera_settings)
    try:
        plan = plan_deployment(small, facts, paths, history=camera_settings.history)
    except CameraError as error:
        return error
    assert plan.steps
    return None


def failures(facts: CameraFacts, camera_settings: CameraSettings) -> dict[str, str]:
    """What the doctor says has failed, by check."""
    checks = camera.judge(WEB, facts, facts.ion_bytes, camera_settings, facts.clock or 0)
    return {check.id: check.fact for check in checks if check.status == "fail"}


def folder(**changed: Any) -> Any:
    return dataclasses.replace(FOLDER, **changed)


NOT_OURS = folder(writable=False)
FULL = folder(free=40_000_000)
# Made-up cameras: what is wrong with each, the check that fails and words of it; "" for none.
CAMERAS: dict[str, tuple[dict[str, Any], str, str]] = {
    "in good order": ({}, "", ""),
    "the models folder is missing": ({"models": folder(exists=False)}, "", ""),
    "the models folder is a link": ({"models": folder(is_link=True)}, "folders", "symbolic link"),
    "the work folder is a link": ({"work": folder(is_link=True)}, "folders", "symbolic link"),
    "the history is a link": ({"history": folder(is_link=True)}, "folders", "/history on"),
    "models are read-only": ({"models": folder(read_only=True)}, "folders", "read-only"),
    "the work is read-only": ({"work": folder(read_only=True)}, "folders", "read-only"),
    "a folder for a model": ({"active_is_folder": True}, "folders", "is a folder"),
    "not ours, with sudo": ({"models": NOT_OURS}, "", ""),
    "not ours, as root": ({"models": NOT_OURS, "has_sudo": False, "uid": 0}, "", ""),
    "ours, without sudo": ({"has_sudo": False}, "", ""),
    "models not ours, no sudo": ({"models": NOT_OURS, "has_sudo": False}, "folders", "no sudo"),
    "history not ours, no sudo": ({"history": NOT_OURS, "has_sudo": False}, "folders", "no sudo"),
    "no sha256sum": ({"has_sha256sum": False}, "", ""),
    "no means to check": ({"has_sha256sum": False, "has_python3": False}, "tools", "neither"),
    "tools are missing": ({"missing": ("dd", "mv")}, "tools", "dd, mv"),
    "a full disk": ({"models": FULL, "history": FULL}, "space", "40.0 MB free"),
    "a full disk of models": ({"models": folder(free=1, mount="/m")}, "space", "free on /m"),
    "a full disk of the history": ({"history": folder(free=1, mount="/h")}, "space", "on /h"),
    "full of what is cleaned": ({"models": folder(free=1, leftover_bytes=10**9)}, "", ""),
    "no place for the old model": ({"active_bytes": 10**9}, "space", "1050.0 MB needed"),
    "someone is at work": ({"lock": "anna@desk"}, "", ""),
    "nothing readable is active": ({"active_sha256": ""}, "", ""),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_a_made_up_camera_is_refused_and_failed_alike(name: str, small: Artifact) -> None:
    changed, check, words = CAMERAS[name]
    facts = dataclasses.replace(FACTS, **changed)
    error, failed = refusal(small, facts, SETTINGS), failures(facts, SETTINGS)
    if not check:
        assert (error, failed) == (None, {})
        return
    assert error is not None
    assert failed == {f"camera.{check}": error.message}
    assert words in error.message
    assert error.hint
    assert isinstance(error, SudoError) is ("sudo" in words)


FOLDERS = st.builds(
    dataclasses.replace,
    st.just(FOLDER),
    is_link=st.booleans(),
    writable=st.booleans(),
    read_only=st.booleans(),
    free=st.sampled_from([0, 40_000_000, 60_000_000, 10**9]),
    mount=st.sampled_from(["/userdata", "/other"]),
    leftover_bytes=st.sampled_from([0, 20_000_000]),
)
ANY_FACTS = st.builds(
    dataclasses.replace,
    st.just(FACTS),
    uid=st.sampled_from([0, 1000]),
    has_sha256sum=st.booleans(),
    has_python3=st.booleans(),
    has_sudo=st.booleans(),
    missing=st.sampled_from([(), ("mv",)]),
    models=FOLDERS,
    work=FOLDERS,
    history=FOLDERS,
    active_sha256=st.sampled_from([None, "", "b" * 64]),
    active_bytes=st.sampled_from([0, 30_000_000]),
    active_is_folder=st.booleans(),
)


@given(facts=ANY_FACTS, history=st.sampled_from([0, 3]))
@settings(max_examples=300)
def test_whatever_the_facts_the_two_agree(
    small: Artifact, facts: CameraFacts, history: int
) -> None:
    wanted = SETTINGS.model_copy(update={"history": history})
    error, failed = refusal(small, facts, wanted), failures(facts, wanted)
    assert (error is None) is (failed == {})
    assert error is None or error.message in failed.values()


def program(folder: Path, name: str, text: str) -> None:
    """Put a program before those of the system."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin" / name).chmod(0o755)


def link_models(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "Models").symlink_to(folder / "elsewhere")


def link_history(folder: Path) -> None:
    (folder / "work").mkdir()
    (folder / "work/history").symlink_to(folder)


def folder_for_model(folder: Path) -> None:
    (folder / "Models/model.cvimodel").mkdir(parents=True)


def full(folder: Path) -> None:
    program(folder, "df", "echo head; echo /dev/x 6000000 5990000 10000 99% /userdata")


def read_only(folder: Path) -> None:
    mounts = Path("/proc/mounts").read_text().splitlines()
    found = [line.split()[1] for line in mounts if "ro" in line.split()[3].split(",")]
    if not found:
        pytest.skip("nothing is mounted read-only here")
    program(folder, "df", f"echo head; echo /dev/x 60000000 0 50000000 1% {found[-1]}")


def no_tools(folder: Path) -> None:
    """All that the script itself takes, and not `mv`."""
    (folder / "bin").mkdir()
    for name in ("sh", "cat", "cut", "date", "df", "head", "id", "od", "sed", "tr", "uname", "wc"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))


# Real folders with something wrong, and words of the refusal.
REAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda _: None, ""),
    "a link": (link_models, "symbolic link"),
    "a linked history": (link_history, "symbolic link"),
    "a folder in the way": (folder_for_model, "is a folder"),
    "a full disk": (full, "10.2 MB free on /userdata"),
    "read-only": (read_only, "read-only"),
    "few tools": (no_tools, "neither sha256sum nor python3"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_folders_are_refused_and_failed_alike(
    name: str, small: Artifact, tmp_path: Path
) -> None:
    prepare, words = REAL[name]
    prepare(tmp_path)
    (tmp_path / "libcviruntime.so").touch()
    wanted = CameraSettings(
        host="cam",
        models=PurePosixPath(tmp_path / "Models"),
        work=PurePosixPath(tmp_path / "work"),
        library_path=str(tmp_path),
    )
    paths = CameraPaths.from_settings(wanted)
    places = (paths.models, paths.work, paths.history, paths.runner, paths.library_path)
    search = str(tmp_path / "bin")
    if name != "few tools":
        search += os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        ["/bin/sh", "-c", load("facts"), "sh", "N", *places, "libcviruntime.so", "9", ""],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": search},
    )
    facts = parse_facts(done.stdout, "N")
    error, failed = refusal(small, facts, wanted), failures(facts, wanted)
    if not words:
        assert (error, failed) == (None, {})
        return
    assert error is not None
    assert words in error.message
    assert error.message in failed.values()

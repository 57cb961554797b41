"""Raw outputs of a camera behind a real OpenSSH server: its Python, its sudo, and what is left."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import made_up_tpu
import numpy as np
import pytest
from cvimodels import cvimodel_bytes, write_cvimodel, yolo11_tensors
from labelled_data import put_text
from onnx import save
from onnx_models import detector
from PIL import Image
from pydantic import SecretStr
from sshd_parts import SYSTEM_PATH, USERS_PASSWORD, known_hosts, make_key, start_plain
from typer.testing import CliRunner

from recam_deploy.artifact import Artifact
from recam_deploy.camera.facts import gather_facts
from recam_deploy.camera.lock import hold
from recam_deploy.camera.raw_outputs import open_tpu
from recam_deploy.cli.main import app
from recam_deploy.progress import SilentProgress
from recam_deploy.ssh.connection import connect

if TYPE_CHECKING:
    from tests.openssh.conftest import Server, StartCamera

QUIET = SilentProgress()


@pytest.fixture
def without_python(tmp_path: Path, home: Path) -> Iterator[dict[str, str]]:
    """A server whose PATH has every program but Python; the variables that lead to it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in SYSTEM_PATH.split(":"):
        for tool in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if "python" not in tool.name and not (tools / tool.name).is_symlink():
                (tools / tool.name).symlink_to(tool)
    server = tmp_path / "server"
    server.mkdir()
    key = make_key(tmp_path / "client_key")
    process, port = start_plain(server, key, str(tools))
    yield {
        "RECAM_HOST": "127.0.0.1",
        "RECAM_PORT": str(port),
        "RECAM_USER": getpass.getuser(),
        "RECAM_KEY": str(key),
        "RECAM_KNOWN_HOSTS": str(known_hosts(tmp_path, port, server / "host_key")),
        "RECAM_MODELS": str(server / "Models"),
        "RECAM_WORK": str(server / "work"),
        "RECAM_SYSTEM": str(server),
        "RECAM_CACHE_DIR": str(tmp_path / "cache"),
    }
    process.kill()
    process.wait()


@pytest.mark.parametrize("command", ["evaluate", "test"])
def test_a_camera_without_python3_is_refused_with_the_reason(
    without_python: dict[str, str], tmp_path: Path, command: str
) -> None:
    picture = tmp_path / "images" / "val" / "a.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (64, 64), "navy").save(picture)
    put_text(tmp_path / "labels" / "val" / "a.txt", "0 0.5 0.5 0.5 0.5\n")
    data = put_text(tmp_path / "data.yaml", "val: images/val\nnames: [class 0, class 1, class 2]\n")
    save(detector(), tmp_path / "m.onnx")
    model = write_cvimodel(tmp_path / "m.cvimodel")
    words = {
        "evaluate": ("--model", tmp_path / "m.onnx", "--data", data, "--on", "camera"),
        "test": ("--image", picture, "--exact"),
    }[command]
    done = CliRunner().invoke(app, [command, *map(str, (model, *words))], env=without_python)
    assert done.exit_code == 1, done.stderr
    (line, hint, *_) = [one for one in done.stderr.splitlines() if one.strip()]
    assert "the camera has no python3, which runs tpu_run.py" in line
    assert "Update the camera's firmware" in hint
    work = Path(without_python["RECAM_WORK"])
    assert not list(work.glob(".recam-*"))


def test_what_root_wrote_through_sudo_is_fetched_and_removed(
    start_camera: StartCamera, make_artifact: Callable[..., Artifact]
) -> None:
    """The TPU needs root, and the user may not remove files in a folder of root's."""
    camera: Server = start_camera(
        "UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
        f"SetEnv PATH=/userdata/bin:{SYSTEM_PATH}\n"
    )
    tools = camera.root / "userdata/bin"
    (camera.root / "userdata/state").mkdir()
    tools.mkdir()
    shutil.copy(made_up_tpu.__file__, tools)
    python = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
    put_text(
        tools / "python3",
        f"#!/bin/sh\nid -u >/userdata/state/uid\nexec {python} /userdata/bin/made_up_tpu.py "
        '/userdata/state "$@"\n',
    ).chmod(0o755)
    artifact = make_artifact(cvimodel_bytes(*yolo11_tensors()))
    pictures = [np.full((64, 64, 3), shade, np.uint8) for shade in (0, 51, 255)]
    with (
        connect(camera.settings, password=SecretStr(USERS_PASSWORD)) as connection,
        hold(connection, camera.paths.work, "testing", QUIET),
    ):
        facts = gather_facts(connection, camera.paths)
        with open_tpu(connection, artifact, facts, camera.paths, QUIET) as tpu:
            for _ in range(2):
                found = tpu.run(artifact.cvimodel, pictures, QUIET)
                assert [[one.shape for one in outputs] for outputs in found] == [
                    made_up_tpu.shapes()
                ] * 3
                values = [float(outputs[0].mean()) for outputs in found]
                assert values == pytest.approx([-0.5, -0.3, 0.5])
            (run,) = (camera.root / "userdata/recam").glob(".recam-run-*")
            assert (run / "out.bin").stat().st_uid == 0
    assert (camera.root / "userdata/state/uid").read_text().strip() == "0"
    assert not list((camera.root / "userdata/recam").glob(".recam-*"))
    assert list((camera.root / "userdata/Models").iterdir()) == []

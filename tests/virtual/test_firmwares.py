"""`recam deploy` knows which firmware decodes a model, and does not ask the camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from recam_runs import Ended, Run, StartCamera

from recam_deploy.cvimodel import Tensor

pytestmark = pytest.mark.toolchain

MODELS = {
    "known": (64, yolo11_tensors()[1]),
    "uncut": (64, [Tensor("output0", (1, 84, 84, 1), "float32", 1.0, "")]),
    "segmenter": (128, [Tensor("classes", (1, 19, 64, 128), "float32", 1.0, "")]),
}


@pytest.fixture
def deploy(
    run: Run, start_camera: StartCamera, tmp_path: Path
) -> Callable[[str], dict[str, Ended]]:
    """Plan a deployment of each model to a virtual camera with a firmware."""

    def call(firmware: str) -> dict[str, Ended]:
        with start_camera("--no-node-red", "--firmware", firmware) as camera:
            ended = {}
            for name, (width, outputs) in MODELS.items():
                image = Tensor("in", (1, 64, width, 3), "uint8", 1.0, "RGB_PACKED")
                (tmp_path / f"{name}.cvimodel").write_bytes(cvimodel_bytes([image], outputs))
                ended[name] = run(
                    *("deploy", f"{name}.cvimodel", "--dry-run", "--json"),
                    cwd=tmp_path,
                    RECAM_SETTINGS=camera["settings"],
                )
            return ended

    return call


def test_todays_firmware_is_not_given_what_the_next_one_alone_decodes(
    deploy: Callable[[str], dict[str, Ended]],
) -> None:
    ended = deploy("0.2.4")
    assert {name: done.code for name, done in ended.items()} == {
        "known": 0,
        "uncut": 0,
        "segmenter": 1,
    }
    tried = ("known", ended["known"]), ("uncut", ended["uncut"])
    actions = {name: [s["action"] for s in done.document["steps"]] for name, done in tried}
    assert "try-model" in actions["known"]
    assert "try-model" not in actions["uncut"]
    assert (
        "bisenet-v2 needs firmware newer than 0.2.4"
        in ended["segmenter"].document["error"]["message"]
    )


def test_the_next_firmware_is_not_given_what_it_would_misread(
    deploy: Callable[[str], dict[str, Ended]],
) -> None:
    ended = deploy("next")
    assert {name: done.code for name, done in ended.items()} == {
        "known": 0,
        "uncut": 1,
        "segmenter": 0,
    }
    assert "1×84×84×1" in ended["uncut"].document["error"]["message"]

"""A camera is refused by what it is: a Pro, or a firmware too old for the model's family."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from camera_facts import FACTS
from cvimodels import cvimodel_bytes, write_cvimodel

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.camera.deployment_plan import plan_deployment
from recam_deploy.camera.firmware import is_pro, numbers_of, version_in
from recam_deploy.camera.paths import CameraPaths
from recam_deploy.cvimodel import Tensor
from recam_deploy.errors import DeploymentError
from recam_deploy.settings import CameraSettings

PATHS = CameraPaths.from_settings(CameraSettings())


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("reCamera V0.2.4", "0.2.4"),
        ("Welcome to reCamera-OS, 0.1.5 \\n \\l", "0.1.5"),
        ("Debian GNU/Linux 12", ""),
        ("", ""),
    ],
)
def test_the_version_is_the_cameras_own(text: str, version: str) -> None:
    assert version_in(text) == version
    assert numbers_of(version) == tuple(map(int, filter(None, version.split("."))))


@pytest.mark.parametrize(
    ("name", "pro"),
    [
        ("Rockchip RV1126B EVB V10", True),
        ("reCamera-Pro", True),
        ("recamera pro 8G", True),
        ("Cvitek. CV181X ASIC. C906.", False),
        ("reCamera Gimbal WiFi 8G (GC2053)", False),
        ("reCamera Prototype", False),
        ("", False),
    ],
)
def test_a_pro_is_told_from_the_others(name: str, pro: bool) -> None:
    assert is_pro(name) == pro


def test_a_pro_is_refused_by_name(tmp_path: Path) -> None:
    artifact = load_artifact(write_cvimodel(tmp_path / "m.cvimodel"))
    facts = dataclasses.replace(FACTS, device="Rockchip RV1126B")
    with pytest.raises(DeploymentError, match="reCamera Pro.*rknn"):
        plan_deployment(artifact, facts, PATHS)


@pytest.mark.parametrize(
    ("family", "firmware", "refused"),
    [
        ("yolo26-detect", "reCamera V0.2.2", True),
        ("yolo26-detect", "reCamera V0.1.5", True),
        ("yolo26-detect", "reCamera V0.2.3", False),
        ("yolo26-detect", "reCamera V0.10.0", False),
        ("yolo26-detect", "something else", False),
        ("yolo11-detect", "reCamera V0.1.5", False),
    ],
)
def test_yolo26_needs_a_firmware_that_decodes_it(
    tmp_path: Path, family: str, firmware: str, refused: bool
) -> None:
    read = load_artifact(write_cvimodel(tmp_path / "m.cvimodel"))
    artifact = dataclasses.replace(read, family=family)
    facts = dataclasses.replace(FACTS, firmware=firmware)
    if not refused:
        assert plan_deployment(artifact, facts, PATHS).steps
        return
    with pytest.raises(DeploymentError, match=r"needs firmware 0\.2\.3 or newer"):
        plan_deployment(artifact, facts, PATHS)


def taking(folder: Path, size: tuple[int, int], *outputs: tuple[int, ...]) -> Artifact:
    """Make an artifact with an RGB input of this height and width, and float outputs."""
    image = Tensor("in", (1, *size, 3), "uint8", 1.0, "RGB_PACKED")
    tensors = [Tensor(f"out{i}", shape, "float32", 1.0, "") for i, shape in enumerate(outputs)]
    path = folder / "m.cvimodel"
    path.write_bytes(cvimodel_bytes([image], tensors))
    return load_artifact(path)


SEGMENTER = (512, 1024), (1, 19, 64, 128)
POSE_MAPS = [(1, width, grid, grid) for grid in (8, 4, 2) for width in (4, 1, 51)]
UNCUT = (64, 64), (1, 84, 84, 1)


def refusal(artifact: Artifact, version: str) -> str:
    """Return why a camera with this firmware is not given the model; "" where it is."""
    facts = dataclasses.replace(FACTS, firmware=f"reCamera V{version}" if version else "Debian 12")
    try:
        assert plan_deployment(artifact, facts, PATHS).steps
    except DeploymentError as error:
        return error.message
    return ""


@pytest.mark.parametrize(("version", "given"), [("0.2.4", False), ("0.2.5", True), ("", True)])
def test_what_the_next_firmware_alone_decodes_is_not_given_to_todays(
    tmp_path: Path, version: str, given: bool
) -> None:
    for family, artifact in (
        ("bisenet-v2", taking(tmp_path, *SEGMENTER)),
        ("yolo26-pose", taking(tmp_path, (64, 64), *POSE_MAPS)),
    ):
        reason = refusal(artifact, version)
        assert given == (reason == "")
        assert given or f"{family} needs firmware newer than 0.2.4" in reason


@pytest.mark.parametrize(("version", "given"), [("0.2.4", True), ("0.3.0", False), ("", True)])
def test_what_no_firmware_decodes_is_not_given_to_one_that_would_read_it_all_the_same(
    tmp_path: Path, version: str, given: bool
) -> None:
    reason = refusal(taking(tmp_path, *UNCUT), version)
    assert given == (reason == "")
    assert given or "1×84×84×1" in reason
    # Two outputs it takes for a segmentation, and shows nothing.
    assert not refusal(taking(tmp_path, (64, 64), (1, 9), (1, 9)), version)


@pytest.mark.parametrize("version", ["0.2.2", "0.2.4"])
def test_a_raw_network_is_given_to_a_firmware_that_does_not_decode_its_outputs(
    tmp_path: Path, version: str
) -> None:
    yolo26 = [(1, width, grid, grid) for grid in (8, 4, 2) for width in (4, 3)]
    for bare, least in (
        (taking(tmp_path, *SEGMENTER), "0.2.5"),
        (taking(tmp_path, (64, 64), *yolo26), "0.2.3"),
    ):
        assert bool(refusal(bare, version)) == (version < least)
        assert not refusal(dataclasses.replace(bare, family="raw"), version)
    uncut = dataclasses.replace(taking(tmp_path, *UNCUT), family="raw")
    assert "1×84×84×1" in refusal(uncut, "0.2.5")


def test_a_model_is_told_from_one_that_only_looks_like_it(tmp_path: Path) -> None:
    assert taking(tmp_path, *SEGMENTER).read().layout.newer_family == "bisenet-v2"
    assert taking(tmp_path, (64, 64), *POSE_MAPS).read().layout.newer_family == "yolo26-pose"
    nearly = [*POSE_MAPS[:-1], (1, 50, 2, 2)]
    assert taking(tmp_path, (64, 64), *nearly).read().layout.newer_family is None
    square = taking(tmp_path, (512, 512), (1, 19, 64, 64)).read().layout
    assert (square.family, square.newer_family) == ("fomo", None)

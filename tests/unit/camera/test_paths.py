"""Paths on the camera are what the settings say, or refused."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from recam_deploy.camera.paths import CameraPaths
from recam_deploy.errors import SettingsError
from recam_deploy.settings import CameraSettings

SHA256 = "0123456789abcdef" * 4


def test_the_defaults_are_the_cameras_own() -> None:
    paths = CameraPaths.from_settings(CameraSettings())
    assert str(paths.active_model) == "/userdata/Models/model.cvimodel"
    assert str(paths.active_info) == "/userdata/Models/model.json"
    assert str(paths.runner) == "/home/recamera/sscma-model"
    assert paths.library_path.startswith("/lib:")


def test_names_of_ours_carry_the_hash_and_lie_beside_their_target() -> None:
    paths = CameraPaths.from_settings(CameraSettings())
    staged = paths.staged_model(SHA256)
    assert staged.parent == paths.active_model.parent
    assert staged.name.startswith(".recam-0123456789ab")
    assert staged.suffix == ".cvimodel"
    assert paths.staged_info.parent == paths.active_info.parent
    assert paths.staged_runner(SHA256).parent == paths.runner.parent
    assert paths.run_model("0" * 16, SHA256).parent == paths.run_folder("0" * 16)


@pytest.mark.parametrize("setting", ["models", "work", "runner"])
@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a\nb", "/a\0b", "/a\x1bb", "/"])
def test_paths_that_could_mislead_are_refused(setting: str, path: str) -> None:
    settings = CameraSettings().model_copy(update={setting: PurePosixPath(path)})
    with pytest.raises(SettingsError, match=f"camera.{setting}"):
        CameraPaths.from_settings(settings)


def test_a_library_path_with_a_line_break_is_refused() -> None:
    with pytest.raises(SettingsError, match="library_path"):
        CameraPaths.from_settings(CameraSettings(library_path="/lib\n/evil"))


@pytest.mark.parametrize("token", ["", "../x", "0", "GG" * 8, "a b"])
def test_only_hex_makes_a_name(token: str) -> None:
    paths = CameraPaths.from_settings(CameraSettings())
    with pytest.raises(ValueError, match="not a"):
        paths.run_folder(token)
    with pytest.raises(ValueError, match="not a"):
        paths.staged_model(token)

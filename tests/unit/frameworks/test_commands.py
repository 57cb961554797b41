"""The commands keep their contract with models of other frameworks, and load none unasked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from foreign_files import (
    CHECKPOINT,
    STATE_DICT,
    write_caffe,
    write_saved,
    write_tflite,
    write_torchscript,
)
from PIL import Image
from typer.testing import CliRunner

from recam_deploy.cli.main import app
from recam_deploy.errors import SettingsError
from recam_deploy.settings import load_settings

runner = CliRunner()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RECAM_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / "a.png")
    write_saved(tmp_path / "m.pt", CHECKPOINT)
    write_torchscript(tmp_path / "t.pt")
    write_saved(tmp_path / "weights.pt", STATE_DICT)
    image = ("image", (1, 64, 64, 3), 0, False)
    write_tflite(tmp_path / "m.tflite", [image, ("scores", (1, 4), 9, True)], [0], [1])
    write_caffe(tmp_path)


@pytest.mark.parametrize("model", ["m.pt", "t.pt"])
@pytest.mark.parametrize("command", ["convert", "up"])
def test_torch_files_are_not_loaded_without_consent(
    tmp_path: Path, command: str, model: str
) -> None:
    words = [command, model, "--calibration", "pictures", "--json"]
    if command == "up":
        (tmp_path / "runner").write_bytes(b"\x7fELF")
        words += ["--image", "pictures/a.png", "--host", "127.0.0.1"]
    done = runner.invoke(app, words)
    assert done.exit_code == 1, done.output
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "consent"
    assert "can run any code" in error["message"]
    assert "--trust-model" in error["hint"]
    assert not (tmp_path / "home").exists()


def test_pictures_are_looked_for_before_anything_is_loaded() -> None:
    done = runner.invoke(app, ["convert", "m.pt", "--calibration", "none", "--json"])
    assert "does not exist" in json.loads(done.stdout)["error"]["message"]


def test_a_dry_run_prints_the_export_and_runs_nothing(tmp_path: Path) -> None:
    words = ["convert", "m.pt", "--calibration", "pictures", "--imgsz", "320", "--dry-run"]
    done = runner.invoke(app, [*words, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "commands": ["python ultralytics_export.py model.pt --output model.onnx --imgsz 320 320"],
        "exported": False,
    }
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("model", ["weights.pt", "m.tflite"])
def test_what_cannot_be_taken_is_refused_at_once(tmp_path: Path, model: str) -> None:
    words = ["convert", model, "--calibration", "pictures", "--trust-model", "--json"]
    done = runner.invoke(app, words)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["kind"] == "unsupported_model"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("file", "kind", "runs_code", "refused"),
    [
        ("m.pt", "ultralytics", True, False),
        ("t.pt", "torchscript", True, False),
        ("weights.pt", "pytorch", False, True),
        ("m.tflite", "tflite", False, True),
        ("net.prototxt", "caffe", False, False),
    ],
)
def test_inspect_tells_what_a_file_is(file: str, kind: str, runs_code: bool, refused: bool) -> None:
    document = json.loads(runner.invoke(app, ["inspect", file, "--json"]).stdout)
    assert (document["kind"], document["runs_code"]) == (kind, runs_code)
    assert (document["refusal"] is not None) == refused
    shown = runner.invoke(app, ["inspect", file])
    assert shown.exit_code == 0
    assert kind in shown.stdout
    assert ("would refuse it" in shown.stdout) == refused


@pytest.mark.parametrize(
    ("given", "size"), [("640", (640, 640)), ("320, 640", (320, 640)), ("", None)]
)
def test_a_size_is_one_number_or_two(given: str, size: tuple[int, int] | None) -> None:
    environment = {"RECAM_CONVERT_IMGSZ": given, "RECAM_SETTINGS": ""}
    assert load_settings(environment).convert.imgsz == size


@pytest.mark.parametrize("given", ["0", "1,2,3", "wide"])
def test_other_sizes_are_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="imgsz"):
        load_settings({"RECAM_CONVERT_IMGSZ": given, "RECAM_SETTINGS": ""})

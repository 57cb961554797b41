"""Other programs import the use cases quickly, typed, and without anything printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from planted import CAMERA_PASSWORD

import recam_deploy

PROGRAM = """
from __future__ import annotations

from pathlib import Path

import recam_deploy as recam


def least_cosine(model: Path, pictures: Path) -> float:
    result: recam.ConversionResult = recam.convert(model, calibration=pictures, verify=2)
    return min(result.verification.cosine)


def install(model: Path, host: str, image: Path, secret: str) -> list[str]:
    camera = recam.Camera(host, password=secret)
    try:
        deployment: recam.Deployment = recam.deploy(model, camera)
        print(deployment.sha256, recam.push_flow(camera, template="preview").backup)
    except recam.RecamError as error:
        return [error.message, error.hint, error.kind]
    report = recam.smoke_test(model, camera, image)
    return [found.label for found in report.detections]
"""


def test_every_public_name_is_there_and_documented() -> None:
    for name in recam_deploy.__all__:
        assert getattr(recam_deploy, name).__doc__ or name == "__version__", name
    assert set(recam_deploy.__all__) <= set(dir(recam_deploy))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        recam_deploy.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_takes_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import recam_deploy\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'recam_deploy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_program_that_deploys_does_not_import_onnx() -> None:
    program = (
        "import sys, recam_deploy\n"
        "recam_deploy.Camera, recam_deploy.deploy, recam_deploy.push_flow\n"
        "print(sorted({'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


MISTAKES = {
    "wrong_type": ("recam.Camera(5)", "incompatible type"),
    "missing_argument": ("recam.deploy(Path('m'))", "Missing positional argument"),
    "wrong_name": ("recam.konvert(Path('m'))", "has no attribute"),
}


def test_a_typed_program_passes_mypy_and_its_mistakes_do_not(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    for name, (line, _) in {"right": ("", ""), **MISTAKES}.items():
        (tmp_path / f"{name}.py").write_text(f"{PROGRAM}\n\n{line}\n")
    files = [f"{name}.py" for name in ("right", *MISTAKES)]
    # One run for all, with what the last one kept: nearly all of its time goes into this package.
    kept = str(pytestconfig.cache.mkdir("mypy")) if pytestconfig.cache else str(tmp_path / "kept")
    words = (sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--cache-dir", kept, *files)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^(\w+)\.py:\d+: error: (.*)$", done.stdout, re.MULTILINE))
    assert set(found) == set(MISTAKES), done.stdout + done.stderr
    for name, (_, complaint) in MISTAKES.items():
        assert complaint in found[name]


def test_a_camera_is_named_by_its_argument_the_environment_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RECAM_HOST", raising=False)
    with pytest.raises(recam_deploy.RecamError, match="no camera is named"):
        recam_deploy.Camera()
    monkeypatch.setenv("RECAM_HOST", "from-environment")
    monkeypatch.setenv("RECAM_PASSWORD", CAMERA_PASSWORD)
    assert recam_deploy.Camera().settings.camera.host == "from-environment"
    camera = recam_deploy.Camera("given", node_red_port=1)
    assert (camera.settings.camera.host, camera.settings.camera.node_red_port) == ("given", 1)
    assert CAMERA_PASSWORD not in repr(camera)
    with pytest.raises(recam_deploy.RecamError, match="nod_red_port"):
        recam_deploy.Camera("given", nod_red_port=1)

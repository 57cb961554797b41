"""The wheel holds what an installed recam needs, and neither training code nor tests."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "recam_deploy/device/demo/shapes.onnx",
    "recam_deploy/device/virtual/factory/model.cvimodel",
}
"""The bundled model, and the one that the virtual camera comes with."""

_RESOURCE = re.compile(r"""\bresource\(\s*f?"([\w./]+)""")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel; the names of its files."""
    folder = tmp_path_factory.mktemp("wheel")
    words = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory")
    subprocess.run([*words, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_has_one_package_and_its_metadata(names: set[str]) -> None:
    package, metadata = sorted({name.split("/")[0] for name in names}, key=len)
    assert package == "recam_deploy"
    assert metadata.startswith("recam_deploy-") and metadata.endswith(".dist-info")
    assert {f"{package}/__main__.py", f"{metadata}/licenses/LICENSE"} <= names


def test_it_leaves_out_training_code_tests_and_their_models(names: set[str]) -> None:
    assert (ROOT / "device/demo/training").is_dir()
    assert not [name for name in names if "training" in name or "tests" in name.split("/")]
    assert {name for name in names if name.endswith((".onnx", ".cvimodel"))} == MODELS


def test_all_that_the_code_asks_for_is_in_it(names: set[str]) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "recam_deploy").rglob("*.py")]
    asked = {name for text in sources for name in _RESOURCE.findall(text)}
    assert {"device/demo", "device/virtual/factory", "noderedflows"} <= asked
    for name in asked:
        assert any(found.startswith(f"recam_deploy/{name}") for found in names), (
            f"{name} is missing"
        )


@pytest.mark.parametrize("folder", ["device/on_camera", "device/virtual", "noderedflows"])
def test_a_folder_that_travels_is_whole(names: set[str], folder: str) -> None:
    files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
    wanted = {
        f"recam_deploy/{path.relative_to(ROOT)}"
        for path in files
        if "__pycache__" not in path.parts
    }
    assert wanted
    assert not wanted - names

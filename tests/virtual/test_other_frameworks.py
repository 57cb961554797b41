"""Models of other frameworks, made small by the frameworks themselves, become checked cvimodels.

Caffe's need the compiler only. PyTorch's and TFLite's skip where their exporters are not installed:
`recam toolchain install --exporters` brings them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from foreign_models import (
    ODD_CAFFE,
    ODD_WEIGHTS,
    PLAIN_CAFFE,
    PLAIN_WEIGHTS,
    make_caffe,
    make_tflite,
    make_torchscript,
    make_ultralytics,
)
from recam_runs import DEMO, Run

from recam_deploy.errors import UnsupportedModelError
from recam_deploy.frameworks import (
    Exported,
    Exporter,
    environments,
    exported_folders,
    plan_export,
    recognise,
)
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.toolchain import Toolchain, find

pytestmark = pytest.mark.toolchain

WORDS = ("--calibration", DEMO / "calibration", "--images", "2", "--json")


def exporter(environment: environments.Environment) -> Path:
    python = environments.find(load_settings().cache_dir, environment)
    if python is None:
        pytest.skip(f"{environment.title} are not installed: recam toolchain install --exporters")
    return python


@pytest.fixture(scope="module")
def torch() -> Path:
    return exporter(environments.TORCH)


@pytest.fixture(scope="module")
def tensorflow() -> Path:
    return exporter(environments.TFLITE)


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    found = find(load_settings().cache_dir)
    if found is None:
        pytest.skip("the compiler is not installed; run `recam toolchain install` first")
    return found


def export(path: Path, folder: Path, toolchain: Toolchain | None = None) -> Exported:
    """Export a model by itself, with a cache in `folder`."""

    def compiler() -> Toolchain:
        assert toolchain is not None
        return toolchain

    model = recognise(path)
    assert model is not None
    return Exporter(folder / "cache", compiler, SilentProgress()).export(plan_export(model))


def original(manifest: Path) -> dict[str, Any]:
    """What a manifest says of the model before it was exported."""
    found: dict[str, Any] = json.loads(manifest.read_text())["sources"]["original"]
    return found


def test_an_ultralytics_checkpoint_becomes_a_detector_with_its_names(
    run: Run, torch: Path, tmp_path: Path
) -> None:
    make_ultralytics(torch, tmp_path / "things.pt")
    words = ("convert", "things.pt", *WORDS, "--imgsz", "64")
    refused = run(*words, cwd=tmp_path)
    assert refused.document["error"]["kind"] == "consent"
    done = run(*words, "--trust-model", cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert done.document["family"] == "yolo11-detect"
    assert done.document["labels"][7] == "thing 7"
    assert done.document["input"] == {"height": 64, "width": 64}
    assert original(tmp_path / "things_int8.json")["difference"] < 1e-4
    # Nothing is loaded the second time, so nobody has to agree.
    again = run(*words, cwd=tmp_path)
    assert again.code == 0, again.err + again.out
    assert all(step["cached"] for step in again.document["steps"])
    verified = run(
        "verify", "things_int8.json", "--images", DEMO / "test", "--limit", "1", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert verified.code == 0, verified.err + verified.out


def test_a_torchscript_archive_needs_its_size_and_then_converts(
    run: Run, torch: Path, tmp_path: Path
) -> None:
    make_torchscript(torch, tmp_path / "plain.pt")
    words = ("convert", "plain.pt", *WORDS, "--family", "raw", "--trust-model")
    without = run(*words, cwd=tmp_path)
    assert without.code == 1
    assert "--imgsz" in without.document["error"]["hint"]
    done = run(*words, "--imgsz", "64", cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert done.document["verification"]["cosine"][0] > 0.99
    assert original(tmp_path / "plain_int8.json")["versions"]["torch"].startswith("2.13")


def test_a_tflite_model_converts_with_its_picture_turned(
    run: Run, tensorflow: Path, tmp_path: Path
) -> None:
    make_tflite(tensorflow, tmp_path / "small.tflite")
    done = run("convert", "small.tflite", *WORDS, "--family", "raw", cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert min(done.document["verification"]["cosine"]) > 0.99
    assert original(tmp_path / "small_int8.json")["difference"] < 1e-4


def test_a_tflite_model_with_weights_in_half_precision_is_exported(
    tensorflow: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "frameworks").symlink_to(load_settings().cache_dir / "frameworks")
    exported = export(make_tflite(tensorflow, tmp_path / "half.tflite", "float16"), tmp_path)
    assert exported.origin["difference"] < 1e-4


def test_a_quantized_tflite_model_is_refused(run: Run, tensorflow: Path, tmp_path: Path) -> None:
    make_tflite(tensorflow, tmp_path / "small.tflite", "int8")
    done = run("convert", "small.tflite", *WORDS, "--family", "raw", cwd=tmp_path)
    assert done.code == 1
    assert done.document["error"]["kind"] == "unsupported_model"
    assert "quantized" in done.document["error"]["message"]


def test_a_caffe_network_converts_and_is_verified(
    run: Run, toolchain: Toolchain, tmp_path: Path
) -> None:
    make_caffe(toolchain.python, tmp_path / "net.prototxt", PLAIN_CAFFE, PLAIN_WEIGHTS)
    words = ("--family", "raw", "--pixel-format", "bgr", "--mean", "104,117,123")
    done = run("convert", "net.prototxt", *WORDS, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert min(done.document["verification"]["cosine"]) > 0.98
    found = original(tmp_path / "net_int8.json")
    assert [file["file"] for file in found["files"]] == ["net.prototxt", "net.caffemodel"]
    assert found["difference"] < 1e-4
    verified = run(
        "verify", "net_int8.json", "--images", DEMO / "test", "--limit", "1", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert verified.code == 0, verified.err + verified.out
    shown = run("convert", "net.prototxt", *WORDS, *words, "--dry-run", cwd=tmp_path)
    assert [c.split()[1 if "python" in c else 0] for c in shown.document["commands"]] == [
        "caffe_export.py",
        "model_transform.py",
        "model_deploy.py",
    ]


def test_every_layer_of_caffes_computes_what_opencv_does(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    """The comparison is part of every export, so that it ended tells that it held."""
    make_caffe(toolchain.python, tmp_path / "odd.prototxt", ODD_CAFFE, ODD_WEIGHTS)
    exported = export(tmp_path / "odd.prototxt", tmp_path, toolchain)
    assert exported.origin["difference"] < 1e-4


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('type: "Softmax"', 'type: "Unheard"', "prob (Unheard)"),
        ('bottom: "fc"', 'bottom: "nothing"', "takes something that no layer before it makes"),
        ("{ name", "[ name", "cannot be read"),
        ('name: "fc"', 'name: "other"', "no weights for the layer other"),
    ],
)
def test_a_broken_caffe_network_is_refused_by_name(
    toolchain: Toolchain, tmp_path: Path, before: str, after: str, said: str
) -> None:
    path = tmp_path / "net.prototxt"
    make_caffe(toolchain.python, path, PLAIN_CAFFE, PLAIN_WEIGHTS)
    path.write_text(PLAIN_CAFFE.replace(before, after))
    with pytest.raises(UnsupportedModelError, match=re.escape(said)):
        export(path, tmp_path, toolchain)
    assert not exported_folders(tmp_path / "cache" / "steps")

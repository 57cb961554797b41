"""Every family converts, is recognised by the camera as itself, and loses little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx_models import SIZE, Builder, backbone, detector, with_branches
from recam_runs import DEMO, SHARED, Run

pytestmark = pytest.mark.toolchain

CELLS = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))


def pose() -> onnx.ModelProto:
    return with_branches({"box": 64, "cls": 1, "kpt": 15}, {"output0": [1, 20, CELLS]})


def segmentation() -> onnx.ModelProto:
    outputs = {"output0": [1, 4 + 3 + 32, CELLS], "output1": [1, 32, SIZE // 4, SIZE // 4]}
    return with_branches({"box": 64, "cls": 3, "mask": 32}, outputs)


def classifier() -> onnx.ModelProto:
    builder = Builder()
    pooled = builder.node("GlobalAveragePool", [backbone(builder)[32]], "pooled")
    flat = builder.node("Flatten", [builder.conv(pooled, "scores", (8, 5))], "flat")
    builder.node("Softmax", [flat], "output0", axis=1)
    names = {index: f"class {index}" for index in range(5)}
    return builder.model({"output0": [1, 5]}, metadata={"names": str(names)})


def yolo26() -> onnx.ModelProto:
    builder = Builder()
    parts = []
    for stride, feature in backbone(builder).items():
        logits = builder.conv(feature, f"cls{stride}", (8, 4))
        scores = builder.node("Sigmoid", [logits], f"scores{stride}")
        box = builder.conv(feature, f"box{stride}", (8, 4))
        both = builder.node("Concat", [box, scores], f"both{stride}", axis=1)
        rows = builder.constant(f"rows{stride}", [1, 8, -1])
        parts.append(builder.node("Reshape", [both, rows], f"flat{stride}"))
    builder.node("Concat", parts, "output0", axis=2)
    names = {index: f"class {index}" for index in range(4)}
    return builder.model({"output0": [1, 8, CELLS]}, metadata={"names": str(names)})


def convert(
    run: Run, model: onnx.ModelProto, folder: Path, *words: str
) -> tuple[Path, dict[str, Any]]:
    """Convert with thresholds that random weights reach; the cvimodel and the document."""
    onnx.save(model, folder / "tiny.onnx")
    done = run(
        *("convert", "tiny.onnx", "--calibration", DEMO / "calibration", "--images", "3"),
        *("--min-cosine", "0", "--min-matched", "0", "--json", *words),
        cwd=folder,
    )
    assert done.code == 0, done.err + done.out
    return Path(done.document["artifact"]["cvimodel"]), done.document


@pytest.mark.parametrize(
    ("build", "family", "precision"),
    [
        (detector, "yolo11-detect", "int8"),
        (yolo26, "yolo26-detect", "int8"),
        (pose, "yolo11-pose", "mixed"),
        (segmentation, "yolo11-seg", "mixed"),
        (classifier, "classify", "int8"),
    ],
)
def test_the_camera_takes_each_family_for_what_it_is(
    run: Run,
    camera: dict[str, Any],
    tmp_path: Path,
    build: Callable[[], onnx.ModelProto],
    family: str,
    precision: str,
) -> None:
    cvimodel, document = convert(run, build(), tmp_path)
    assert (document["family"], document["artifact"]["quantization"]) == (family, precision)
    seen = run("inspect", cvimodel, "--json", cwd=tmp_path).document
    assert (seen["kind"], seen["family"]) == ("cvimodel", family)
    report = run(
        *("test", cvimodel, "--image", min((DEMO / "test").glob("*.jpg")), "--json"),
        cwd=tmp_path,
        RECAM_SETTINGS=camera["settings"],
    )
    assert report.code == 0, report.err + report.out


@pytest.mark.parametrize("classes", [1, 2, 4, 7, 80, 365])
def test_any_number_of_classes_converts(run: Run, tmp_path: Path, classes: int) -> None:
    _, document = convert(run, detector(classes), tmp_path)
    assert len(document["labels"]) == classes
    assert {output["shape"][1] for output in document["outputs"]} == {64, classes}


def test_bf16_loses_next_to_nothing_and_needs_no_calibration(run: Run, tmp_path: Path) -> None:
    words = ("--calibration", DEMO / "calibration", "--images", "4", "--quantize", "f16", "--json")
    done = run("convert", DEMO / "shapes.onnx", *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert done.document["artifact"]["quantization"] == "bf16"
    assert min(done.document["verification"]["cosine"]) > 0.999
    assert "calibrate" not in [step["name"] for step in done.document["steps"]]


def test_another_precision_reuses_translation_and_calibration(
    run: Run, artifact: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    table.write_text("/detector/head/cv2.0/cv2.0.2/Conv_output_0_Conv BF16\n")
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--json")
    done = run(*("convert", DEMO / "shapes.onnx", *words, "--quantize-table", table), cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    cached = {step["name"]: step["cached"] for step in done.document["steps"]}
    assert cached["transform"] and cached["calibrate"] and not cached["compile"]
    assert done.document["artifact"]["quantization"] == "mixed"


def test_a_raw_network_converts_and_is_said_not_to_be_shown(run: Run, tmp_path: Path) -> None:
    model = with_branches({"box": 4, "obj": 1, "cls": 8}, {"output0": [1, 13, CELLS]})
    _, document = convert(run, model, tmp_path, "--family", "raw", "--pixel-format", "bgr")
    assert (document["family"], document["labels"]) == ("raw", [])
    assert document["outputs"][0]["shape"][:3] == [1, 13, CELLS]


@pytest.mark.parametrize(
    ("name", "pictures", "least"),
    [
        ("yolo11n-pose-stars-320", "stars", 0.999),
        ("yolo11n-cls-shapes-128", "shapes/images/calib", 0.97),
    ],
)
def test_trained_models_of_other_families_keep_their_answers(
    run: Run, tmp_path: Path, name: str, pictures: str, least: float
) -> None:
    source = SHARED / "onnx" / f"{name}.onnx"
    if not source.is_file():
        pytest.skip("the trained exports and their pictures lie beside the project, not in it")
    words = ("--calibration", SHARED / pictures, "--images", "6", "--verify", "6", "--json")
    done = run("convert", source, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    check = done.document["verification"]
    assert min(check["cosine"]) >= least
    assert check["detections"]["matched"] >= check["detections"]["float"] - 1

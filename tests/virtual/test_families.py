"""Every family converts, and the camera finds with it what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from decoding_models import a_pose_model, a_segmenter
from family_models import SUBJECTS, Subject, found_on_camera
from onnx_models import SIZE, Builder, backbone, detector, with_branches
from recam_runs import DEMO, Run

from recam_deploy.detection.match import pair

pytestmark = pytest.mark.toolchain

CELLS = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
POSES = [subject for subject in SUBJECTS if subject.task == "pose"]


def convert(
    run: Run, model: onnx.ModelProto, folder: Path, *words: str
) -> tuple[Path, dict[str, Any]]:
    """Convert with thresholds that random weights reach; the cvimodel and the document."""
    onnx.save(model, folder / "tiny.onnx")
    done = run(
        *("convert", "tiny.onnx", "--calibration", DEMO / "calibration", "--images", "3"),
        *("--min-cosine", "0", "--json", *words),
        *(() if "raw" in words else ("--min-matched", "0")),
        cwd=folder,
    )
    assert done.code == 0, done.err + done.out
    return Path(done.document["artifact"]["cvimodel"]), done.document


@pytest.fixture(scope="module", params=SUBJECTS, ids=lambda subject: str(subject.title))
def converted(
    request: pytest.FixtureRequest, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Subject, dict[str, Any]]:
    """A trained model of each family, converted as `recam convert` does by default."""
    subject: Subject = request.param
    words = ("--calibration", DEMO / "calibration", "--images", "6", "--verify", "6", "--json")
    done = run("convert", subject.model, *words, cwd=tmp_path_factory.mktemp("converted"))
    assert done.code == 0, done.err + done.out
    return subject, done.document


def test_a_family_is_recognised_and_keeps_its_head_in_bf16_where_it_must(
    run: Run, converted: tuple[Subject, dict[str, Any]], tmp_path: Path
) -> None:
    subject, document = converted
    mixed = subject.family in ("yolov5-detect", "yolo11-pose", "yolo11-seg")
    assert document["family"] == subject.family
    assert document["artifact"]["quantization"] == ("mixed" if mixed else "int8")
    seen = run("inspect", document["artifact"]["cvimodel"], "--json", cwd=tmp_path).document
    assert (seen["kind"], seen["family"]) == ("cvimodel", subject.family)


def test_the_camera_finds_the_shapes_with_a_model_of_each_family(
    run: Run,
    camera: dict[str, Any],
    converted: tuple[Subject, dict[str, Any]],
    tmp_path: Path,
) -> None:
    subject, document = converted
    manifest = Path(document["artifact"]["manifest"])
    seen, found = found_on_camera(run, camera, subject, manifest, tmp_path)
    assert (seen.matched, seen.extra) == (seen.reference, 0)
    assert {one.label for one in found} <= set(document["labels"])


@pytest.mark.parametrize("converted", POSES, indirect=True, ids=lambda subject: str(subject.title))
def test_key_points_lie_where_a_shape_ends(
    run: Run,
    camera: dict[str, Any],
    converted: tuple[Subject, dict[str, Any]],
    tmp_path: Path,
) -> None:
    """The topmost, rightmost, lowest and leftmost point each lie on that side of the box."""
    subject, document = converted
    manifest = Path(document["artifact"]["manifest"])
    _, found = found_on_camera(run, camera, subject, manifest, tmp_path)
    matched = pair(subject.wanted(), found, min_iou=0.5).matched
    assert len(matched) == len(subject.wanted())
    for true, seen in matched:
        left, top, right, bottom = true.box
        (_, highest), (rightmost, _), (_, lowest), (leftmost, _) = seen.keypoints
        ends = zip((leftmost, highest, rightmost, lowest), true.box, strict=True)
        side = (right - left + bottom - top) / 2
        assert all(abs(end - wanted) < 0.15 * side for end, wanted in ends)


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


def test_a_wide_raw_network_keeps_height_and_width_in_order(run: Run, tmp_path: Path) -> None:
    """Case 48: the compiler took the one for the other, and the simulator failed."""
    builder = Builder()
    builder.node("Relu", [backbone(builder)[8]], "out")
    model = builder.model({"out": [1, 8, 6, 8]}, inputs={"images": [1, 3, 48, 64]})
    cvimodel, document = convert(run, model, tmp_path, "--family", "raw")
    assert document["input"] == {"height": 48, "width": 64}
    assert document["outputs"][0]["shape"] == [1, 8, 6, 8]
    seen = run("inspect", cvimodel, "--json", cwd=tmp_path).document
    assert seen["inputs"][0]["shape"] == [1, 48, 64, 3]
    assert min(document["verification"]["cosine"]) > 0.99


@pytest.mark.parametrize(
    ("model", "family", "width"),
    [
        (a_pose_model(ranked=True, form="xyxy"), "yolo11-pose", 20),
        (a_segmenter(box=4, ranked=True, form="xyxy"), "yolo11-seg", 39),
    ],
    ids=["pose", "YOLO26 segmentation"],
)
def test_a_model_that_ranks_its_rows_is_converted_before_that(
    run: Run, tmp_path: Path, model: onnx.ModelProto, family: str, width: int
) -> None:
    """Cases 19 and 42; verify finds the place again, which is no name of the file's."""
    cvimodel, document = convert(run, model, tmp_path)
    assert (document["family"], document["decoding"]["checked"]) == (family, True)
    assert document["outputs"][0]["shape"] == [1, width, CELLS, 1]
    seen = run("inspect", cvimodel, "--json", cwd=tmp_path).document
    assert seen["family"] == family
    verified = run("verify", cvimodel, "--images", DEMO / "test", "--json", cwd=tmp_path)
    assert verified.code == 0, verified.err
    assert min(document["verification"]["cosine"]) > 0.98

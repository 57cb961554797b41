"""Each family is recognised by its structure; what the camera would misread is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from decoding_models import a_pose_model, a_segmenter
from onnx_models import (
    SIZE,
    Builder,
    anchored_detector,
    backbone,
    query_detector,
    ranked_detector,
    with_branches,
)

from recam_deploy.errors import InputError, UnsupportedModelError
from recam_deploy.network.cutting import cut
from recam_deploy.network.float_model import FloatModel
from recam_deploy.network.model import Network, Preprocessing
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network

CELLS = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))


def read(model: onnx.ModelProto, folder: Path) -> Network:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return read_network(path)[0]


def test_pose_keeps_its_final_output_and_a_float_tail(tmp_path: Path) -> None:
    network = read(a_pose_model(5), tmp_path)
    assert (network.family, network.cut_at) == ("yolo11-pose", ("output0",))
    assert network.output_shapes == ((1, 20, CELLS, 1),)
    assert {"all_boxes", "dfl_softmax", "output0"} <= set(network.float_tail)
    assert not any(name.startswith("head") for name in network.float_tail)


def test_pose_of_several_classes_is_refused(tmp_path: Path) -> None:
    model = with_branches({"box": 64, "cls": 4, "kpt": 15}, {"output0": [1, 23, CELLS]})
    with pytest.raises(UnsupportedModelError, match="4 classes"):
        read(model, tmp_path)


def test_pose_without_visibility_is_refused(tmp_path: Path) -> None:
    model = with_branches({"box": 64, "cls": 1, "kpt": 10}, {"output0": [1, 15, CELLS]})
    with pytest.raises(UnsupportedModelError, match="visibility"):
        read(model, tmp_path)


def test_segmentation_keeps_both_outputs(tmp_path: Path) -> None:
    network = read(a_segmenter(3), tmp_path)
    assert (network.family, network.classes) == ("yolo11-seg", 3)
    assert network.cut_at == ("output0", "output1")
    assert network.output_shapes == ((1, 39, CELLS, 1), (1, 32, SIZE // 4, SIZE // 4))
    assert {"output0", "head8_rest", "head16_rest", "head32_rest"} <= set(network.float_tail)
    assert not {"output1", "head8_box", "head8_cls"} & set(network.float_tail)


@pytest.mark.parametrize("classes", [1, 2, 4, 80])
def test_yolo26_is_grouped(tmp_path: Path, classes: int) -> None:
    """Interleaved, the camera would misread it where there are four classes."""
    builder = Builder()
    parts = []
    for stride, feature in backbone(builder).items():
        box = builder.conv(feature, f"head{stride}_box", (8, 4))
        logits = builder.conv(feature, f"head{stride}_cls", (8, classes))
        scores = builder.node("Sigmoid", [logits], f"scores{stride}")
        both = builder.node("Concat", [scores, box], f"both{stride}", axis=1)
        rows = builder.constant(f"rows{stride}", [1, 4 + classes, -1])
        parts.append(builder.node("Reshape", [both, rows], f"flat{stride}"))
    builder.node("Concat", parts, "output0", axis=2)
    names = {i: f"class {i}" for i in range(classes)}
    model = builder.model({"output0": [1, 4 + classes, CELLS]}, metadata={"names": str(names)})
    network = read(model, tmp_path)
    assert network.family == "yolo26-detect"
    assert network.cut_at == (
        *(f"head{stride}_box" for stride in (8, 16, 32)),
        *(f"head{stride}_cls" for stride in (8, 16, 32)),
    )


def classifier(classes: int, end: str = "Softmax") -> onnx.ModelProto:
    builder = Builder()
    pooled = builder.node("GlobalAveragePool", [backbone(builder)[32]], "pooled")
    scores = builder.conv(pooled, "scores", (8, classes))
    flat = builder.node("Flatten", [scores], "flat")
    builder.node(end, [flat], "output0")
    names = {i: f"class {i}" for i in range(classes)}
    return builder.model({"output0": [1, classes]}, metadata={"names": str(names)})


def test_a_classifier_gives_its_softmax(tmp_path: Path) -> None:
    network = read(classifier(5), tmp_path)
    assert (network.family, network.classes) == ("classify", 5)
    assert network.output_shapes == ((1, 5, 1, 1),)


def test_classifiers_that_the_camera_cannot_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="softmax"):
        read(classifier(5, end="Sigmoid"), tmp_path)
    with pytest.raises(UnsupportedModelError, match="one class"):
        read(classifier(1), tmp_path)


@pytest.mark.parametrize("with_scales", [False, True])
def test_yolov5_gives_its_boxes_as_fractions(tmp_path: Path, with_scales: bool) -> None:
    """In pixels, the camera would divide every score by 100."""
    model = anchored_detector(3, with_scales=with_scales)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    network, graph = read_network(path)
    assert (network.family, network.classes) == ("yolov5-detect", 3)
    assert (network.cut_at, network.output_shapes) == (("output0",), ((1, 3 * CELLS, 8, 1),))
    assert {"output0", "output0_fractions"} <= set(network.float_tail)
    image = np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)
    (before,) = FloatModel(cut(graph, "images", ("output0",)).SerializeToString()).run(image)
    (after,) = FloatModel(prepare(graph, network).SerializeToString()).run(image)
    assert before[0, :, 0].max() > 1 > after[0, :, 0].max()
    assert after[..., :4] * SIZE == pytest.approx(before[..., :4], abs=1e-4)
    assert after[..., 4:] == pytest.approx(before[..., 4:])


def test_yolov5_with_more_classes_than_the_camera_takes_is_refused(tmp_path: Path) -> None:
    assert read(anchored_detector(80), tmp_path).classes == 80
    with pytest.raises(UnsupportedModelError, match="81 classes"):
        read(anchored_detector(81), tmp_path)


def test_yolov10_is_refused(tmp_path: Path) -> None:
    """Its heads look like YOLO11's, but its scores are ranked in the graph."""
    with pytest.raises(UnsupportedModelError, match="YOLOv10"):
        read(ranked_detector(), tmp_path)


def test_a_model_whose_output_is_no_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="not one box and one class tensor"):
        read(query_detector(), tmp_path)


@pytest.mark.parametrize("classes", [4, 7, 10])
def test_an_uncut_detector_that_the_camera_would_take_for_pose_is_refused_raw(
    tmp_path: Path, classes: int
) -> None:
    path = tmp_path / "model.onnx"
    model = with_branches({"box": 4, "cls": classes}, {"output0": [1, 4 + classes, CELLS]})
    onnx.save(model, path)
    with pytest.raises(UnsupportedModelError, match="pose"):
        read_raw_network(path)


def test_oriented_boxes_are_refused(tmp_path: Path) -> None:
    model = with_branches({"box": 64, "cls": 3, "angle": 1}, {"output0": [1, 8, CELLS]}, task="obb")
    with pytest.raises(UnsupportedModelError, match="oriented boxes"):
        read(model, tmp_path)


def test_objectness_heads_are_refused(tmp_path: Path) -> None:
    """YOLOX: box, objectness and class apart, with no DFL."""
    model = with_branches({"box": 4, "obj": 1, "cls": 80}, {"output0": [1, 85, CELLS]})
    with pytest.raises(UnsupportedModelError, match="4, 1, 80 channels"):
        read(model, tmp_path)


def test_any_network_with_one_picture_is_taken_raw(tmp_path: Path) -> None:
    model = with_branches({"box": 4, "obj": 1, "cls": 80}, {"output0": [1, 85, CELLS]})
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    network, _ = read_raw_network(path)
    assert (network.family, network.cut_at) == ("raw", ("output0",))
    assert network.output_shapes == ((1, 85, CELLS, 1),)
    assert network.labels == ()


def test_the_cameras_families_fix_the_preprocessing(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(classifier(3), path)
    with pytest.raises(InputError, match="fixed preprocessing"):
        read_network(path, (), Preprocessing(pixel_format="bgr"))

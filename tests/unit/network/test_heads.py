"""Heads are found by structure, whatever the exporter named them and however it joined them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx_models import SIZE, Builder, backbone, detector

from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.reading import read_network


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


INTERLEAVED = tuple(f"head{stride}_{kind}" for stride in (8, 16, 32) for kind in ("box", "cls"))


# Without the decoding nothing tells 64 class channels from 64 box channels.
@pytest.mark.parametrize(
    ("style", "classes"),
    [
        (style, classes)
        for style in ("yolo11", "yolov8", "cut")
        for classes in (1, 2, 4, 7, 64, 80, 365)
        if (style, classes) != ("cut", 64)
    ],
)
def test_heads_are_ordered_box_then_class_from_stride_8_to_32(
    tmp_path: Path, style: str, classes: int
) -> None:
    network, _ = read_network(saved(detector(classes, style=style), tmp_path))
    assert network.cut_at == INTERLEAVED
    assert network.classes == classes
    assert [head.stride for head in network.heads] == [8, 16, 32]


def test_a_cut_model_with_64_classes_takes_the_first_output_for_the_box(tmp_path: Path) -> None:
    model = detector(64, style="cut")
    outputs = sorted(model.graph.output, key=lambda value: value.name)
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    network, _ = read_network(saved(model, tmp_path))
    assert network.cut_at == INTERLEAVED


def test_three_tensors_a_scale_are_refused_as_no_plain_detector(tmp_path: Path) -> None:
    """Pose and segmentation heads have a third branch."""
    builder = Builder()
    shapes: dict[str, list[int]] = {}
    for stride, feature in backbone(builder).items():
        for kind, channels in (("box", 64), ("cls", 3), ("mask", 32)):
            name = builder.conv(feature, f"h{stride}{kind}", (8, channels))
            shapes[name] = [1, channels, SIZE // stride, SIZE // stride]
    model = builder.model(shapes, metadata={"names": "{0: 'a', 1: 'b', 2: 'c'}"})
    with pytest.raises(UnsupportedModelError, match="not one box and one class tensor") as caught:
        read_network(saved(model, tmp_path))
    assert "64, 3, 32 channels" in caught.value.message
    assert "YOLO11 and YOLOv8" in caught.value.hint


def test_a_classifier_without_softmax_is_refused_and_its_output_is_named(tmp_path: Path) -> None:
    builder = Builder()
    feature = backbone(builder)[32]
    pooled = builder.node("GlobalAveragePool", [feature], "pooled")
    model = builder.model({pooled: [1, 8, 1, 1]})
    with pytest.raises(UnsupportedModelError, match="softmax") as caught:
        read_network(saved(model, tmp_path))
    assert "1×8×1×1" in caught.value.message


def test_heads_of_different_class_counts_are_refused(tmp_path: Path) -> None:
    builder = Builder()
    shapes: dict[str, list[int]] = {}
    for (stride, feature), classes in zip(backbone(builder).items(), (3, 3, 4), strict=True):
        for kind, channels in (("box", 64), ("cls", classes)):
            name = builder.conv(feature, f"h{stride}{kind}", (8, channels))
            shapes[name] = [1, channels, SIZE // stride, SIZE // stride]
    with pytest.raises(UnsupportedModelError, match="no detection heads"):
        read_network(saved(builder.model(shapes), tmp_path))

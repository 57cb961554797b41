"""Heads are found by structure, whatever the exporter named them and however it joined them."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from decoding_models import CELLS, Decoder
from onnx_models import SIZE, Builder, backbone, detector
from typer.testing import CliRunner

from recam_deploy.cli.main import app
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
    assert "YOLO11, YOLOv8 and YOLO26" in caught.value.hint


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


FLAT = {
    "boxes and classes apart": (("all_boxes", [1, 64, CELLS]), ("all_logits", [1, 3, CELLS])),
    "classes first": (("all_logits", [1, 3, CELLS]), ("all_boxes", [1, 64, CELLS])),
    "scores": (("all_boxes", [1, 64, CELLS]), ("scores", [1, 3, CELLS])),
    "distances": (("dfl_sides", [1, 4, CELLS]), ("scores", [1, 3, CELLS])),
    "boxes": (("boxes_in_pixels", [1, 4, CELLS]), ("scores", [1, 3, CELLS])),
}


@pytest.mark.parametrize("ends", FLAT.values(), ids=FLAT.keys())
def test_heads_are_found_behind_flattened_outputs(
    tmp_path: Path, ends: tuple[tuple[str, list[int]], ...]
) -> None:
    """Case 55: models that somebody cut for another tool before giving them on."""
    decoder = Decoder(3)
    decoder.rows()
    network, _ = read_network(saved(decoder.model(dict(ends)), tmp_path))
    assert network.cut_at == INTERLEAVED
    assert network.decoding.checked == (ends[0][0] == "boxes_in_pixels")


def test_heads_with_their_sigmoid_are_found(tmp_path: Path) -> None:
    """Case 55: six outputs, of which three are scores already."""
    decoder = Decoder(3)
    ends = {}
    for box, logits, stride in zip(decoder.boxes, decoder.logits, (8, 16, 32), strict=True):
        grid = SIZE // stride
        ends[box] = [1, 64, grid, grid]
        ends[decoder.builder.node("Sigmoid", [logits], f"score{stride}")] = [1, 3, grid, grid]
    network, _ = read_network(saved(decoder.model(ends), tmp_path))
    assert network.cut_at == INTERLEAVED


@pytest.mark.parametrize(
    ("strides", "named"),
    [((4, 8, 16, 32), "4, 8, 16, 32"), ((8, 16, 32, 64), "8, 16, 32, 64"), ((16, 32), "16, 32")],
    ids=["P2", "P6", "tiny"],
)
def test_other_strides_are_named(tmp_path: Path, strides: tuple[int, ...], named: str) -> None:
    """Cases 22 and 42: four-headed and two-headed variants."""
    builder, source, channels, parts, cells = Builder(), "images", 3, [], 0
    for stride in (2, 4, 8, 16, 32, 64):
        source = builder.node(
            "Relu", [builder.conv(source, f"f{stride}", (channels, 8), stride=2)], f"r{stride}"
        )
        channels = 8
        if stride in strides:
            pair = [
                builder.conv(source, f"h{stride}{kind}", (8, width))
                for kind, width in (("box", 64), ("cls", 3))
            ]
            joined = builder.node("Concat", pair, f"pair{stride}", axis=1)
            shape = builder.constant(f"shape{stride}", [1, 67, -1])
            parts.append(builder.node("Reshape", [joined, shape], f"flat{stride}"))
            cells += (128 // stride) ** 2
    output = builder.node("Concat", parts, "output0", axis=2)
    model = builder.model({output: [1, 67, cells]}, inputs={"images": [1, 3, 128, 128]})
    with pytest.raises(UnsupportedModelError, match=f"strides {named};"):
        read_network(saved(model, tmp_path))


def test_a_head_of_angles_is_named_without_metadata(tmp_path: Path) -> None:
    """Case 42: with 15 classes, its shapes are those of a pose model with five keypoints."""
    decoder = Decoder(15, extra=1)
    angle = decoder.joined(decoder.rest, 1, "angles")
    turned = decoder.builder.node("Sin", [angle], "sines")
    parts = [decoder.decoded_boxes(), decoder.scores(), turned]
    rows = decoder.builder.node("Concat", parts, "output0", axis=1)
    with pytest.raises(UnsupportedModelError, match="oriented boxes"):
        read_network(saved(decoder.model({rows: [1, 20, CELLS]}), tmp_path))


@pytest.mark.parametrize(
    ("prefix", "ranks", "assignment"),
    [("", True, "one-to-one"), ("", False, "one-to-many"), ("one2one_", False, "one-to-one")],
    ids=["ranked", "all rows", "by name"],
)
def test_the_heads_of_yolo26_are_named(
    tmp_path: Path, prefix: str, ranks: bool, assignment: str
) -> None:
    """Case 54."""
    decoder = Decoder(3, box=4, prefix=prefix)
    rows = decoder.rows("xyxy")
    output, shape = decoder.ranked(rows) if ranks else (rows, [1, 7, CELLS])
    path = saved(decoder.model({output: shape}), tmp_path)
    assert read_network(path)[0].assignment == assignment
    shown = CliRunner().invoke(app, ["inspect", str(path), "--json"]).stdout
    assert json.loads(shown)["assignment"] == assignment


def test_pose_models_of_many_classes_are_refused_by_their_count(tmp_path: Path) -> None:
    """Case 42: kpt_shape tells which tensor holds the classes, also where these are more."""
    decoder = Decoder(80, extra=15)
    parts = [decoder.decoded_boxes(), decoder.scores(), decoder.key_points()]
    rows = decoder.builder.node("Concat", parts, "output0", axis=1)
    model = decoder.model({rows: [1, 99, CELLS]}, metadata={"kpt_shape": "[5, 3]"})
    with pytest.raises(UnsupportedModelError, match="80 classes"):
        read_network(saved(model, tmp_path))

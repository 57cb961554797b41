"""A model is decoded as the camera will: by its own operators and by the camera's rules alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from decoding_models import CELLS, Decoder, a_detector, a_pose_model, a_segmenter
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SIZE, anchored_detector, detector
from PIL import Image
from typer.testing import CliRunner

from recam_deploy.cli.main import app
from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.cutting import cut
from recam_deploy.network.float_model import FloatModel
from recam_deploy.network.model import Network
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network

Build = Callable[[], onnx.ModelProto]


def read(model: onnx.ModelProto, folder: Path) -> Network:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return read_network(path)[0]


def with_objectness() -> onnx.ModelProto:
    """YOLOv6's own export: an objectness of one between boxes and scores, and cells first."""
    decoder = Decoder(3, box=4)
    one = decoder.builder.constant("one", np.ones((1, 1, CELLS)), np.float32)
    parts = [decoder.decoded_boxes(), one, decoder.scores()]
    rows = decoder.builder.node("Concat", parts, "rows", axis=1)
    turned = decoder.builder.node("Transpose", [rows], "output0", perm=[0, 2, 1])
    return decoder.model({turned: [1, CELLS, 8]})


def apart(scores: str = "Sigmoid", clip: bool = False) -> onnx.ModelProto:
    """Boxes and scores as two outputs."""
    decoder = Decoder(3, box=4)
    boxes = decoder.decoded_boxes("xyxy")
    if clip:
        low = decoder.builder.constant("low", 0.0, np.float32)
        high = decoder.builder.constant("high", float(SIZE), np.float32)
        boxes = decoder.builder.node("Clip", [boxes, low, high], "clipped")
    return decoder.model({boxes: [1, 4, CELLS], decoder.scores(scores): [1, 3, CELLS]})


def ranked(**options: object) -> onnx.ModelProto:
    decoder = Decoder(3, **{"box": 4, **options})  # type: ignore[arg-type]
    output, shape = decoder.ranked(decoder.rows("xyxy"))
    return decoder.model({output: shape})


def suppressed() -> onnx.ModelProto:
    """With a suppression on boxes that are moved apart by class, as torchvision's is exported."""
    decoder = Decoder(3)
    build = decoder.builder
    boxes, scores = decoder.decoded_boxes("xyxy"), decoder.scores()
    turned = build.node("Transpose", [boxes], "boxes_last", perm=[0, 2, 1])
    label = build.node("ArgMax", [scores], "label", axis=1, keepdims=0)
    number = build.node("Cast", [label], "number", to=TensorProto.FLOAT)
    column = build.node("Unsqueeze", [number, build.constant("last", [2])], "column")
    gap = build.node("Mul", [column, build.constant("gap", 4096.0, np.float32)], "gap_of_class")
    moved = build.node("Add", [turned, gap], "moved")
    best = build.node("ReduceMax", [scores], "best", axes=[1], keepdims=1)
    most = build.constant("most", [20])
    kept = build.node("NonMaxSuppression", [moved, best, most], "kept")
    place = build.node("Gather", [kept, build.constant("third", 2)], "place", axis=1)
    found = build.node("Gather", [turned, place], "output0", axis=1)
    picked = build.node("Gather", [best, place], "output1", axis=2)
    return decoder.model({found: [1, "n", 4], picked: [1, 1, "n"]})


def ranked_before_decoding(change: str = "") -> onnx.ModelProto:
    """Cells are picked before their boxes are decoded, as some deployment tools do."""
    decoder = Decoder(2, box=4, change=change)
    build, count = decoder.builder, 6
    best = build.node("ReduceMax", [decoder.scores()], "best", axes=[1], keepdims=0)
    build.nodes.append(
        helper.make_node("TopK", [best, build.constant("k", [count])], ["top", "where"], "topk")
    )
    index = build.node("Reshape", ["where", build.constant("flat", [count])], "index")
    parts = {
        name: build.node("Gather", [source, index], f"{name}_picked", axis=2)
        for name, source in (
            ("distances", decoder.distances),
            ("points", decoder.points),
            ("strides", decoder.strides),
        )
    }
    near, far = decoder.split(parts["distances"], [2, 2], "sides")
    corners = [
        build.node("Sub", [parts["points"], near], "first"),
        build.node("Add", [parts["points"], far], "second"),
    ]
    boxes = build.node("Concat", corners, "in_cells", axis=1)
    pixels = build.node("Mul", [boxes, parts["strides"]], "in_pixels")
    column = build.node("Unsqueeze", ["top", build.constant("one", [1])], "column")
    rows = build.node("Concat", [pixels, column], "dets", axis=1)
    turned = build.node("Transpose", [rows], "output0", perm=[0, 2, 1])
    return decoder.model({turned: [1, count, 5]})


ALIKE: dict[str, Build] = {
    "YOLO11": a_detector,
    "YOLO11, 1 class": lambda: a_detector(1),
    "YOLO11, 4 classes": lambda: a_detector(4),
    "YOLO11, 64 classes": lambda: a_detector(64),
    "corners": lambda: a_detector(form="xyxy"),
    "fractions": lambda: a_detector(divisor=SIZE),
    "YOLO26": lambda: a_detector(box=4),
    "YOLO26, 4 classes": lambda: a_detector(4, box=4),
    "YOLOv6": with_objectness,
    "two outputs": apart,
    "two outputs, boxes end at the edge": lambda: apart(clip=True),
    "class values without sigmoid": lambda: apart(scores=""),
    "ranked": ranked,
    "suppressed": suppressed,
    "ranked before decoding": ranked_before_decoding,
}


@pytest.mark.parametrize("build", ALIKE.values(), ids=ALIKE.keys())
def test_a_decoding_like_the_cameras_is_recognised_in_every_form(
    tmp_path: Path, build: Build
) -> None:
    """Cases 22 and 54."""
    assert read(build(), tmp_path).decoding.reason == ""


OTHERWISE: dict[str, tuple[Build, str]] = {
    "exponential (mmdetection)": (lambda: a_detector(box=4, change="Exp"), "exponential"),
    "negative distances cut off (FCOS)": (lambda: a_detector(box=4, change="Relu"), "set to zero"),
    "softplus": (lambda: a_detector(box=4, change="Softplus"), "softplus"),
    "from the corner (RTMDet)": (lambda: a_detector(box=4, offset=0.0), "corner"),
    "RTMDet, exponential": (lambda: a_detector(box=4, change="Exp", offset=0.0), "corner"),
    "DFL from the corner (NanoDet)": (lambda: a_detector(offset=0.0), "corner"),
    "DFL, scaled afterwards": (lambda: a_detector(change="Sqrt"), "pixels apart"),
    "ranked, from the corner": (lambda: ranked(offset=0.0), "corner"),
    "softmax over the classes": (lambda: a_detector(end="Softmax"), "not the sigmoid"),
    "scores of another curve": (lambda: a_detector(end="HardSigmoid"), "not the sigmoid"),
    "ranked before decoding": (lambda: ranked_before_decoding("Exp"), "exponential"),
    "pose, corners": (lambda: a_pose_model(form="xyxy"), "corners in pixels"),
    "pose, other key points": (lambda: a_pose_model(times=3.0), "key points"),
    "segmentation, corners": (lambda: a_segmenter(form="xyxy"), "corners in pixels"),
}


@pytest.mark.parametrize(("build", "reason"), OTHERWISE.values(), ids=OTHERWISE.keys())
def test_a_decoding_unlike_the_cameras_is_refused(
    tmp_path: Path, build: Build, reason: str
) -> None:
    """Case 22: such models were converted, verified, and showed boxes in wrong places."""
    with pytest.raises(UnsupportedModelError, match=reason) as caught:
        read(build(), tmp_path)
    assert caught.value.hint


def test_a_model_that_ends_at_its_heads_is_taken_and_named_unchecked(tmp_path: Path) -> None:
    """Case 22: never passed in silence, in documents and in lines for people."""
    path = tmp_path / "m.onnx"
    onnx.save(detector(3, style="cut"), path)
    runner = CliRunner()
    document = json.loads(runner.invoke(app, ["inspect", str(path), "--json"]).stdout)
    assert document["decoding"]["checked"] is False
    assert "ends before" in document["decoding"]["reason"]
    assert "not checked" in runner.invoke(app, ["inspect", str(path)]).stdout


def test_a_dry_run_warns_where_nothing_was_compared(tmp_path: Path) -> None:
    """Case 22: one line beside the one JSON document, and none for a model that was compared."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    for model, checked in ((detector(3, style="cut"), False), (a_detector(), True)):
        onnx.save(model, tmp_path / "m.onnx")
        words = ["--calibration", str(tmp_path), "--verify", "1", "--dry-run", "--json"]
        result = CliRunner().invoke(app, ["convert", str(tmp_path / "m.onnx"), *words])
        assert json.loads(result.stdout)["decoding"]["checked"] is checked, result.stderr
        assert ("was not compared" in result.stderr) is not checked


def test_every_way_to_look_at_a_model_refuses_the_same(tmp_path: Path) -> None:
    """Case 22: inspect, the dry run and the conversion itself."""
    path = tmp_path / "m.onnx"
    onnx.save(a_detector(box=4, offset=0.0), path)
    runner = CliRunner()
    shown = runner.invoke(app, ["inspect", str(path), "--json"])
    reason = json.loads(shown.stdout)["refusal"]["reason"]
    for more in (["--dry-run"], []):
        command = ["convert", str(path), "--calibration", str(tmp_path), "--json", *more]
        result = runner.invoke(app, command)
        assert (result.exit_code, json.loads(result.stdout)["error"]["message"]) == (1, reason)


def test_scores_that_later_layers_compute_are_refused(tmp_path: Path) -> None:
    """Case 22: YOLO-World multiplies its class tensors with a text's."""
    decoder = Decoder(16)
    mixed = decoder.joined(decoder.logits, 16, "features")
    turned = decoder.builder.node("Transpose", [mixed], "features_last", perm=[0, 2, 1])
    text = decoder.builder.constant("text", np.ones((16, 5)), np.float32)
    scores = decoder.builder.node("MatMul", [turned, text], "products")
    ends = decoder.builder.node("Sigmoid", [scores], "scores")
    model = decoder.model({decoder.decoded_boxes(): [1, 4, CELLS], ends: [1, CELLS, 5]})
    with pytest.raises(UnsupportedModelError, match="further layers"):
        read(model, tmp_path)


@pytest.mark.parametrize(
    ("build", "width"),
    [
        (lambda: a_pose_model(ranked=True, form="xyxy"), 20),
        (lambda: a_pose_model(ranked=True), 20),
        (lambda: a_pose_model(ranked=True, form="xyxy", box=4, times=1.0, offset=0.5), 20),
        (lambda: a_segmenter(ranked=True, form="xyxy"), 39),
        (lambda: a_segmenter(ranked=True, form="xyxy", box=4), 39),
    ],
    ids=["pose", "pose, centres", "YOLO26 pose", "segmentation", "YOLO26 segmentation"],
)
def test_rows_are_taken_before_the_export_ranks_them(
    tmp_path: Path, build: Build, width: int
) -> None:
    """Cases 19 and 42: the result is what the model without its ranking gives."""
    model = build()
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    network, graph = read_network(path)
    assert network.decoding.checked
    assert network.output_shapes[0] == (1, width, CELLS, 1)
    image = np.random.default_rng(3).random((1, 3, SIZE, SIZE), np.float32)
    found = FloatModel(prepare(graph, network).SerializeToString()).run(image)[0]
    shaped = onnx.shape_inference.infer_shapes(model)
    boxes = "boxes_in_pixels"
    own = FloatModel(cut(shaped, "images", ("rows", boxes)).SerializeToString()).run(image)
    corners = own[1][0].T
    centre = own[0].copy()
    if "second" in {n.input[1] for n in model.graph.node if n.name == "boxes_in_cells"}:
        near, far = corners[:, :2], corners[:, 2:]
        centre[0, :4] = np.concatenate([(near + far) / 2, far - near], axis=1).T
    assert found.reshape(centre.shape) == pytest.approx(centre, abs=1e-3)


@pytest.mark.parametrize("kind", ["pixels", "logits"])
def test_a_yolov5_output_that_is_not_in_pixels_is_refused(tmp_path: Path, kind: str) -> None:
    """Case 22: fractions and undecoded values have the same shape."""
    model = anchored_detector(3)
    (output,) = (value.name for value in model.graph.output)
    node = next(node for node in model.graph.node if node.output[0] == output)
    if kind == "pixels":
        node.output[0] = "pixels"
        factor = numpy_helper.from_array(np.array(1 / SIZE, np.float32), "factor")
        model.graph.initializer.append(factor)
        model.graph.node.append(helper.make_node("Mul", ["pixels", "factor"], [output]))
    else:
        for other in model.graph.node:
            if other.op_type == "Sigmoid":
                other.op_type = "Identity"
    with pytest.raises(UnsupportedModelError, match="YOLOv5"):
        read(model, tmp_path)


def test_a_classifier_whose_softmax_is_over_another_axis_is_refused(tmp_path: Path) -> None:
    """Case 22: each of its scores would be one."""
    decoder = Decoder(3)
    pooled = decoder.builder.node("GlobalAveragePool", [decoder.logits[2]], "pooled")
    output = decoder.builder.node("Softmax", [pooled], "output0", axis=3)
    with pytest.raises(UnsupportedModelError, match="add up to 3"):
        read(decoder.model({output: [1, 3, 1, 1]}), tmp_path)

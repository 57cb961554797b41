"""What a model does to its picture itself is taken out where that is exact, else refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from decoding_models import a_detector
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SIZE, Builder, backbone

from recam_deploy.errors import InputError, UnsupportedModelError
from recam_deploy.network.float_model import FloatModel
from recam_deploy.network.model import Preprocessing
from recam_deploy.network.reading import read_network, read_raw_network

Step = tuple[str, list[Any], dict[str, Any]]
PLANAR, PACKED = (1, 3, SIZE, SIZE), (1, SIZE, SIZE, 3)
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


def behind(
    steps: Sequence[Step],
    *,
    shape: Sequence[int] = PLANAR,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A detector behind operators that prepare its picture."""
    model = a_detector(3)
    graph, added, source = model.graph, [], "images"
    for number, (op, values, options) in enumerate(steps):
        names = [f"step{number}_{place}" for place in range(len(values))]
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in zip(names, values, strict=True)
        )
        made = [f"step{number}_out{place}" for place in range(3 if op == "Split" else 1)]
        sources = [f"step{number - 1}_out{place}" for place in (2, 1, 0)]
        given = sources if op == "Concat" else [source, *names]
        added.append(helper.make_node(op, given, made, **options))
        source = made[0]
    for node in graph.node:
        node.input[:] = [source if name == "images" else name for name in node.input]
    nodes = [*added, *(onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input[0].CopyFrom(helper.make_tensor_value_info("images", kind, shape))
    return model


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


DIVIDE: Step = ("Div", [np.float32(255)], {})
CAST: Step = ("Cast", [], {"to": TensorProto.FLOAT})
TURN: Step = ("Transpose", [], {"perm": [0, 3, 1, 2]})
BYTES: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "divided": ([DIVIDE], {}),
    "multiplied": ([("Mul", [np.full((1, 3, 1, 1), 1 / 255, np.float32)], {})], {}),
    "mean and deviation": (
        [
            ("Sub", [MEAN.reshape(1, 3, 1, 1)], {}),
            ("Div", [DEVIATION.reshape(3, 1, 1)], {}),
        ],
        {},
    ),
    "from -1 to 1": (
        [("Sub", [np.float32(127.5)], {}), ("Mul", [np.float32(1 / 127.5)], {})],
        {},
    ),
    "a convolution of one pixel": (
        [
            (
                "Conv",
                [np.full((3, 1, 1, 1), 1 / 255, np.float32), np.zeros(3, np.float32)],
                {"group": 3},
            )
        ],
        {},
    ),
    "bytes": ([CAST, DIVIDE], {"kind": TensorProto.UINT8}),
    "integers": ([CAST, DIVIDE], {"kind": TensorProto.INT64}),
    "bytes, channels last": ([CAST, DIVIDE, TURN], {"kind": TensorProto.UINT8, "shape": PACKED}),
    "means, channels last": ([("Sub", [MEAN], {}), DIVIDE, TURN], {"shape": PACKED}),
}


@pytest.mark.parametrize(("steps", "options"), BYTES.values(), ids=BYTES.keys())
def test_scaling_of_bytes_inside_the_graph_is_left_to_the_camera(
    tmp_path: Path, steps: list[Step], options: dict[str, Any]
) -> None:
    """Cases 36 and 71: values were divided by 255 twice, and nothing was found."""
    model = behind(steps, **options)
    network, plain = read_network(saved(model, tmp_path))
    assert network.family == "yolo11-detect"
    assert network.input.shape == PLANAR
    picture = np.random.default_rng(2).integers(0, 256, PLANAR).astype(np.float32)
    (found,) = FloatModel(plain.SerializeToString()).run(picture / np.float32(255))
    turned = picture.transpose(0, 2, 3, 1) if options.get("shape") == PACKED else picture
    kinds = {TensorProto.UINT8: np.uint8, TensorProto.INT64: np.int64}
    given = turned.astype(kinds.get(options.get("kind", 0), np.float32))
    (own,) = FloatModel(model.SerializeToString()).run(given)
    assert found == pytest.approx(own, rel=1e-4, abs=1e-3)


def test_a_normalization_of_fractions_stays_in_the_graph(tmp_path: Path) -> None:
    """Case 36: mean 0.485 and deviation 0.229 belong to the values that the camera gives."""
    steps: list[Step] = [
        ("Sub", [(MEAN / 255).reshape(1, 3, 1, 1)], {}),
        ("Div", [(DEVIATION / 255).reshape(1, 3, 1, 1)], {}),
    ]
    model = behind(steps)
    _, plain = read_network(saved(model, tmp_path))
    picture = np.random.default_rng(2).random(PLANAR, np.float32)
    (found,) = FloatModel(plain.SerializeToString()).run(picture)
    (own,) = FloatModel(model.SerializeToString()).run(picture)
    assert np.array_equal(found, own)


NOT_TOLD: dict[str, list[Step]] = {
    "gathered": [("Gather", [np.array([2, 1, 0])], {"axis": 1})],
    "sliced": [
        ("Slice", [np.array([-1]), np.array([-9999]), np.array([1]), np.array([-1])], {}),
    ],
    "split and joined": [
        ("Split", [np.array([1, 1, 1])], {"axis": 1}),
        ("Concat", [], {"axis": 1}),
    ],
    "after scaling": [DIVIDE, ("Gather", [np.array([2, 1, 0])], {"axis": 1})],
}


@pytest.mark.parametrize("steps", NOT_TOLD.values(), ids=NOT_TOLD.keys())
def test_swapped_colours_are_refused_with_the_way_out(tmp_path: Path, steps: list[Step]) -> None:
    """Case 36."""
    with pytest.raises(UnsupportedModelError, match="red and blue") as caught:
        read_network(saved(behind(steps), tmp_path))
    assert "--pixel-format" in caught.value.hint


def test_a_picture_that_the_model_resizes_is_refused(tmp_path: Path) -> None:
    """Case 36."""
    none = np.array([], np.float32)
    resize: Step = ("Resize", [none, none, np.array(PLANAR)], {"mode": "linear"})
    with pytest.raises(UnsupportedModelError, match="resizes its picture"):
        read_network(saved(behind([resize], shape=(1, 3, 96, 128)), tmp_path))


def test_a_raw_network_that_scales_bytes_asks_for_the_scale_of_one(tmp_path: Path) -> None:
    """Case 36."""
    path = saved(behind([CAST, DIVIDE], kind=TensorProto.UINT8), tmp_path)
    with pytest.raises(InputError, match="scales them itself") as caught:
        read_raw_network(path)
    assert "--scale 1,1,1" in caught.value.hint
    network, plain = read_raw_network(path, (), Preprocessing(scale=(1.0, 1.0, 1.0)))
    assert network.preprocessing.scale == (1.0, 1.0, 1.0)
    assert plain.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_slices_that_gather_neighbours_are_no_preprocessing(tmp_path: Path) -> None:
    """Case 36: YOLOX and YOLOv5 of release 5 begin with four slices of the picture."""
    builder = Builder()
    bounds = [builder.constant(n, v) for n, v in (("start", [0]), ("end", [9999]), ("by", [2]))]
    axis = builder.constant("rows", [2])
    halves = [
        builder.node("Slice", ["images", bounds[0], bounds[1], axis, bounds[2]], f"half{n}")
        for n in range(2)
    ]
    joined = builder.node("Concat", halves, "joined", axis=2)
    builder.node("Relu", [backbone(builder, joined)[8]], "out")
    network, _ = read_raw_network(saved(builder.model({"out": [1, 8, 8, 8]}), tmp_path))
    assert network.cut_at == ("out",)


REFUSED = {
    "grey": ([1, 1, 64, 64], "grey picture", "channels: 3"),
    "grey, channels last": ([1, 64, 64, 1], "grey picture", "channels: 3"),
    "four channels": ([1, 4, 64, 64], "4 channels", "channels: 3"),
    "six channels": ([1, 6, 64, 64], "6 channels", "channels: 3"),
    "twelve pictures": ([12, 3, 64, 64], "a batch of 12 pictures", "batch=1"),
    "all dynamic": (["batch", 3, "height", "width"], "dynamic", "--input-shape 1,3,640,640"),
    "batch dynamic": (["batch*2", 3, 320, 320], "dynamic", "--input-shape 1,3,320,320"),
    "nameless": ([None, 3, None, 352], "dynamic", "--input-shape 1,3,352,352"),
    "channels last": (["n", "h", "w", 3], "dynamic", "--input-shape 1,640,640,3"),
    "wide": ([1, 3, 480, 640], "640×480", "imgsz=640"),
    "high": ([1, 3, 320, 224], "224×320", "imgsz=320"),
}


@pytest.mark.parametrize(("shape", "reason", "remedy"), REFUSED.values(), ids=REFUSED.keys())
def test_a_picture_that_the_camera_does_not_give_is_named(
    tmp_path: Path, shape: list[Any], reason: str, remedy: str
) -> None:
    """Cases 30, 47, 48 and 70."""
    with pytest.raises(UnsupportedModelError, match=reason) as caught:
        read_network(saved(behind([], shape=shape), tmp_path))
    assert remedy in caught.value.hint


def test_the_flag_names_the_size_of_the_export(tmp_path: Path) -> None:
    """Case 30."""
    model = behind([], shape=["batch", 3, "height", "width"])  # type: ignore[list-item]
    model.metadata_props.add(key="imgsz", value="[416, 416]")
    with pytest.raises(UnsupportedModelError) as caught:
        read_network(saved(model, tmp_path))
    assert "--input-shape 1,3,416,416" in caught.value.hint


@pytest.mark.parametrize("kind", [33, 1000, 0])
def test_an_input_of_a_type_that_onnx_does_not_know_is_refused_by_its_number(
    tmp_path: Path, kind: int
) -> None:
    """Case 71; found by guided fuzzing."""
    model = a_detector(3)
    model.graph.input[0].type.tensor_type.elem_type = kind
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises((InputError, UnsupportedModelError)):
        read_network(path)

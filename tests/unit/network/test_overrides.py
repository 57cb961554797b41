"""A user may say where a model ends and how large its input is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import SIZE, Builder, backbone, detector, with_branches

from recam_deploy.detection.pictures import read_picture
from recam_deploy.errors import InputError, UnsupportedModelError
from recam_deploy.network.float_model import FloatModel, float_input, network_image
from recam_deploy.network.model import Preprocessing
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[0].dim_param, dims[2].dim_param, dims[3].dim_param = "batch", "height", "width"
    return model


def test_a_dynamic_input_is_refused_until_its_size_is_given(tmp_path: Path) -> None:
    path = saved(dynamic(detector(3)), tmp_path)
    with pytest.raises(UnsupportedModelError, match="batch×3×height×width is dynamic") as caught:
        read_network(path)
    assert "--input-shape" in caught.value.hint
    network, model = read_network(path, input_shape=(1, 3, SIZE, SIZE))
    assert (network.family, network.input.shape) == ("yolo11-detect", (1, 3, SIZE, SIZE))
    FloatModel(prepare(model, network).SerializeToString()).run(
        np.zeros(network.input.shape, np.float32)
    )


@pytest.mark.parametrize("shape", [(1, 3, 96, 96), (1, 3, SIZE), (1, 1, SIZE, SIZE)])
def test_a_fixed_size_is_not_overruled(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = saved(detector(3), tmp_path)
    with pytest.raises(InputError, match="cannot become"):
        read_network(path, input_shape=shape)


HEADS = tuple(f"head{stride}_{kind}" for stride in (8, 16, 32) for kind in ("box", "cls"))


def test_heads_that_are_named_need_no_structure_behind_them(tmp_path: Path) -> None:
    path = saved(with_branches({"box": 64, "obj": 1, "cls": 3}, {"output0": [1, 68, 84]}), tmp_path)
    with pytest.raises(UnsupportedModelError):
        read_network(path)
    network, model = read_network(path, output_names=HEADS)
    assert (network.family, network.cut_at) == ("yolo11-detect", HEADS)
    assert [value.name for value in prepare(model, network).graph.output] == list(HEADS)


def test_a_raw_network_ends_where_it_is_told_in_that_order(tmp_path: Path) -> None:
    path = saved(detector(3), tmp_path)
    network, _ = read_raw_network(path, output_names=("r16", "r8"))
    assert network.cut_at == ("r16", "r8")


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = saved(detector(3), tmp_path)
    with pytest.raises(InputError, match="no tensor 'head8_bix'") as caught:
        read_network(path, output_names=("head8_bix",))
    assert "head8_box" in caught.value.hint


def channels_last() -> onnx.ModelProto:
    builder = Builder()
    planes = builder.node("Transpose", ["images"], "planes", perm=[0, 3, 1, 2])
    feature = backbone(builder, planes)[8]
    builder.node("Relu", [feature], "out")
    return builder.model({"out": [1, 8, 6, 8]}, inputs={"images": [1, 48, 64, 3]})


def test_channels_may_come_last_in_a_raw_network(tmp_path: Path) -> None:
    path = saved(channels_last(), tmp_path)
    with pytest.raises(UnsupportedModelError, match="square"):
        read_network(path)
    network, model = read_raw_network(path)
    assert network.input.shape == (1, 48, 64, 3)
    picture = read_picture(_picture(tmp_path, (100, 40)))
    _, image = network_image(network, picture)
    assert image.shape == (48, 64, 3)
    tensor = float_input(network, image)
    (direct,) = FloatModel(model.SerializeToString()).run(tensor.transpose(0, 2, 3, 1))
    (prepared,) = FloatModel(prepare(model, network).SerializeToString()).run(tensor)
    assert np.array_equal(direct, prepared)


def test_a_larger_picture_is_cropped_to_the_network(tmp_path: Path) -> None:
    wider = Preprocessing(scale=(1, 1, 1), keep_aspect_ratio=False, resize_dims=(64, 96))
    network, _ = read_raw_network(saved(detector(3), tmp_path), (), wider)
    assert network.picture_size == (64, 96)
    _, image = network_image(network, read_picture(_picture(tmp_path, (96, 64))))
    assert image.shape == (64, 96, 3)
    assert np.array_equal(
        float_input(network, image)[0], image[:, 16:80].transpose(2, 0, 1).astype(np.float32)
    )


def _picture(folder: Path, size: tuple[int, int]) -> Path:
    from PIL import Image

    values = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    path = folder / "picture.png"
    Image.fromarray(values).save(path)
    return path

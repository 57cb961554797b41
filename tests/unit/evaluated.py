"""A network whose two models are made in a second, without the compiler, and labelled pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from PIL import Image

from recam_deploy.evaluation.data import open_labelled_set
from recam_deploy.evaluation.detecting import Models
from recam_deploy.evaluation.evaluate import Run, evaluate
from recam_deploy.evaluation.types import LabelledSet
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network
from recam_deploy.progress import SilentProgress
from recam_deploy.resources import resource

MODELS = Path(__file__).resolve().parents[1] / "models"
NETWORK = MODELS / "yolo11-shapes-192.onnx"
_DEMO = resource("device/demo")
_CLASSES = ("circle", "square", "triangle", "star", "cross")


def coarse(model: onnx.ModelProto, side: int) -> onnx.ModelProto:
    """A stand-in for an emulated network: `model` on a picture in 16 shades, uint8 [1, H, W, 3]."""
    float32 = TensorProto.FLOAT
    steps = [numpy_helper.from_array(np.float32(x), n) for n, x in (("s16", 16), ("s17", 16 / 255))]
    nodes = [
        helper.make_node("Cast", ["picture"], ["whole"], to=float32),
        helper.make_node("Div", ["whole", "s16"], ["scaled"]),
        helper.make_node("Floor", ["scaled"], ["floored"]),
        helper.make_node("Mul", ["floored", "s17"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    before = helper.make_graph(
        nodes,
        "before",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, side, side, 3])],
        [helper.make_tensor_value_info("planes", float32, [1, 3, side, side])],
        steps,
    )
    graph = compose.merge_graphs(
        before, model.graph, io_map=[("planes", model.graph.input[0].name)]
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    made.metadata_props.add(key="scales", value=" ".join("1.0" for _ in graph.output))
    return made


def write_models(folder: Path) -> Models:
    """The two models of a small detector, in files below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    network, graph = read_network(NETWORK)
    prepared = prepare(graph, network)
    onnx.save(prepared, folder / "float.onnx")
    onnx.save(coarse(prepared, network.input.width), folder / "emulated.onnx")
    absent = folder / "model.cvimodel"  # which the emulated network stands in for
    return Models(network, absent, folder / "float.onnx", folder / "emulated.onnx")


def write_pictures(folder: Path, count: int) -> Path:
    """A data.yaml with `count` different pictures of the bundled shapes, in JPEG and PNG."""
    sources = sorted((_DEMO / "test").glob("*.jpg"))
    images, labels = folder / "images" / "val", folder / "labels" / "val"
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number in range(count):
        source = sources[number % len(sources)]
        with Image.open(source) as image:
            shades = np.asarray(image.convert("RGB"), np.int16) + 5 * (number // len(sources))
            changed = Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))
        name = f"{number:03}"
        changed.save(images / f"{name}.{'png' if number % 3 == 2 else 'jpg'}")
        (labels / f"{name}.txt").write_text(source.with_suffix(".txt").read_text())
    names = json.dumps(_CLASSES)
    (folder / "data.yaml").write_text(f"val: images/val\nnames: {names}\n")
    return folder / "data.yaml"


def opened(data: Path, models: Models) -> LabelledSet:
    return open_labelled_set(
        data, "detect", models.network.labels, split=None, limit=None, progress=SilentProgress()
    )


def numbers(models: Models, labelled: LabelledSet, run: Run) -> str:
    """The JSON of an evaluation, and every detection in it; without the time that it took."""
    evaluation = evaluate(models, labelled, run, "emulator", SilentProgress())
    document = evaluation.as_json()
    del document["seconds"], document["images_per_second"]
    found = [dataclasses.asdict(one) for one in evaluation.found]
    return json.dumps([document, found], default=repr)


def counted(run: Run, starts: list[int]) -> Run:
    """`run`, which notes the place of each chunk as its results come."""

    def noting(models: Models, pictures: Any) -> Iterator[Any]:
        for start, results in run(models, pictures):
            starts.append(start)
            yield start, results

    return noting

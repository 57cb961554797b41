"""A network of three convolutions and three pictures: enough to go through every tool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIZE = 32
OUTPUTS = {"box": (1, 6, 16, 16), "score": (1, 3, 16, 16)}


def write_network(
    path: Path, operator: str = "Relu", attributes: Mapping[str, Any] | None = None
) -> Path:
    """images [1,3,32,32] -> box [1,6,16,16] and score [1,3,16,16], IR 8, opset 17.

    An `operator` with `attributes` may make the outputs smaller.
    """
    random = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        values: NDArray[np.float32] = random.normal(0.0, 0.3, shape).astype(np.float32)
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node(
            "Conv", ["images", "w0"], ["c0"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]
        ),
        helper.make_node(operator, ["c0"], ["r0"], **(attributes or {})),
        helper.make_node("Conv", ["r0", "w1"], ["box"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["r0", "w2"], ["score"], kernel_shape=[1, 1]),
    ]
    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", float32, [1, 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info(
                name, float32, (*shape[:2], "h", "w") if attributes else shape
            )
            for name, shape in OUTPUTS.items()
        ],
        [weights("w0", 8, 3, 3, 3), weights("w1", 6, 8, 1, 1), weights("w2", 3, 8, 1, 1)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def write_pictures(folder: Path, count: int = 3) -> Path:
    """`count` pictures of noise, wider than high, so that they are letterboxed."""
    folder.mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder

"""A network of one layer that says whether rows of the picture slide: "straight" or "sheared".

The camera's video path pads rows of 3 * 96 = 288 bytes to 320. A model that was built for dense
rows then sees each row 32 bytes further to the right than the one above. So neighbouring rows agree
at the same column where rows are read as they are, and 32 / 3 = 11 columns further where they do
not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE = 96
CLASSES = ("straight", "sheared")
_SLIDE = 11
_GAIN = 60.0


def write_row_probe(path: Path) -> Path:
    """Write the network: images [1,3,96,96] in 0 to 1 -> probabilities [1,2] of `CLASSES`.

    One convolution takes a pixel less the one below it, and less the one below and `_SLIDE` to the
    right; the mean of what is left says how much the rows differ.
    """
    kernels: NDArray[np.float32] = np.zeros((4, 3, 2, _SLIDE + 1), np.float32)
    for number, column in enumerate((0, _SLIDE)):
        for sign, kernel in ((1.0, kernels[2 * number]), (-1.0, kernels[2 * number + 1])):
            kernel[:, 0, 0] = sign / 3
            kernel[:, 1, column] = -sign / 3
    # The class whose rows differ less gets the higher logit.
    votes = np.array([[-1, -1, 1, 1], [1, 1, -1, -1]], np.float32) * _GAIN
    constants = {"kernels": kernels, "votes": votes, "none": np.zeros(2, np.float32)}
    nodes = [
        helper.make_node("Conv", ["images", "kernels"], ["differences"]),
        helper.make_node("Relu", ["differences"], ["one_sided"]),
        helper.make_node("GlobalAveragePool", ["one_sided"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "votes", "none"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "row_probe",
        [helper.make_tensor_value_info("images", float32, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("probabilities", float32, [1, len(CLASSES)])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, {"names": str(dict(enumerate(CLASSES)))})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path

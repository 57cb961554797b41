"""Lower a model to the IR and operator versions that the compiler's onnx of 2023 reads.

onnx's own version converter cannot lower several operators that every YOLO uses (Split, for one),
so the few whose signature changed after opset 17 are rewritten (`rewrites`).
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from ..errors import UnsupportedModelError
from .chip_forms import refuse_what_no_chip_form_has, write_chip_forms
from .constants import Constants
from .rewrites import TARGET_OPSET, Rewriting
from .subgraphs import inner_graphs

TARGET_IR = 8
_SLOPES = {"LeakyRelu": 0.01, "Elu": 1.0, "HardSigmoid": 0.2}


def lower(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of `model` at IR <= 8 and opset <= 17 that computes the same.

    `model` must have its shapes inferred; older models keep their opset.

    Raises UnsupportedModelError for an operator without an equivalent there, or one that the
    compiler has no code for.
    """
    _refuse_operators(model.graph)
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    # Before IR 4, each weight had to be an input as well; cutting leaves the image alone.
    lowered.ir_version = min(model.ir_version, TARGET_IR) if model.ir_version >= 4 else TARGET_IR
    version = max(entry.version for entry in model.opset_import if entry.domain == "")
    if version > TARGET_OPSET:
        Rewriting(lowered, version).run()
        version = TARGET_OPSET
    write_chip_forms(lowered.graph)
    refuse_what_no_chip_form_has(lowered.graph)
    _write_constants(lowered.graph)
    _write_kernels(lowered.graph)
    _write_defaults(lowered.graph)
    del lowered.opset_import[:]
    lowered.opset_import.append(helper.make_opsetid("", version))
    onnx.checker.check_model(lowered)
    return lowered


def _refuse_operators(graph: onnx.GraphProto) -> None:
    """Raise UnsupportedModelError for operators that are not ONNX's own, or hold graphs."""
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in graph.node if node.domain})
    if foreign:
        raise UnsupportedModelError(
            f"the model uses the operator {foreign[0]}, which is not ONNX's own",
            "Export it without custom or runtime-specific operators.",
        )
    for node in graph.node:
        if any(True for _ in inner_graphs(node)):
            what = "chooses between two parts" if node.op_type == "If" else "repeats a part"
            raise UnsupportedModelError(
                f"the operator {node.op_type} ({node.name or node.output[0]}) {what} of the "
                "network while it runs; the TPU always runs all of it, once",
                "Change the network so that nothing depends on the data: squeeze(1) on an unknown "
                "size, `if` on a tensor and loops in a scripted module export as this. "
                "torch.onnx.export of the traced network has none.",
            )


def _write_constants(graph: onnx.GraphProto) -> None:
    """Write the values of Constant nodes as tensors: the compiler reads no numbers or lists."""
    constants = Constants(graph)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name != "value":
            if node.output[0] not in constants:
                raise UnsupportedModelError(
                    f"the constant {node.output[0]} holds text or is sparse, which the compiler "
                    "does not take",
                    "Export the model without it.",
                )
            value = numpy_helper.from_array(constants[node.output[0]], node.output[0])
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("value", value))


def _write_kernels(graph: onnx.GraphProto) -> None:
    """Write each convolution's kernel shape, which is optional in ONNX and not for the compiler."""
    constants = Constants(graph)
    for node in graph.node:
        given = any(attribute.name == "kernel_shape" for attribute in node.attribute)
        if node.op_type in ("Conv", "ConvTranspose") and not given:
            weights = constants.shape(node.input[1])
            if weights is None:
                raise UnsupportedModelError(
                    f"the weights of {node.op_type} ({node.name or node.output[0]}) are computed "
                    "while it runs; the compiler needs constant ones",
                    "Export the float model with constant weights.",
                )
            node.attribute.append(helper.make_attribute("kernel_shape", list(weights[2:])))


def _write_defaults(graph: onnx.GraphProto) -> None:
    """Write ONNX's defaults of attributes for which the compiler has others.

    These are the slopes of activations, and the strides of pools, which the compiler sets to the
    kernel (tpu_mlir 1.7, `transform/OnnxConverter.py`).
    """
    for node in graph.node:
        given = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type in _SLOPES and "alpha" not in given:
            node.attribute.append(helper.make_attribute("alpha", _SLOPES[node.op_type]))
        if node.op_type in ("MaxPool", "AveragePool") and "strides" not in given:
            ones = [1] * len(given["kernel_shape"].ints)
            node.attribute.append(helper.make_attribute("strides", ones))

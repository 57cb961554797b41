"""The reader of ONNX files, small models to damage, and graphs put together at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from rig import Rig, nothing_but_refusals

from recam_deploy.network.onnx_file import digest_of
from recam_deploy.network.reading import read_network, read_raw_network
from recam_deploy.workflows.inspect import OnnxModel, inspect

IMAGE = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])


def read_onnx(rig: Rig, data: bytes) -> None:
    """An ONNX file, as each command reads it: they agree on whether it can be converted."""
    path = rig.folder / "m.onnx"
    path.write_bytes(data)
    accepted = False
    with nothing_but_refusals():
        read_network(path, ("a", "b"))
    with nothing_but_refusals():
        network, model = read_raw_network(path)
        accepted = bool(network.cut_at and model.graph.node)
    assert isinstance(accepted, bool)
    with nothing_but_refusals():
        found = inspect(path)
        assert isinstance(found, OnnxModel)
        assert found.network or found.refusal
    with nothing_but_refusals():
        assert len(digest_of(path)) == 64


def _model(nodes: list[onnx.NodeProto], output: str, opset: int, ir: int = 8) -> bytes:
    weights = [
        numpy_helper.from_array(np.full((2, 3, 1, 1), 0.5, np.float32), "w"),
        numpy_helper.from_array(np.array([1, -1], np.int64), "shape"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array([0.5], np.float16), "half"),
        numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.array([1, 0, 0, 1], np.int64), "pads"),
        numpy_helper.from_array(np.array([2, 2], np.float32), "scales"),
        numpy_helper.from_array(np.array(0, np.int64), "zero"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [IMAGE],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        weights,
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=ir)
    model.metadata_props.add(key="names", value="{0: 'a', 1: 'b'}")
    return model.SerializeToString()


def _branch(op: str, output: str) -> onnx.GraphProto:
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node(op, ["c"], [output])], op, [], [value])


_CONV = helper.make_node("Conv", ["x", "w"], ["c"], name="conv")
SEEDS = (
    _model([_CONV, helper.make_node("Reshape", ["c", "shape"], ["y"])], "y", 17),
    _model(
        [
            _CONV,
            helper.make_node(
                "If",
                ["yes"],
                ["i"],
                then_branch=_branch("Relu", "r"),
                else_branch=_branch("Neg", "n"),
            ),
            helper.make_node("Gelu", ["i"], ["y"]),
        ],
        "y",
        20,
        9,
    ),
    _model(
        [
            _CONV,
            helper.make_node("Cast", ["c"], ["d"], to=TensorProto.FLOAT16),
            helper.make_node("Mul", ["d", "half"], ["e"]),
            helper.make_node("Cast", ["e"], ["y"], to=TensorProto.FLOAT),
        ],
        "y",
        13,
        7,
    ),
    _model([_CONV, helper.make_node("Upsample", ["c"], ["y"], scales=[1.0, 1, 2, 2])], "y", 7, 3),
)

_OPERATORS = (
    *("Add", "Mul", "Concat", "Reshape", "Slice", "Shape", "Gather", "Squeeze", "Unsqueeze"),
    *("Split", "Pad", "Resize", "ReduceMean", "ReduceMax", "Cast", "CastLike", "Identity", "Where"),
    *("Conv", "ConvTranspose", "BatchNormalization", "Gemm", "MatMul", "Softmax", "MaxPool"),
    *("Gelu", "Mish", "LayerNormalization", "GroupNormalization", "HardSwish", "Upsample", "Range"),
    *("ConstantOfShape", "Expand", "Tile", "TopK", "NonZero", "GridSample", "AveragePool", "If"),
    *("Transpose", "Flatten", "Constant", "Clip", "Sum", "Equal", "Not", "ScatterND", "Einsum"),
    *("SequenceConstruct", "SplitToSequence", "Optional", "RandomNormal", "Nothing", "Loop"),
)
_ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(
        (
            *("axis", "axes", "perm", "to", "kernel_shape", "group", "num_outputs", "mode", "pads"),
            *("keepdims", "value_ints", "value", "scales", "shape", "alpha", "equation"),
        )
    ),
    st.integers(-3, 16)
    | st.lists(st.integers(-2, 4), min_size=1, max_size=8)
    | st.floats(-2, 2)
    | st.sampled_from(("linear", "nearest", "ij->ji", "wrap")),
    max_size=2,
)
# Nodes that fit any tensor of four dimensions: operator, further inputs, attributes.
_FITTING: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
    *((op, (), {}) for op in ("Relu", "Gelu", "Mish", "Swish", "HardSwish", "Celu", "Softplus")),
    *((op, (), {}) for op in ("Identity", "Softmax", "Shape", "Flatten", "GlobalAveragePool")),
    *((op, ("c",), {}) for op in ("Add", "Sum", "CastLike", "Equal", "Max", "Mul")),
    *(("Cast", (), {"to": kind}) for kind in (1, 6, 7, 9, 10, 11, 16)),
    ("Concat", ("c",), {"axis": 1}),
    ("Split", (), {"axis": 2, "num_outputs": 2}),
    ("Split", (), {"axis": 1}),
    ("Pad", ("pads", "", "axes"), {}),
    ("Pad", (), {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}),
    ("Resize", ("", "scales"), {"axes": [2, 3], "mode": "linear", "antialias": 1}),
    ("Upsample", (), {"scales": [1.0, 1.0, 2.0, 2.0]}),
    ("ReduceMean", ("axes",), {"keepdims": 1}),
    ("ReduceMax", (), {"axes": [2, 3]}),
    ("Transpose", (), {"perm": [0, 2, 3, 1]}),
    ("Reshape", ("shape",), {}),
    ("Slice", ("axes", "shape"), {}),
    ("Slice", (), {"axes": [2], "starts": [1], "ends": [-1]}),
    ("Squeeze", ("axes",), {}),
    ("MaxPool", (), {"kernel_shape": [2, 2], "dilations": [1, 1]}),
    ("Clip", (), {"min": 0.0, "max": 1.0}),
    ("Gather", ("zero",), {"axis": 0}),
    ("Add", ("half",), {"axis": 0, "broadcast": 1}),
)


@st.composite
def random_models(draw: st.DrawFn) -> bytes:
    """A graph of any operators, each of which reads tensors that are there; seldom one that is not.

    Its nodes may be out of order.
    """
    names, nodes = ["x", "w", "shape", "yes", "half", "c"], [_CONV]
    for number in range(draw(st.integers(1, 6))):
        outputs = [f"n{number}", f"m{number}"][: draw(st.sampled_from((1, 1, 1, 2)))]
        reads = st.lists(st.sampled_from((*names, names[-1], names[-1], "")), max_size=3)
        inputs = [draw(st.sampled_from((names[-1], "c", "x"))), *draw(reads)]
        op, attributes = draw(st.sampled_from(_OPERATORS)), draw(_ATTRIBUTES)
        if draw(st.sampled_from((True, True, True, False))):
            op, more, attributes = draw(st.sampled_from(_FITTING))
            inputs[1:] = more
        nodes.append(helper.make_node(op, inputs[: op != "Constant" and 9], outputs, **attributes))
        names += outputs
    if draw(st.sampled_from((False, False, True))):
        nodes = draw(st.permutations(nodes))
    return _model(nodes, names[-1], draw(st.integers(1, 26)), draw(st.integers(3, 12)))

"""A model is read whatever form its exporter chose, and computes what its file does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SIZE, Builder, detector

from recam_deploy.conversion.preparation_check import check_prepared
from recam_deploy.errors import InputError, UnsupportedModelError
from recam_deploy.network.cutting import cut
from recam_deploy.network.float_model import FloatModel
from recam_deploy.network.lowering import lower
from recam_deploy.network.model import Network
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network

IMAGE = np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)
TRAINED = sorted((Path(__file__).parents[2] / "models").glob("*.onnx"))


def prepared(
    model: onnx.ModelProto, folder: Path, *, family: bool = False
) -> tuple[Network, onnx.ModelProto]:
    """Read a model from a file, prepare it, and check that its outputs are the file's."""
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    network, graph = (read_network if family else read_raw_network)(path)
    result = prepare(graph, network)
    check_prepared(graph, result, network)
    assert result.ir_version in range(4, 9)
    assert result.opset_import[0].version <= 17
    return network, result


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def weights_as_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
    )
    return model


@pytest.mark.parametrize("model", TRAINED, ids=lambda path: path.stem)
def test_a_trained_model_needs_nothing_and_is_prepared_as_ever(model: Path) -> None:
    """So finished steps of the cache stay valid: the graph is cut and lowered, nothing else."""
    network, graph = read_network(model)
    assert network.normalised == ()
    loaded = onnx.shape_inference.infer_shapes(onnx.load(model), strict_mode=True, data_prop=True)
    assert graph.SerializeToString() == loaded.SerializeToString()
    if not network.float_tail:
        plain = lower(cut(loaded, network.input.name, network.cut_at))
        assert prepare(graph, network).SerializeToString() == plain.SerializeToString()


@pytest.mark.parametrize(("ir", "opset"), [(3, 7), (3, 8), (4, 9), (6, 11), (8, 13)])
def test_weights_may_be_inputs_as_well(tmp_path: Path, ir: int, opset: int) -> None:
    """Case 11: IR 3 asks for it, `keep_initializers_as_inputs` does it later."""
    builder = Builder()
    builder.node("Relu", [builder.conv("images", "c", (3, 8), stride=2)], "y")
    model = builder.model({"y": [1, 8, SIZE // 2, SIZE // 2]}, opset=opset, ir=ir)
    _, result = prepared(weights_as_inputs(model), tmp_path)
    assert operators(result) == ["Conv", "Relu"]
    assert [value.name for value in result.graph.input] == ["images"]


def test_weights_of_ir_3_that_are_no_inputs_are_taken_too(tmp_path: Path) -> None:
    """Case 11."""
    builder = Builder()
    builder.conv("images", "c", (3, 8), stride=2)
    prepared(builder.model({"c": [1, 8, 32, 32]}, opset=8, ir=3), tmp_path)


def old_normalization(builder: Builder, source: str) -> str:
    for name, value in (("s", 1.5), ("b", 0.1), ("m", 0.2), ("v", 0.7)):
        builder.constant(name, np.full(8, value), np.float32)
    return builder.node("BatchNormalization", [source, "s", "b", "m", "v"], "y")


def old_upsample(builder: Builder, source: str) -> str:
    return builder.node("Upsample", [source], "y", scales=[1.0, 1.0, 2.0, 2.0], mode="nearest")


def linear_upsample(builder: Builder, source: str) -> str:
    scales = builder.constant("scales", [1, 1, 2, 2], np.float32)
    return builder.node("Upsample", [source, scales], "y", mode="linear")


def old_slice(builder: Builder, source: str) -> str:
    return builder.node("Slice", [source], "y", axes=[2, 3], starts=[1, 0], ends=[-1, 9])


def old_reshape(builder: Builder, source: str) -> str:
    return builder.node("Reshape", [source], "y", shape=[1, 64, -1])


def old_pad_and_clip(builder: Builder, source: str) -> str:
    padded = builder.node("Pad", [source], "padded", pads=[0, 0, 1, 1, 0, 0, 1, 1])
    return builder.node("Clip", [padded], "y", min=0.0, max=0.5)


def old_bias(builder: Builder, source: str) -> str:
    bias = builder.constant("bias", np.arange(8), np.float32)
    return builder.node("Add", [source, bias], "y", axis=1, broadcast=1)


@pytest.mark.parametrize(
    ("build", "opset"),
    [
        (old_normalization, 7),
        (old_upsample, 7),
        (old_upsample, 8),
        (linear_upsample, 9),
        (old_slice, 7),
        (old_slice, 9),
        (old_reshape, 1),
        (old_reshape, 4),
        (old_pad_and_clip, 7),
        (old_bias, 6),
    ],
)
def test_operators_of_old_opsets_are_raised(
    tmp_path: Path, build: Callable[[Builder, str], str], opset: int
) -> None:
    """Case 11. `prepared` compares them with the file, which onnxruntime runs from opset 7 on."""
    builder = Builder()
    output = build(builder, builder.conv("images", "c", (3, 8), stride=2))
    model = weights_as_inputs(builder.model({output: []}, opset=opset, ir=3))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    network, result = prepared(model, tmp_path)
    assert network.normalised[0] == f"opset {opset} raised to 11"
    assert not {"Upsample"} & set(operators(result))


def test_a_bias_from_some_axis_on_keeps_its_axis(tmp_path: Path) -> None:
    """Case 11: onnx's converter puts the ones of an old broadcast on the wrong side."""
    builder = Builder()
    old_bias(builder, builder.conv("images", "c", (3, 8), stride=2))
    _, result = prepared(builder.model({"y": [1, 8, 32, 32]}, opset=6, ir=4), tmp_path)
    (found,) = FloatModel(result.SerializeToString()).run(IMAGE)
    result.graph.node[-1].op_type = "Sub"
    (other,) = FloatModel(result.SerializeToString()).run(IMAGE)
    np.testing.assert_allclose((found - other)[0, :, 5, 5] / 2, np.arange(8), atol=1e-5)


def half(model: onnx.ModelProto, kind: int = TensorProto.FLOAT16) -> onnx.ModelProto:
    """A model in half precision with its inputs and outputs in float32, Casts at the end."""
    outputs = {value.name for value in model.graph.output}
    for node in model.graph.node:
        node.input[:] = ["images_half" if name == "images" else name for name in node.input]
        node.output[:] = [f"{name}_half" if name in outputs else name for name in node.output]
    model.graph.node.append(helper.make_node("Cast", ["images"], ["images_half"], to=kind))
    for name in outputs:
        cast = helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
        model.graph.node.append(cast)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(kind))
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_precisions_become_float32_without_casts(tmp_path: Path, kind: int) -> None:
    """Case 3: Ultralytics' half=True, whose nodes are out of order."""
    model = half(detector(2), kind)
    network, result = prepared(model, tmp_path, family=True)
    assert network.family == "yolo11-detect"
    assert "floats widened" in network.normalised
    assert "Cast" not in operators(result)
    assert {tensor.data_type for tensor in result.graph.initializer} <= {1, TensorProto.INT64}
    weight = next(t for t in result.graph.initializer if t.name == "head8_box_w")
    original = next(t for t in model.graph.initializer if t.name == "head8_box_w")
    wide = numpy_helper.to_array(original).astype(np.float32)
    np.testing.assert_array_equal(numpy_helper.to_array(weight), wide)


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    """Case 3: onnxruntime has no bfloat16 convolution to compare with."""
    path = tmp_path / "m.onnx"
    onnx.save(half(detector(2), TensorProto.BFLOAT16), path)
    network, graph = read_network(path)
    assert "Cast" not in operators(prepare(graph, network))


def test_the_output_of_a_half_precision_classifier_is_still_its_softmax(tmp_path: Path) -> None:
    """Case 3: the Cast behind it goes, its name stays."""
    builder = Builder()
    pooled = builder.node("GlobalAveragePool", [builder.conv("images", "c", (3, 4))], "pooled")
    flat = builder.node("Flatten", [pooled], "flat")
    builder.node("Softmax", [flat], "scores", axis=1)
    names = {"names": str({i: f"class {i}" for i in range(4)})}
    model = half(builder.model({"scores": [1, 4]}, metadata=names))
    network, result = prepared(model, tmp_path, family=True)
    assert (network.family, network.cut_at) == ("classify", ("scores",))
    assert result.graph.node[-1].op_type == "Softmax"


def test_casts_to_whole_numbers_stay(tmp_path: Path) -> None:
    builder = Builder()
    whole = builder.node("Cast", [builder.conv("images", "c", (3, 4))], "i", to=TensorProto.INT32)
    wide = builder.node("Cast", [whole], "d", to=TensorProto.DOUBLE)
    builder.node("Cast", [wide], "y", to=TensorProto.FLOAT)
    _, result = prepared(builder.model({"y": [1, 4, SIZE, SIZE]}), tmp_path)
    assert operators(result) == ["Conv", "Cast", "Cast"]


def test_nodes_in_any_order_are_sorted(tmp_path: Path) -> None:
    """Case 3: those of a branch, too, and after what only a branch reads."""
    model = detector(2)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    network, result = prepared(model, tmp_path, family=True)
    straight, _ = prepared(detector(2), tmp_path, family=True)
    assert network.cut_at == straight.cut_at
    assert operators(result).count("Conv") == 11


def test_nodes_that_wait_for_each_other_are_refused_by_name(tmp_path: Path) -> None:
    """Case 3."""
    builder = Builder()
    builder.node("Add", ["images", "b"], "a")
    builder.node("Relu", ["a"], "b")
    with pytest.raises(InputError, match=r"Add \(a\) waits for its own output"):
        prepared(builder.model({"b": [1, 3, SIZE, SIZE]}), tmp_path)


FUNCTIONS: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    ("Gelu", {}, 20, 0),
    ("Gelu", {"approximate": "tanh"}, 20, 0),
    ("Mish", {}, 18, 0),
    ("Mish", {}, 22, 0),
    ("Swish", {}, 24, 0),
    ("Swish", {"alpha": 1.5}, 24, 0),
    ("HardSwish", {}, 14, 0),
    ("HardSwish", {}, 22, 0),
    ("GroupNormalization", {"num_groups": 2}, 21, 2),
    ("LayerNormalization", {"axis": 1}, 17, 0),
    ("Celu", {}, 12, 0),
    ("MeanVarianceNormalization", {}, 13, 0),
)


@pytest.mark.parametrize(
    ("op", "attributes", "opset", "parameters"),
    [function for function in FUNCTIONS if onnx.defs.has(function[0], function[2], "")],
)
def test_operators_that_the_compiler_does_not_know_are_expanded(
    tmp_path: Path, op: str, attributes: dict[str, Any], opset: int, parameters: int
) -> None:
    """Case 18."""
    builder = Builder()
    inputs = [builder.conv("images", "c", (3, 8), stride=2)]
    inputs += [builder.constant(f"p{i}", np.full(8, 0.7), np.float32) for i in range(parameters)]
    if op == "LayerNormalization":
        inputs.append(builder.constant("scale", np.full((8, 32, 32), 0.7), np.float32))
    builder.node(op, inputs, "y", **attributes)
    model = builder.model({"y": [1, 8, 32, 32]}, opset=opset, ir=10)
    network, result = prepared(model, tmp_path)
    known = op in ("HardSwish", "LayerNormalization")
    assert (op in operators(result)) == known
    assert bool(network.normalised) != known
    assert "CastLike" not in operators(result)
    assert [value.name for value in result.graph.output] == ["y"]


@pytest.mark.parametrize("opset", [17, 22])
def test_selu_of_any_opset_becomes_an_elu(tmp_path: Path, opset: int) -> None:
    """Case 18: the body that newer opsets give it compares, for which the chip has no code."""
    builder = Builder()
    builder.node("Selu", [builder.conv("images", "c", (3, 8), stride=2)], "y")
    model = builder.model({"y": [1, 8, 32, 32]}, opset=opset, ir=10)
    _, result = prepared(model, tmp_path)
    assert operators(result) == ["Conv", "Elu", "Mul"]


def test_the_functions_that_a_model_brings_are_inlined(tmp_path: Path) -> None:
    """Case 18: torch's newer exporter writes some parts so; one calls another."""
    inner = helper.make_function(
        "own",
        "half",
        ["X"],
        ["Y"],
        [
            helper.make_node("Constant", [], ["k"], value_float=0.5),
            helper.make_node("Mul", ["X", "k"], ["Y"]),
        ],
        [helper.make_opsetid("", 18)],
    )
    outer = helper.make_function(
        "own",
        "twice",
        ["X"],
        ["Y"],
        [
            helper.make_node("half", ["X"], ["H"], domain="own"),
            helper.make_node("half", ["H"], ["Y"], domain="own"),
        ],
        [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)],
    )
    builder = Builder()
    source = builder.conv("images", "c", (3, 8), stride=2)
    builder.nodes.append(helper.make_node("twice", [source], ["y"], domain="own"))
    model = builder.model({"y": [1, 8, 32, 32]}, opset=18, ir=9)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.extend([inner, outer])
    network, result = prepared(model, tmp_path)
    assert network.normalised[0] == "functions inlined"
    assert [op for op in operators(result) if op != "Constant"] == ["Conv", "Mul", "Mul"]


def constants() -> Iterator[tuple[str, Callable[[Builder], str]]]:
    """The ways to write the axes 2 and 3 as a constant."""

    def node(**value: Any) -> Callable[[Builder], str]:
        def build(builder: Builder) -> str:
            builder.nodes.append(helper.make_node("Constant", [], ["axes"], **value))
            return "axes"

        return build

    def computed(builder: Builder) -> str:
        one = builder.constant("one", [1, 2])
        return builder.node("Add", [one, builder.constant("step", [1])], "axes")

    def identity(builder: Builder) -> str:
        return builder.node("Identity", [builder.constant("there", [2, 3])], "axes")

    def from_shape(builder: Builder) -> str:
        shape = builder.node("Shape", ["c"], "size", start=2)
        sixteen = builder.constant("n", [16, 10])
        return builder.node("Div", [shape, sixteen], "axes")  # 32 and 32 by 16 and 10

    yield "value", node(value=numpy_helper.from_array(np.array([2, 3])))
    yield "value_ints", node(value_ints=[2, 3])
    yield "weight", lambda builder: builder.constant("axes", [2, 3])
    yield "identity", identity
    yield "computed", computed
    yield "from a shape", from_shape


@pytest.mark.parametrize(
    "build", [b for _, b in constants()], ids=[name for name, _ in constants()]
)
def test_axes_may_be_any_kind_of_constant(tmp_path: Path, build: Callable[[Builder], str]) -> None:
    """Case 18."""
    builder = Builder()
    source = builder.conv("images", "c", (3, 8), stride=2)
    builder.node("ReduceMean", [source, build(builder)], "y", keepdims=0)
    _, result = prepared(builder.model({"y": [1, 8]}, opset=18, ir=8), tmp_path)
    (mean,) = [node for node in result.graph.node if node.op_type == "ReduceMean"]
    assert list(mean.input) == ["c"]
    kinds = {a.name for n in result.graph.node if n.op_type == "Constant" for a in n.attribute}
    assert kinds <= {"value"}


def test_an_index_may_be_one_number(tmp_path: Path) -> None:
    """Case 18: `Constant(value_int)` has no dimension."""
    builder = Builder()
    source = builder.conv("images", "c", (3, 8), stride=2)
    builder.nodes.append(helper.make_node("Constant", [], ["index"], value_int=2))
    builder.node("Gather", [source, "index"], "y", axis=1)
    _, result = prepared(builder.model({"y": [1, 32, 32]}, opset=18), tmp_path)
    (constant,) = [node for node in result.graph.node if node.op_type == "Constant"]
    assert constant.attribute[0].name == "value"


def test_sizes_that_depend_on_the_picture_are_refused_by_name(tmp_path: Path) -> None:
    """Case 18: a constant would do; this is none."""
    builder = Builder()
    found = builder.node("ArgMax", [builder.conv("images", "c", (3, 8))], "found", axis=3)
    first = builder.node("ReduceMin", [found], "first", keepdims=0)
    axes = builder.node("Reshape", [first, builder.constant("one", [1])], "axes")
    builder.node("ReduceMean", ["c", axes], "y", keepdims=1)
    model = builder.model({"y": [1, 8, SIZE, SIZE]}, opset=18)
    with pytest.raises(UnsupportedModelError, match="computed while it runs") as caught:
        prepared(model, tmp_path)
    assert "dynamo=False" in caught.value.hint

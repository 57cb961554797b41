"""What is the same for every picture is computed once; what is not is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SIZE, Builder, detector

from recam_deploy.conversion.preparation_check import check_prepared
from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.folding import fold
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network
from recam_deploy.workflows.inspect import OnnxModel, inspect


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "m.onnx"
    onnx.save(model, path)
    return path


def converted(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    network, graph = read_raw_network(saved(model, folder))
    result = prepare(graph, network)
    check_prepared(graph, result, network)
    return result


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node if node.op_type != "Constant"]


def value(name: str, shape: list[int] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def branch(
    nodes: list[tuple[str, list[str], str]], output: str, *weights: onnx.TensorProto
) -> onnx.GraphProto:
    made = [helper.make_node(op, inputs, [out], name=out) for op, inputs, out in nodes]
    return helper.make_graph(made, "branch", [], [value(output)], list(weights))


def choice(condition: str, output: str, yes: onnx.GraphProto, no: onnx.GraphProto) -> Any:
    return helper.make_node(
        "If", [condition], [output], name=output, then_branch=yes, else_branch=no
    )


def test_heads_behind_computed_sizes_are_found(tmp_path: Path) -> None:
    """YOLOv9's plain export splits a tensor by its own shape, so that no shape after it is known:
    Shape, Gather, Add, Div, Mul, Slice, twice in each of its blocks."""
    model = detector(2)
    last = next(node for node in model.graph.node if node.output[0] == "f8")
    builder = Builder()
    shape = builder.node("Shape", ["r4"], "shape")
    count = builder.node("Gather", [shape, builder.constant("axis", [1])], "count")
    more = builder.node("Add", [count, builder.constant("one", [1])], "more")
    half = builder.node("Div", [more, builder.constant("two", [2])], "half")
    ends = builder.node("Mul", [half, builder.constant("n", [1])], "ends")
    both = builder.node("Mul", [half, "two"], "both")
    start = builder.constant("start", [0])
    parts = [
        builder.node("Slice", ["r4", start, ends, "axis"], "first"),
        builder.node("Slice", ["r4", ends, both, "axis"], "second"),
    ]
    builder.node("Concat", parts, "together", axis=1)
    last.input[0] = "together"
    nodes = list(model.graph.node)
    place = nodes.index(last)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend([*copies[:place], *builder.nodes, *copies[place:]])
    model.graph.initializer.extend(builder.weights)
    network, graph = read_network(saved(model, tmp_path))
    assert network.family == "yolo11-detect"
    assert network.normalised == ("constants folded",)
    result = prepare(graph, network)
    check_prepared(graph, result, network)
    assert {"Shape", "Gather", "Div"}.isdisjoint(operators(result))
    ends_of = next(t for t in result.graph.initializer if t.name == "ends")
    np.testing.assert_array_equal(numpy_helper.to_array(ends_of), [4])


def test_folding_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    """The cache's key names the file, not the folded graph."""
    builder = Builder()
    source = builder.conv("images", "c", (3, 8))
    sizes = builder.node("Shape", [source], "sizes")
    product = builder.node("Mul", [sizes, builder.constant("ones", [1, 1, 1, 1])], "product")
    builder.node("Reshape", [source, product], "y")
    model = onnx.shape_inference.infer_shapes(builder.model({"y": [1, 8, SIZE, SIZE]}))
    texts = {fold(model).SerializeToString(deterministic=True) for _ in range(3)}
    assert len(texts) == 1


def test_what_is_random_or_quantized_is_not_folded() -> None:
    builder = Builder()
    for name, number, kind in (("q", 4, np.int8), ("s", 0.5, np.float32), ("z", 0, np.int8)):
        builder.constant(name, number, kind)
    builder.node("DequantizeLinear", ["q", "s", "z"], "weight")
    builder.node("RandomUniformLike", ["s"], "noise")
    builder.node("Add", ["images", "weight"], "a")
    builder.node("Add", ["a", "noise"], "y")
    model = onnx.shape_inference.infer_shapes(builder.model({"y": [1, 3, SIZE, SIZE]}))
    assert fold(model) is model


@pytest.mark.parametrize("condition", [True, False])
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_an_if_of_constant_condition_becomes_the_branch_that_it_takes(
    tmp_path: Path, condition: bool, opset: int
) -> None:
    """Case 12, and row 4 of what was found by reading: branches read a convolution's output and
    weights of the outer graph, and have weights of their own."""
    builder = Builder()
    builder.conv("images", "c", (3, 8), stride=2)
    builder.constant("k", 2.0, np.float32)
    builder.constant("yes", condition, np.bool_)
    own = numpy_helper.from_array(np.float32(3), "own")
    yes = branch([("Mul", ["c", "k"], "t"), ("Add", ["t", "own"], "u")], "u", own)
    no = branch([("Neg", ["c"], "t")], "t")
    builder.nodes.append(choice("yes", "i", yes, no))
    builder.node("Relu", ["i"], "y")
    model = builder.model({"y": [1, 8, 32, 32]}, opset=opset, ir=7)
    wanted = ["Conv", "Mul", "Add", "Relu"] if condition else ["Conv", "Neg", "Relu"]
    assert operators(converted(model, tmp_path)) == wanted


def test_the_squeeze_of_an_old_exporter_is_folded(tmp_path: Path) -> None:
    """Case 12: `squeeze(1)` asks at run time whether the size is 1."""
    builder = Builder()
    source = builder.conv("images", "c", (3, 1), stride=2)
    sizes = builder.node("Shape", [source], "sizes")
    size = builder.node("Gather", [sizes, builder.constant("axis", 1)], "size", axis=0)
    builder.node("Equal", [size, builder.constant("one", 1)], "is_one")
    yes = onnx.GraphProto()
    yes.CopyFrom(branch([("Squeeze", ["c", "axes"], "s")], "s"))
    builder.constant("axes", [1])
    builder.nodes.append(choice("is_one", "i", yes, branch([("Identity", ["c"], "e")], "e")))
    builder.node("Relu", ["i"], "y")
    model = builder.model({"y": [1, 32, 32]}, opset=13)
    assert operators(converted(model, tmp_path)) == ["Conv", "Squeeze", "Relu"]


def test_branches_within_branches_keep_what_they_read(tmp_path: Path) -> None:
    """Case 12: the inner one reads the outermost graph's tensors and its own branch's; both
    branches of both use the same names."""
    builder = Builder()
    builder.conv("images", "c", (3, 8), stride=2)
    builder.constant("k", 2.0, np.float32)
    builder.constant("yes", True, np.bool_)
    for number in (1, 2):
        inner = choice(
            "yes",
            "inner",
            branch([("Add", ["t", "c"], "v"), ("Mul", ["v", "k"], "w")], "w"),
            branch([("Neg", ["t"], "w")], "w"),
        )
        outer = branch([("Mul", ["c" if number == 1 else "y1", "k"], "t")], "inner")
        outer.node.append(inner)
        builder.nodes.append(choice("yes", f"y{number}", outer, branch([("Neg", ["c"], "n")], "n")))
    result = converted(builder.model({"y2": [1, 8, 32, 32]}, opset=16), tmp_path)
    assert operators(result) == ["Conv", "Mul", "Add", "Mul", "Mul", "Add", "Mul"]
    names = [name for node in result.graph.node for name in node.output]
    assert len(set(names)) == len(names)


def test_a_branch_that_gives_an_outer_tensor_as_it_is(tmp_path: Path) -> None:
    """Case 12: and one that gives one tensor twice."""
    builder = Builder()
    builder.conv("images", "c", (3, 8), stride=2)
    builder.constant("yes", True, np.bool_)
    same = branch([("Relu", ["c"], "r")], "r")
    same.output.append(value("r"))
    other = branch([("Neg", ["c"], "n")], "n")
    other.output.append(value("n"))
    node = helper.make_node("If", ["yes"], ["a", "b"], then_branch=same, else_branch=other)
    builder.nodes.append(node)
    builder.node("Add", ["a", "b"], "y")
    result = converted(builder.model({"y": [1, 8, 32, 32]}), tmp_path)
    assert operators(result) == ["Conv", "Relu", "Identity", "Add"]


def undecided(builder: Builder, source: str, output: str) -> None:
    """An If whose condition the picture decides."""
    top = builder.node("ReduceMax", [source], f"{output}_top", keepdims=0)
    zero = builder.constant(f"{output}_zero", 0.0, np.float32)
    asked = builder.node("Greater", [top, zero], f"{output}_asked")
    yes = branch([("Mul", [source, "factor"], "t")], "t")
    builder.nodes.append(choice(asked, output, yes, branch([("Identity", [source], "n")], "n")))


def loop(source: str, output: str, trips: str) -> onnx.NodeProto:
    """A Loop whose body reads an outer weight."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["state", "factor"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            value("state"),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), value("next")],
    )
    return helper.make_node("Loop", [trips, "", source], [output], name=output, body=body)


def with_loop(builder: Builder, source: str, output: str) -> None:
    builder.nodes.append(loop(source, output, builder.constant("trips", 3)))


@pytest.mark.parametrize(
    ("build", "message"),
    [(undecided, r"If \(y\) chooses between two parts"), (with_loop, r"Loop \(y\) repeats a part")],
    ids=["if", "loop"],
)
def test_what_the_picture_decides_is_refused_by_name_by_every_command(
    tmp_path: Path, build: Any, message: str
) -> None:
    """Case 12: approved by `inspect` and `--dry-run` before, an internal error when converted."""
    builder = Builder()
    builder.constant("factor", 2.0, np.float32)
    build(builder, builder.conv("images", "c", (3, 8), stride=2), "y")
    path = saved(builder.model({"y": [1, 8, 32, 32]}), tmp_path)
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        read_raw_network(path)
    assert "torch.onnx.export" in caught.value.hint


@pytest.mark.parametrize("build", [undecided, with_loop], ids=["if", "loop"])
def test_it_may_be_in_the_part_that_is_cut_away(tmp_path: Path, build: Any) -> None:
    """Case 12: torchvision's detectors, and every suppression in the graph."""
    model = detector(2)
    (output,) = (end.name for end in model.graph.output)
    builder = Builder()
    builder.constant("factor", 1.0, np.float32)
    build(builder, output, "y")
    model.graph.node.extend(builder.nodes)
    model.graph.initializer.extend(builder.weights)
    model.graph.output[0].name = "y"
    path = saved(model, tmp_path)
    network, graph = read_network(path)
    assert network.family == "yolo11-detect"
    assert {"If", "Loop", "Greater"}.isdisjoint(operators(prepare(graph, network)))
    found = inspect(path)
    assert isinstance(found, OnnxModel)
    assert found.network is not None


def test_in_the_backbone_of_a_detector_it_is_refused(tmp_path: Path) -> None:
    """Case 12: and `inspect` says so, as `convert` does."""
    builder = Builder()
    builder.constant("factor", 2.0, np.float32)
    undecided(builder, builder.conv("images", "c", (3, 3)), "chosen")
    model = detector(2)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    copies[0].input[0] = "chosen"
    del model.graph.node[:]
    model.graph.node.extend([*builder.nodes, *copies])
    model.graph.initializer.extend(builder.weights)
    found = inspect(saved(model, tmp_path))
    assert isinstance(found, OnnxModel)
    assert found.refusal is not None
    assert "If (chosen)" in found.refusal.message


def test_a_loop_over_constants_is_folded(tmp_path: Path) -> None:
    """Case 12: its body captures a weight."""
    builder = Builder()
    builder.constant("factor", 2.0, np.float32)
    builder.constant("begin", 1.0, np.float32)
    with_loop(builder, "begin", "eight")
    builder.node("Mul", [builder.conv("images", "c", (3, 8)), "eight"], "y")
    result = converted(builder.model({"y": [1, 8, SIZE, SIZE]}), tmp_path)
    assert operators(result) == ["Conv", "Mul"]
    eight = next(t for t in result.graph.initializer if t.name == "eight")
    assert numpy_helper.to_array(eight) == 8


def test_a_detector_with_a_dynamic_shape_in_its_decoding_keeps_its_own_graph(
    tmp_path: Path,
) -> None:
    """What the compiler gets stays what it got, so the cache stays warm."""
    model = detector(2)
    (output,) = (end.name for end in model.graph.output)
    model.graph.node.extend(
        [
            helper.make_node("NonZero", [output], ["found"]),
            helper.make_node("Cast", ["found"], ["y"], to=TensorProto.FLOAT),
        ]
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, "found"]))
    network, _ = read_network(saved(model, tmp_path))
    assert network.normalised == ()

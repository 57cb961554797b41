"""What recam writes in another form goes through the real compiler; what it refuses does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recam_deploy.cvimodel import read_header
from recam_deploy.errors import CompilationError
from recam_deploy.network.lowering import lower
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain import Toolchain, ToolCommand, run_tool

pytestmark = pytest.mark.toolchain

SIDE = 32
Nodes = list[onnx.NodeProto]


def selu() -> Nodes:
    return [helper.make_node("Selu", ["x"], ["y"], name="selu")]


def gelu() -> Nodes:
    """As torch's newer exporter writes it."""
    words = [("Mul", "x", "root", "a"), ("Erf", "a", "", "e"), ("Add", "e", "one", "p")]
    words += [("Mul", "half", "p", "h"), ("Mul", "x", "h", "y")]
    return [helper.make_node(op, [a, b] if b else [a], [out], name=out) for op, a, b, out in words]


def groups() -> Nodes:
    """As torch's older exporter writes nn.GroupNorm."""
    return [
        helper.make_node("Reshape", ["x", "grouped"], ["g"], name="g"),
        helper.make_node("InstanceNormalization", ["g", "ones", "zeros"], ["n"], name="n"),
        helper.make_node("Reshape", ["n", "whole"], ["y"], name="y"),
    ]


def compared() -> Nodes:
    return [
        helper.make_node("Greater", ["x", "half"], ["c"], name="c"),
        helper.make_node("Where", ["c", "x", "half"], ["y"], name="y"),
    ]


def network(body: Nodes) -> onnx.ModelProto:
    values = {
        "w": np.random.default_rng(0).normal(0, 0.3, (8, 3, 3, 3)),
        "root": 0.5**0.5,
        "one": 1,
        "half": 0.5,
        "ones": np.ones(4),
        "zeros": np.zeros(4),
    }
    weights = [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in values.items()]
    for name, sizes in {"grouped": [1, 4, -1], "whole": [1, 8, SIDE, SIDE]}.items():
        weights.append(numpy_helper.from_array(np.array(sizes, np.int64), name))
    first = helper.make_node("Conv", ["images", "w"], ["x"], kernel_shape=[3, 3], pads=[1] * 4)
    graph = helper.make_graph(
        [first, *body, helper.make_node("Relu", ["y"], ["out"], name="out")],
        "forms",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 8, SIDE, SIDE])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def compile_in_bf16(toolchain: Toolchain, model: onnx.ModelProto, folder: Path) -> None:
    def run(tool: str, *words: str, made: str) -> None:
        run_tool(
            toolchain,
            ToolCommand(tool, words, (Path(made),)),
            folder,
            folder / f"{tool}.log",
            SilentProgress(),
            timeout=300,
            check=lambda path: None,
        )

    onnx.save(model, folder / "m.onnx")
    shape = f"[[1,3,{SIDE},{SIDE}]]"
    words = ("--model_name", "m", "--model_def", str(folder / "m.onnx"), "--input_shapes", shape)
    run("model_transform", *words, "--mlir", "m.mlir", made="m.mlir")
    words = ("--mlir", "m.mlir", "--quantize", "BF16", "--processor", "cv181x")
    run("model_deploy", *words, "--model", "m.cvimodel", made="m.cvimodel")
    read_header(folder / "m.cvimodel")


@pytest.mark.parametrize("body", [selu, gelu, groups])
def test_a_form_that_stops_the_compiler_is_rewritten(
    toolchain: Toolchain, tmp_path: Path, body: Callable[[], Nodes]
) -> None:
    with pytest.raises(CompilationError):
        compile_in_bf16(toolchain, network(body()), tmp_path)
    compile_in_bf16(toolchain, lower(network(body())), tmp_path)


def test_a_comparison_stops_the_compiler(toolchain: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(CompilationError):
        compile_in_bf16(toolchain, network(compared()), tmp_path)

"""Let a model's input be what the camera gives: RGB from 0 to 1, one plane a channel.

Some exports scale, transpose or cast their picture themselves. Where that is arithmetic alone, it
is taken out of the graph exactly, and what remains gets the camera's values. The order of colours
cannot be told from a graph, nor can a size that the model changes itself: those are refused.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import InputError, UnsupportedModelError
from .input_chain import InputChain, input_chain
from .model import Preprocessing
from .runtime import Array

_BYTES = 255.0


Changed: TypeAlias = tuple[onnx.ModelProto, tuple[str, ...]]
"""A model, and the names of the steps that changed it."""


def plain_input(model: onnx.ModelProto) -> Changed:
    """Return a model of the camera's families with a plain input.

    Raises UnsupportedModelError where the model swaps colours or changes the picture's size itself.
    """
    chain = input_chain(model)
    if chain is None:
        return model, ()
    if chain.resized:
        raise UnsupportedModelError(
            "the model resizes its picture itself, in its first layers; the camera does that, and "
            "the boxes would be those of another size",
            "Export the model without its preprocessing, at the size of its first convolution.",
        )
    if chain.swapped:
        raise UnsupportedModelError(
            "the model swaps red and blue itself, in its first layers, and its file does not tell "
            "which order it wants; the camera gives RGB",
            "Export the model without its preprocessing, so that it takes RGB. Or convert with "
            "--family raw and --pixel-format, which says what the input is.",
        )
    steps = _steps(chain)
    if not steps:
        return model, ()
    return _rewritten(model, chain, _BYTES if chain.of_pixels else 1.0), steps


def raw_input(model: onnx.ModelProto, preprocessing: Preprocessing) -> Changed:
    """Return a raw model whose input is float, where a cast follows integers at once.

    Raises InputError where the model scales bytes itself, and `preprocessing` does so too.
    """
    chain = input_chain(model)
    if chain is None:
        return model, ()
    if chain.of_pixels and max(preprocessing.scale) < 0.5:
        factor = f"{chain.scale[0]:.4g}" if chain.scaled else "1"
        raise InputError(
            f"the model takes bytes and scales them itself (by {factor}, in its first layers), and "
            f"the settings scale by {preprocessing.scale[0]:.4g} before that",
            "Give --scale 1,1,1 --mean 0,0,0: the model then gets bytes from 0 to 255.",
        )
    if chain.kind == TensorProto.FLOAT or not _cast_first(model, chain):
        return model, ()
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    _without_cast(changed, chain)
    return changed, ("cast of the input left out",)


def both_inputs(
    written: onnx.ModelProto, noise: Array, *, raw: bool
) -> tuple[npt.NDArray[np.generic], Array]:
    """Return one picture as a file takes it, and as the model does that was made plain.

    `noise` is float32 [1, 3, H, W] from 0 to 1. A raw network keeps its own scaling.
    """
    chain = input_chain(written)
    if chain is None:
        return noise, noise
    pixels = np.rint(noise * np.float32(_BYTES))
    fractions = pixels / np.float32(_BYTES)
    values = pixels if chain.of_pixels and chain.nodes else fractions
    turned = values.transpose(0, 2, 3, 1) if chain.channels_last else values
    given = turned.astype(helper.tensor_dtype_to_np_dtype(chain.kind))
    return given, (values if raw else fractions)


def _steps(chain: InputChain) -> tuple[str, ...]:
    """Say what has to be taken out; nothing where the input is plain already."""
    steps = []
    if chain.kind != TensorProto.FLOAT and chain.nodes:
        steps.append("cast of the input left out")
    if chain.of_pixels and chain.nodes:
        steps.append("scaling of the input's bytes left to the camera")
    if chain.moved:
        steps.append("input transposed to channels first")
    return tuple(steps)


def _rewritten(model: onnx.ModelProto, chain: InputChain, unit: float) -> onnx.ModelProto:
    """Replace the chain by one multiplication and addition, if by anything.

    The new input is `unit` times smaller than the old one, float, with its channels first.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    weights = {tensor.name for tensor in graph.initializer}
    picture = next(value for value in graph.input if value.name not in weights)
    kept = [node for node in graph.node if not set(chain.nodes) & set(node.output)]
    source = picture.name
    added: list[onnx.NodeProto] = []
    factors = np.asarray(chain.scale) * unit
    for op, values, none in (("Mul", factors, 1.0), ("Add", np.asarray(chain.offset), 0.0)):
        if np.allclose(values, none, rtol=0, atol=1e-6):
            continue
        name = f"{picture.name}_{op.lower()}"
        array = values.astype(np.float32).reshape(1, -1, 1, 1)
        graph.initializer.append(numpy_helper.from_array(array, f"{name}_values"))
        added.append(helper.make_node(op, [source, f"{name}_values"], [name], name))
        source = name
    for node in kept:
        node.input[:] = [source if name == chain.end else name for name in node.input]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in (*added, *kept)]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    kind = picture.type.tensor_type
    kind.elem_type = TensorProto.FLOAT
    if chain.moved:
        sides = [
            onnx.TensorShapeProto.Dimension.FromString(d.SerializeToString())
            for d in kind.shape.dim
        ]
        del kind.shape.dim[:]
        kind.shape.dim.extend(sides[place] for place in (0, 3, 1, 2))
    return changed


def _cast_first(model: onnx.ModelProto, chain: InputChain) -> bool:
    producers = {name: node for node in model.graph.node for name in node.output}
    return bool(chain.nodes) and producers[chain.nodes[0]].op_type == "Cast"


def _without_cast(model: onnx.ModelProto, chain: InputChain) -> None:
    graph = model.graph
    cast = next(node for node in graph.node if chain.nodes[0] in node.output)
    source = cast.input[0]
    for node in graph.node:
        node.input[:] = [source if name == cast.output[0] else name for name in node.input]
    graph.node.remove(cast)
    del graph.value_info[:]
    for value in graph.input:
        if value.name == source:
            value.type.tensor_type.elem_type = TensorProto.FLOAT

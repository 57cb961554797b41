"""Apply the user's overrides to a model: input shape and output cut."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import onnx

from ..errors import InputError
from .cutting import cut


def set_input_shape(model: onnx.ModelProto, shape: Sequence[int]) -> None:
    """Set the dynamic axes of the one input of `model` to `shape`, in place.

    Raises InputError when the model has several inputs, or a fixed axis has another size.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else ()
    fits = len(dims) == len(shape) and all(
        dim.dim_value <= 0 or dim.dim_value == size for dim, size in zip(dims, shape, strict=True)
    )
    if not fits:
        shown = "×".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
        raise InputError(
            f"the model's input is {shown or 'not a single one'} and cannot become "
            f"{'×'.join(map(str, shape))}",
            "Give one size for each of its axes; only dynamic ones can be set.",
        )
    for dim, size in zip(dims, shape, strict=True):
        dim.dim_value = size
    # Shapes inferred for the dynamic input would conflict with those for this one.
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")


def end_at(model: onnx.ModelProto, input_name: str, names: Sequence[str]) -> onnx.ModelProto:
    """Return `model` up to the tensors `names`, which become its outputs in that order.

    `model` must have its shapes inferred. Raises InputError for a name that is not in the model.
    """
    tensors = [name for node in model.graph.node for name in node.output if name]
    for name in names:
        if name not in tensors:
            near = difflib.get_close_matches(name, tensors, n=1, cutoff=0.0)
            raise InputError(
                f"the model has no tensor {name!r} to end at",
                f"The nearest name is {near[0]!r}." if near else "It has no tensors at all.",
            )
    part = cut(model, input_name, names)
    part.metadata_props.extend(model.metadata_props)
    return onnx.shape_inference.infer_shapes(part, strict_mode=True, data_prop=True)

"""Take a pose or segmentation model before its export ranks or suppresses its rows.

Ultralytics' `nms=True` and its NMS-free exports end in a list of the best detections, [1, 300, n].
The camera reads all rows, [1, n, N], as centre and size, and suppresses itself. The rows are in the
graph; there they hold corners, so two nodes of arithmetic turn them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import UnsupportedModelError
from .box_forms import CENTRES, CORNERS, BoxForm
from .constants import Constants
from .decode_rules import PLAIN_EXPORT, row_form
from .graph import Graph
from .heads import BOX_CHANNELS, PLAIN_BOX_CHANNELS, STRIDES, last_by_stride
from .model import NetworkInput
from .own_decoding import values_of
from .pixel_rows import MASK_CHANNELS
from .sample_picture import run_on_sample

UNRANKED = "rows taken before they are ranked"
"""The step that is named in a network's `normalised`."""
_RANKING = ("TopK", "NonMaxSuppression")


def unranked(
    model: onnx.ModelProto, image: NetworkInput, ends: Sequence[str] = ()
) -> onnx.ModelProto:
    """Return a pose or segmentation model that ends at its rows [1, n, N]; others as they are.

    `model` must have its shapes inferred. Where the user's `ends` are all in it, it stays as it is.
    Raises UnsupportedModelError where the rows are ranked and cannot be taken before that.
    """
    graph = Graph(model)
    if ends and all(name in graph.producers for name in ends):
        return model
    outputs = _outputs(graph)
    by_stride = last_by_stride(graph, image)
    if outputs is None or sorted(by_stride) != list(STRIDES):
        return model
    made = graph.needed_for(outputs[0])
    parts = [[name for name in by_stride[s] if name in made] for s in STRIDES]
    width = 0 if _has_angles(graph, parts) else _row_width(graph, parts)
    cells = sum((image.width // stride) ** 2 for stride in STRIDES)
    if not width or graph.shapes.get(outputs[0]) == (1, width, cells):
        return model
    rows = _find_rows(graph, outputs[0], {width, cells})
    if rows is None:
        return _as_it_is(model, graph, outputs[0])
    heads = [name for found in parts for name in found]
    arrays = run_on_sample(model, image, [rows, *heads])
    table = arrays[rows][0]
    table = table if table.shape[1] == width else table.T
    form = row_form(table, [[arrays[name] for name in found] for found in parts], image.width)
    if form is None or form not in (BoxForm(CENTRES), BoxForm(CORNERS)):
        return _as_it_is(model, graph, outputs[0])
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    turned = graph.shapes[rows][1:] == (cells, width)
    _end_at_rows(
        changed,
        rows,
        outputs[1:],
        (width, cells),
        turned=turned,
        corners=form.order == CORNERS,
    )
    return changed


def _outputs(graph: Graph) -> tuple[str, ...] | None:
    """Return the rows' output and, of a segmentation model, that of the prototypes after it."""
    ranks = {name: len(graph.shapes.get(name, ())) for name in graph.outputs}
    lists = [name for name, rank in ranks.items() if rank != 4]
    maps = [
        name for name, rank in ranks.items() if rank == 4 and graph.shapes[name][1] == MASK_CHANNELS
    ]
    if len(lists) != 1 or len(lists) + len(maps) != len(graph.outputs) or len(maps) > 1:
        return None
    return (*lists, *maps)


def _has_angles(graph: Graph, parts: Sequence[Sequence[str]]) -> bool:
    """Say whether these are the heads of oriented boxes, which `identify` refuses."""
    narrow = [name for found in parts for name in found if graph.shapes[name][1] == 1]
    return any(graph.leads_to(name, "Sin") for name in narrow)


def _row_width(graph: Graph, parts: Sequence[Sequence[str]]) -> int:
    """Return how many numbers a row has: a box, and all of two further tensors; else 0."""
    widths = {tuple(sorted(graph.shapes[name][1] for name in found)) for found in parts}
    if len(widths) != 1:
        return 0
    rest = list(widths.pop())
    box = next((w for w in (BOX_CHANNELS, PLAIN_BOX_CHANNELS) if w in rest), None)
    if len(rest) != 3 or box is None:
        return 0
    rest.remove(box)
    return 4 + sum(rest)


def _find_rows(graph: Graph, output: str, sides: set[int]) -> str | None:
    """Find the tensor [1, n, N] or [1, N, n] nearest to the output that holds all rows."""
    waiting, seen = [output], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        shape = graph.shapes.get(name, ())
        node = graph.producers.get(name)
        if len(shape) == 3 and shape[0] == 1 and set(shape[1:]) == sides:
            before = graph.shapes.get(node.input[0], ()) if node else ()
            turned = node is not None and node.op_type == "Transpose"
            return node.input[0] if node and turned and set(before[1:]) == sides else name
        waiting.extend(values_of(node, name) if node else ())
    return None


def _as_it_is(model: onnx.ModelProto, graph: Graph, output: str) -> onnx.ModelProto:
    """Return the model. Raises UnsupportedModelError where its rows are ranked."""
    made = graph.needed_for(output)
    if any(graph.producers[name].op_type in _RANKING for name in made if name in graph.producers):
        raise UnsupportedModelError(
            "the export ranks or suppresses its detections itself, which the camera does not read, "
            "and its rows cannot be taken before that",
            PLAIN_EXPORT,
        )
    return model


def _end_at_rows(
    model: onnx.ModelProto,
    rows: str,
    others: Sequence[str],
    shape: tuple[int, int],
    *,
    turned: bool,
    corners: bool,
) -> None:
    """Let a model end at its rows [1, n, N], with centres and sizes, in place."""
    graph = model.graph
    if turned:
        graph.node.append(
            helper.make_node("Transpose", [rows], [f"{rows}_rows"], f"{rows}_rows", perm=[0, 2, 1])
        )
        rows = f"{rows}_rows"
    if corners:
        in_cells = None if turned else _join_centres(model, rows)
        rows = in_cells or _add_centres(graph, rows)
    kept = [value for value in graph.output if value.name in others]
    ends = [helper.make_tensor_value_info(rows, TensorProto.FLOAT, (1, *shape)), *kept]
    del graph.output[:]
    graph.output.extend(ends)
    _infer_new_shapes(model)


def _join_centres(model: onnx.ModelProto, rows: str) -> str | None:
    """Join the rows anew with centres and sizes in cells, before the strides; return their name.

    There `compute_boxes_exactly` can see them. Return None where they are not joined from corners.
    """
    graph = Graph(model)
    joined = graph.producers.get(rows)
    scaled = graph.producers.get(joined.input[0]) if joined else None
    if joined is None or scaled is None or scaled.op_type != "Mul":
        return None
    pairs = [node for name in scaled.input if (node := graph.producers.get(name))]
    pair = next((node for node in pairs if node.op_type == "Concat"), None)
    corners = list(pair.input) if pair else []
    if pair is None or [graph.shapes.get(name, ())[1:2] for name in corners] != [(2,), (2,)]:
        return None
    strides = next(name for name in scaled.input if name != pair.output[0])
    shape = Constants(model.graph).shape(strides)
    if shape is None or shape[-2:-1] not in ((), (1,)):
        return None
    name = f"{rows}_centres"
    boxes = f"{name}_in_cells"
    sides = _centre_and_size(model.graph, corners[0], corners[1], boxes)
    _add(model.graph, "Concat", sides, boxes, axis=1)
    pixels = _add(model.graph, "Mul", [boxes, strides], f"{name}_in_pixels")
    return _add(model.graph, "Concat", [pixels, *joined.input[1:]], name, axis=1)


def _add_centres(graph: onnx.GraphProto, rows: str) -> str:
    """Turn the corners in rows [1, n, N] into centre and size; return the new tensor's name."""
    name = f"{rows}_centres"
    axis = _constant(graph, [1], f"{name}_axis", np.int64)
    bounds = [_constant(graph, [at], f"{name}_from_{at}", np.int64) for at in (0, 2, 4)]
    end = _constant(graph, [np.iinfo(np.int64).max], f"{name}_end", np.int64)
    near = _add(graph, "Slice", [rows, bounds[0], bounds[1], axis], f"{name}_near")
    far = _add(graph, "Slice", [rows, bounds[1], bounds[2], axis], f"{name}_far")
    rest = _add(graph, "Slice", [rows, bounds[2], end, axis], f"{name}_rest")
    return _add(graph, "Concat", [*_centre_and_size(graph, near, far, name), rest], name, axis=1)


def _centre_and_size(graph: onnx.GraphProto, near: str, far: str, name: str) -> list[str]:
    half = _constant(graph, 0.5, f"{name}_half", np.float32)
    total = _add(graph, "Add", [near, far], f"{name}_sum")
    centre = _add(graph, "Mul", [total, half], f"{name}_middle")
    return [centre, _add(graph, "Sub", [far, near], f"{name}_size")]


def _add(
    graph: onnx.GraphProto, op: str, inputs: Sequence[str], output: str, **attributes: Any
) -> str:
    graph.node.append(helper.make_node(op, inputs, [output], output, **attributes))
    return output


def _constant(graph: onnx.GraphProto, values: object, name: str, dtype: type) -> str:
    array: npt.NDArray[Any] = np.asarray(values, dtype)
    graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def _infer_new_shapes(model: onnx.ModelProto) -> None:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    model.CopyFrom(inferred)

"""Finding the detection heads of a model by its structure.

Walking back from the outputs, the last convolutions on the three grids (strides 8, 16 and 32) are
the heads: what follows them only decodes. Tensor names differ between exporters; this does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import onnx

from ..errors import UnsupportedModelError
from .model import Head, NetworkInput

STRIDES = (8, 16, 32)
BOX_CHANNELS = 64
"""Four sides of a box, each a distribution over 16 distances (DFL)."""

_SUPPORTED = (
    "This release converts YOLO11 and YOLOv8 detection models, as Ultralytics exports them."
)


def find_heads(model: onnx.ModelProto, image: NetworkInput) -> tuple[tuple[Head, ...], int]:
    """The three heads, from stride 8 to 32, and the number of classes.

    `model` must have its shapes inferred. Raises UnsupportedModelError when its end is not the
    head of a YOLO11 or YOLOv8 detector.
    """
    graph = _Graph(model)
    by_stride = defaultdict(list)
    for tensor in graph.last_convolutions(_grids(image)):
        by_stride[image.width // graph.shapes[tensor][2]].append(tensor)
    heads = tuple(
        _pair(graph, stride, by_stride.get(stride, [])) for stride in STRIDES if by_stride
    )
    classes = {graph.shapes[head.logits][1] for head in heads}
    if len(heads) != len(STRIDES) or len(classes) != 1:
        raise UnsupportedModelError(
            "no detection heads were found at strides 8, 16 and 32"
            + _what_was_found(graph, by_stride),
            _SUPPORTED,
        )
    return heads, classes.pop()


def _grids(image: NetworkInput) -> frozenset[tuple[int, int]]:
    return frozenset((image.height // stride, image.width // stride) for stride in STRIDES)


def _pair(graph: _Graph, stride: int, tensors: list[str]) -> Head:
    """Tell the box tensor from the class tensor among the two of one scale."""
    boxes = [t for t in tensors if graph.shapes[t][1] == BOX_CHANNELS]
    if len(tensors) != 2 or not boxes:
        raise UnsupportedModelError(
            f"the heads at stride {stride} are not one box and one class tensor"
            + _what_was_found(graph, {stride: tensors}),
            _SUPPORTED,
        )
    if len(boxes) == 2:
        boxes = [graph.first_of(tensors)]
    box = boxes[0]
    return Head(stride, box, next(t for t in tensors if t != box))


def _what_was_found(graph: _Graph, by_stride: Mapping[int, Iterable[str]]) -> str:
    found = [
        f"stride {stride}: {', '.join(str(graph.shapes[t][1]) for t in tensors)} channels"
        for stride, tensors in sorted(by_stride.items())
    ]
    outputs = ["×".join(map(str, graph.shapes.get(name, ()))) for name in graph.outputs]
    return f" ({'; '.join(found) or 'no grid tensors'}; outputs {', '.join(outputs)})"


class _Graph:
    """A model's graph with its shapes, and who makes and who reads each tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.outputs = [value.name for value in graph.output]
        self.producers = {name: node for node in graph.node for name in node.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.consumers[name].append(node)
        self.shapes: dict[str, tuple[int, ...]] = {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            for value in (*graph.value_info, *graph.input, *graph.output)
        }

    def last_convolutions(self, grids: frozenset[tuple[int, int]]) -> list[str]:
        """Outputs of the convolutions on `grids` that are met first from the graph's outputs."""
        found: list[str] = []
        seen: set[str] = set()
        waiting = list(self.outputs)
        while waiting:
            tensor = waiting.pop(0)
            node = self.producers.get(tensor)
            if tensor in seen or node is None:
                continue
            seen.add(tensor)
            shape = self.shapes.get(tensor, ())
            if node.op_type == "Conv" and len(shape) == 4 and shape[2:] in grids:
                found.append(tensor)
            else:
                waiting.extend(node.input)
        return found

    def first_of(self, tensors: list[str]) -> str:
        """Which of two 64-channel tensors is the box: the one that a softmax reads.

        Where both run into one concatenation (YOLOv8's older exports), it is the first there;
        where the model is cut already, the one that is put out first.
        """
        softmax = [t for t in tensors if self._leads_to_softmax(t)]
        if len(softmax) == 1:
            return softmax[0]
        for node in self.consumers[tensors[0]]:
            inputs = list(node.input)
            places = [inputs.index(t) for t in tensors if t in inputs]
            if node.op_type == "Concat" and len(places) == 2:
                return tensors[places.index(min(places))]
        if all(t in self.outputs for t in tensors):
            return min(tensors, key=self.outputs.index)
        raise UnsupportedModelError(
            "the box heads cannot be told from the class heads: both have 64 channels",
            "Train with one class more or fewer, or export with the decoding part left in.",
        )

    def _leads_to_softmax(self, tensor: str) -> bool:
        waiting, seen = [tensor], set()
        while waiting:
            name = waiting.pop()
            for node in self.consumers.get(name, ()):
                if node.op_type == "Softmax":
                    return True
                fresh = [output for output in node.output if output not in seen]
                seen.update(fresh)
                waiting.extend(fresh)
        return False
